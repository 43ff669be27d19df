"""The ladder of learning rates: its rates, where it goes, and where it ends, whatever the scores are."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.runners.suite.experiment import Experiment
from throughtime.runners.suite.ladder import Choice, Ladder, best_of, costs_of, end_of
from throughtime.runners.suite.suite import parse_suite

AUTO = Ladder(start=0.003, least=1e-5, most=1.0)
RUNGS = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)


def climb(cost, ladder=AUTO):
    """Tune with a cost for each rate, nan where the run diverges: the rates in the order tried, and the choice."""
    tried = list(ladder.first)
    while True:
        scores = {Choice(rate, None): [None if math.isnan(cost(rate)) else cost(rate)] for rate in tried}
        best = best_of(scores, "lower", inner=True).learning_rate
        further = ladder.further(costs_of(scores, "lower"), best)
        if further is None:
            return tried, best
        tried.append(further)


def test_rates_are_the_numbers_that_one_writes():
    assert AUTO.rungs == RUNGS
    assert AUTO.first == (0.001, 0.003, 0.01)
    when = "while the best is at an end or all are alike"
    assert str(AUTO) == f"0.001, 0.003, 0.01, and one further {when}, from 1e-05 to 1"
    assert [f"{rate:g}" for rate in AUTO.rungs[:2]] == ["1e-05", "3e-05"]


@pytest.mark.parametrize(("least", "most", "ends"), [(2e-4, 0.5, (3e-4, 0.3)), (1e-3, 1e-2, (1e-3, 1e-2))])
def test_limits_need_not_be_rates(least, most, ends):
    rungs = Ladder(start=0.003, least=least, most=most).rungs
    assert (rungs[0], rungs[-1]) == ends


@pytest.mark.parametrize("best", RUNGS)
def test_the_best_is_found_on_either_side(best):
    tried, found = climb(lambda rate: abs(math.log(rate / best)))
    assert found == best
    assert end_of(best, tried) == {RUNGS[0]: "lowest", RUNGS[-1]: "highest"}.get(best, "")
    steps = max(abs(RUNGS.index(best) - RUNGS.index(0.003)), 0)
    assert len(tried) == 3 + min(steps, 4), "one rate at a time, and one beyond the best"


def test_a_rate_that_diverged_is_a_neighbour():
    tried, found = climb(lambda rate: math.nan if rate >= 0.03 else -rate)
    assert (tried, found) == ([0.001, 0.003, 0.01, 0.03], 0.01)
    assert end_of(found, tried) == ""


def test_where_all_diverge_it_goes_down_until_one_does_not():
    tried, found = climb(lambda rate: math.nan if rate >= 1e-4 else 1.0)
    assert (tried, found) == ([0.001, 0.003, 0.01, 3e-4, 1e-4, 3e-5, 1e-5], 1e-5)
    tried, found = climb(lambda rate: math.nan)
    assert (tried[3:], found) == ([3e-4, 1e-4, 3e-5, 1e-5], 1e-5)


def test_it_does_not_go_down_along_a_plateau():
    assert climb(lambda rate: 0.0 if rate <= 0.001 else 1.0) == ([0.001, 0.003, 0.01, 3e-4, 1e-4], 3e-4)


def test_where_all_are_alike_it_goes_up_until_one_is_not():
    assert climb(lambda rate: 1.0) == ([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0], 0.03)
    assert climb(lambda rate: 1.05 - rate if rate < 0.03 else 2.0) == ([0.001, 0.003, 0.01, 0.03], 0.01)


def test_a_plateau_on_which_nothing_is_learned_does_not_hide_the_rate_that_learns():
    """Scores at a floor, the best of them by luck at the lowest rate, and what an LSTM reaches at a larger one."""
    floor = {0.001: 0.1650, 0.003: 0.1655, 0.01: 0.1660, 0.03: 0.001, 0.1: 0.2}
    assert climb(lambda rate: floor.get(rate, 0.17)) == ([0.001, 0.003, 0.01, 0.03, 0.1], 0.03)


def test_of_each_rate_the_better_clip_norm_counts():
    scores = {Choice(0.1, 1.0): [3.0, 5.0], Choice(0.1, None): [2.0, 4.0], Choice(1.0, 1.0): [None, 1.0]}
    assert costs_of(scores, "lower") == {0.1: 3.0, 1.0: math.inf}
    assert costs_of(scores, "higher") == {0.1: -4.0, 1.0: math.inf}


costs = st.lists(st.one_of(st.floats(-1, 1), st.sampled_from([0.0, math.nan])), min_size=11, max_size=11)


@given(costs)
def test_whatever_the_scores_are_it_ends_inside_or_at_a_limit(costs):
    cost = dict(zip(RUNGS, costs, strict=True))
    tried, found = climb(cost.__getitem__)
    places = sorted(RUNGS.index(rate) for rate in tried)
    assert places == list(range(places[0], places[-1] + 1)), "there is no hole"
    assert not end_of(found, tried) or found in (RUNGS[0], RUNGS[-1])
    told = [cost[rate] for rate in tried if not math.isnan(cost[rate])]
    assert not told or cost[found] == min(told)
    assert climb(cost.__getitem__) == (tried, found)


@given(st.dictionaries(st.sampled_from(RUNGS), st.lists(st.sampled_from([0.0, 1.0, None]), min_size=2, max_size=2),
                       min_size=1))  # fmt: skip
def test_of_a_list_the_smallest_of_the_best_is_chosen(scores):
    points = {Choice(rate, None): values for rate, values in scores.items()}
    means = {rate: sum(values) for rate, values in scores.items() if None not in values}
    best = [rate for rate, mean in means.items() if mean == min(means.values())] or list(scores)
    assert best_of(points, "lower", inner=False).learning_rate == min(best)
    highest = [rate for rate, mean in means.items() if mean == max(means.values())] or list(scores)
    assert best_of(points, "higher", inner=False).learning_rate == min(highest)


def experiment(**fields):
    about = {"tasks": ["two_lag"], "algorithms": ["full"], "budget": {"steps": 64}, "learning_rates": "auto"}
    return Experiment.model_validate({**about, **fields})


def test_auto_suits_the_optimizer():
    assert experiment().rates == (0.001, 0.003, 0.01)
    assert experiment(optimizer="sgd").rates == (0.01, 0.03, 0.1)
    assert experiment(optimizer="sgd").ladder.rungs[-1] == 10


def test_a_table_says_what_it_wants_otherwise():
    assert experiment(learning_rates={"start": 0.1}).ladder == Ladder(start=0.1, least=1e-5, most=1.0)
    assert experiment(learning_rates={"most": 0.1}).ladder == Ladder(start=0.003, least=1e-5, most=0.1)


def test_a_ladder_has_three_tuning_seeds_at_least_and_a_list_one():
    assert experiment().tuning_seeds == 3
    assert experiment(tuning_seeds=5).tuning_seeds == 5
    assert experiment(learning_rates=[0.1, 0.01]).tuning_seeds == 1


def test_what_is_written_is_read_as_it_was():
    text = 'tasks = ["two_lag"]\nalgorithms = ["full"]\nbudget = { steps = 64 }\nlearning_rates = "auto"\n'
    suite = parse_suite(text, "tiny", origin="tiny.toml")
    assert type(suite).model_validate(json.loads(json.dumps(suite.model_dump(mode="json")))) == suite
    assert suite.model_dump(mode="json")["experiments"][0]["learning_rates"] == AUTO.model_dump()


def test_every_clip_norm_is_tried_at_every_rate():
    (group,) = experiment(clip_norms=[1.0, math.inf]).groups()
    assert list(group.tuning("cpu")) == group.experiment.points([0.001, 0.003, 0.01])
    assert list(group.tuning("cpu", [0.1])) == [Choice(0.1, 1.0), Choice(0.1, None)]
    assert [config.learning_rate for config in group.attempts(Choice(0.1, None), "cpu")] == [0.1] * 3
