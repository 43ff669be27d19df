"""Suites: defaults and overrides, groups, seeds, and the choice that tuning makes."""

import itertools
import math

import pytest

from throughtime.parts.specs import parse_spec
from throughtime.runners.suite.config import TUNING_SEED
from throughtime.runners.suite.ladder import Choice
from throughtime.runners.suite.suite import load_suite, parse_suite, suite_names

TWO = """
title = "Two"
algorithms = ["full", "truncated(k1=1,k2=2)"]
learning_rates = [0.1, 0.01]
clip_norms = [1.0, inf]
budget = { steps = 100 }
seeds = 2

[[experiments]]
tasks = ["two_lag"]

[[experiments]]
tasks = ["two_lag(length=30)"]
algorithms = ["rtrl"]
cells = ["lstm", "gru"]
learning_rates = [0.5]
clip_norms = [2.0]
budget = { updates = 7 }
"""


@pytest.fixture
def two():
    return parse_suite(TWO, "two", origin="two.toml")


def test_groups_are_the_cross_products_in_order(two):
    assert [(group.task, group.cell, group.algorithm) for group in two.groups()] == [
        ("two_lag", "rnn", "full"),
        ("two_lag", "rnn", "truncated(k1=1, k2=2)"),
        ("two_lag(length=30)", "lstm", "rtrl"),
        ("two_lag(length=30)", "gru", "rtrl"),
    ]


def test_an_experiment_overrides_what_stands_at_the_top(two):
    first, second = two.experiments
    assert (first.budget.steps, second.budget.steps, second.budget.updates) == (100, None, 7)
    assert first.seeds == second.seeds == 2


def test_grid_is_every_rate_with_every_clip_norm(two):
    expected = [Choice(0.1, 1.0), Choice(0.1, None), Choice(0.01, 1.0), Choice(0.01, None)]
    assert two.experiments[0].grid == expected


def test_one_point_needs_no_tuning(two):
    assert two.groups()[2].tuning("cpu") == {}


def test_tuning_and_report_seeds_differ(two):
    group = two.groups()[0]
    tuning = [config for configs in group.tuning("cpu").values() for config in configs]
    report = group.report(Choice(0.1, None), "cpu")
    assert [config.seed for config in report] == [0, 1]
    assert {config.seed for config in tuning} == {TUNING_SEED}
    assert {config.purpose for config in tuning} == {"tuning"}


def test_the_best_mean_validation_score_is_chosen(two):
    scores = {choice: [1.0, 1.0] for choice in two.experiments[0].grid} | {Choice(0.01, None): [0.2, 0.4]}
    assert two.groups()[0].choose(scores) == Choice(0.01, None)


def test_a_point_with_a_failed_run_loses(two):
    scores = {choice: [1.0, 1.0] for choice in two.experiments[0].grid} | {Choice(0.01, None): [0.0, None]}
    assert two.groups()[0].choose(scores) != Choice(0.01, None)


def test_ties_and_failures_go_to_the_smallest(two):
    assert two.groups()[0].choose({}) == Choice(0.01, 1.0)


def test_higher_is_better_where_the_metric_says_so(two, monkeypatch):
    from throughtime.tasks import Metric
    from throughtime.tasks.two_lag import TwoLag

    monkeypatch.setattr(TwoLag, "metric", Metric("accuracy", better="higher"))
    scores = {choice: [0.5] for choice in two.experiments[0].grid} | {Choice(0.1, 1.0): [0.9]}
    assert two.groups()[0].choose(scores) == Choice(0.1, 1.0)


def test_specs_are_written_in_one_way(two):
    assert two.experiments[0].algorithms[1] == "truncated(k1=1, k2=2)"


def test_infinite_clip_norm_is_no_clipping(two):
    assert math.inf in two.experiments[0].clip_norms
    assert two.experiments[0].grid[1].clip_norm is None


@pytest.mark.parametrize("name", suite_names())
def test_every_built_in_suite_has_the_controls(name):
    """In every table; but on the literature's copy the exact gradient is beyond what others or we can run."""
    streams = ("influence_balancing", "literature")  # there an update after every step is the point
    controls = {"rtrl" if name in streams else "full", "readout_only"}
    tables: dict[tuple[str, ...], set[str]] = {}
    for experiment in load_suite(name).experiments:
        for table in itertools.product(experiment.tasks, experiment.cells, [str(experiment.budget)]):
            tables.setdefault(table, set()).update(parse_spec(one)[0] for one in experiment.algorithms)
    for table, algorithms in tables.items():
        assert controls - ({"rtrl"} if table[0] == "copy_stream" else set()) <= algorithms, table


def test_a_missing_field_is_told_with_its_experiment():
    text = TWO.replace('tasks = ["two_lag(length=30)"]\n', "")
    with pytest.raises(ValueError, match=r"two.toml, experiment 2 lacks the field 'tasks'"):
        parse_suite(text, "two", origin="two.toml")


def test_experiments_must_be_tables():
    with pytest.raises(ValueError, match=r"must be written as \[\[experiments\]\] tables"):
        parse_suite("experiments = 3", "x", origin="x.toml")


def test_unknown_field_at_the_top_is_told():
    with pytest.raises(ValueError, match="unknown field 'titel'; did you mean 'title'"):
        parse_suite("titel = 'x'\n" + TWO.replace("title", "#"), "x", origin="x.toml")
