"""Verdict words: in the order of the scores, judged together, and rarely wrong."""

import itertools

import error_rates
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.runners.showing.statistics import error_of_mean, lags_of, widening
from throughtime.runners.showing.verdicts import Scores, sampling_error, verdicts
from throughtime.tasks import Metric, Reference

LOWER, ACCURACY = Metric("NMSE", "lower"), Metric("accuracy", "higher")
SUNSPOTS = (
    Reference("mean", 1.2, "floor", ""),
    Reference("persistence", 0.43, "floor", ""),
    Reference("AR(1)", 0.428, "baseline", ""),
    Reference("AR(2)", 0.19, "baseline", ""),
    Reference("AR(9)", 0.13, "baseline", ""),
    Reference("noiseless", 0.0, "optimum", ""),
)
BEST = ["not learned", "beats the floor", "beats AR(2)", "beats AR(9)"]


def around(mean, spread, seeds=8):
    return Scores({seed: mean + spread * (-1) ** seed for seed in range(seeds)})


def words(rows, references=SUNSPOTS, metric=LOWER, tests=0):
    return [one.words for one in verdicts(rows, metric, references, tests)]


@pytest.mark.parametrize(
    ("mean", "spread", "verdict"),
    [
        (0.1, 0.01, "beats AR(9)"),
        (0.12, 0.02, "beats AR(2), ~AR(9)"),
        (0.16, 0.1, "beats the floor, ~AR(2)"),
        (0.18, 0.001, "beats AR(2)"),
        (0.3, 0.001, "beats the floor"),
        (0.3, 0.3, "~beats the floor"),
        (0.427, 0.0, "not learned"),  # by less than 1 % better than persistence
        (0.12, 0.5, "~beats AR(9)"),
    ],
)
def test_verdict_names_the_best_reference_that_the_mean_beats(mean, spread, verdict):
    assert words([around(mean, spread)]) == [verdict]


def test_what_is_beaten_is_named_with_support_alone():
    (found,) = verdicts([around(0.12, 0.02)], LOWER, SUNSPOTS)
    assert found.beaten == ("persistence", "AR(2)")


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 0.6), st.floats(0, 0.3)), min_size=2, max_size=8))
def test_a_better_mean_never_carries_a_weaker_name(rows):
    ranked = sorted((around(mean, spread) for mean, spread in rows), key=lambda row: row.mean)
    named = [one.split("~")[-1].removeprefix("beats ") for one in words(ranked)]
    order = [one.removeprefix("beats ") for one in BEST]
    ranks = [order.index(one) for one in named]
    assert ranks == sorted(ranks, reverse=True)


def test_more_rows_ask_for_more():
    row = Scores(dict(enumerate([0.1, 0.1, 0.11, 0.12, 0.1, 0.09, 0.11, 0.2])))
    assert words([row])[0] == "beats AR(2), ~AR(9)"
    assert words([row] + [around(0.5, 0.1)] * 6)[0] == "beats the floor, ~AR(9)"


@pytest.mark.parametrize(("rows", "seeds"), [(1, 5), (7, 8), (10, 8), (11, 9)])
def test_too_few_seeds_for_so_many_rows_give_no_verdict(rows, seeds):
    assert words([around(0.1, 0.01, seeds)] * rows) == ["beats AR(9)"] * rows
    assert words([around(0.1, 0.01, seeds - 1)] * rows) == ["too few seeds for a verdict"] * rows
    assert words([around(0.5, 0.01, 1)] * rows) == ["not learned"] * rows


def test_rows_without_a_score_have_no_verdict_and_ask_for_nothing():
    assert words([around(0.1, 0.01, 5), *[Scores({})] * 6]) == ["beats AR(9)", *[""] * 6]


def test_runs_that_diverged_count_against_a_row():
    row = around(0.1, 0.01, 8)
    assert words([row]) == ["beats AR(9)"]
    assert words([Scores(row.by_seed, diverged=2)]) == ["~beats AR(9)"]


@pytest.mark.parametrize("references", [(), SUNSPOTS[2:]])
def test_where_there_is_no_floor_nothing_is_said_to_be_not_learned(references):
    assert words([around(0.5, 0.0)], references) == [""]


def test_scores_far_below_the_rounding_of_their_floor_beat_it():
    floor = (Reference("nothing", 0.2, "floor", ""), Reference("all", 0.0, "optimum", ""))
    assert words([Scores({seed: seed * 1e-17 for seed in range(8)})], floor) == ["beats the floor"]


@pytest.mark.parametrize(
    ("tests", "verdict"), [(0, "beats kNN"), (100_000, "beats kNN"), (450, "beats the floor, ~kNN")]
)
def test_the_error_of_the_test_data_is_in_the_verdict(tests, verdict):
    references = (Reference("majority", 0.1, "floor", ""), Reference("kNN", 0.97, "baseline", ""))
    assert words([around(0.98, 0.002)], references, ACCURACY, tests) == [verdict]


def test_error_of_test_data_is_the_binomials():
    assert sampling_error(ACCURACY, (0.5,), 100) == pytest.approx(0.05)
    rights = np.random.default_rng(0).random((4000, 2, 450)) < np.array([0.9, 0.8])[:, None]
    accuracies = rights.mean(axis=-1)
    assert sampling_error(ACCURACY, (0.9, 0.8), 450) == pytest.approx(
        (accuracies[:, 0] - accuracies[:, 1]).std(), rel=0.03
    )
    assert sampling_error(LOWER, (0.9, 0.8), 450) == sampling_error(ACCURACY, (0.9, 0.8), 0) == 0


def test_error_of_a_series_is_that_of_its_losses_difference():
    rng = np.random.default_rng(0)
    one, other = rng.exponential(size=(2, 35))
    error = error_of_mean((one - other).tolist())
    assert sampling_error(LOWER, (one.mean(), other.mean()), 1, (one, other)) == pytest.approx(error)
    scaled = sampling_error(LOWER, (3 * one.mean(), 3 * other.mean()), 1, (one, other))
    assert scaled == pytest.approx(3 * error)
    assert sampling_error(LOWER, (1.0, 2.0), 1, (one, ())) == sampling_error(LOWER, (1.0, 1.0), 1, (one, one)) == 0


def test_error_of_a_root_is_in_its_own_unit():
    rng = np.random.default_rng(0)
    losses = rng.exponential(size=(2000, 2, 50)) * np.array([1.0, 0.8])[:, None]
    scores = np.sqrt(losses.mean(axis=-1))
    found = [sampling_error(LOWER, tuple(two), 1, tuple(both)) for two, both in zip(scores, losses, strict=True)]
    plain = np.median(found) / widening((lags_of(50) + 1) / 50)
    assert plain == pytest.approx((scores[:, 0] - scores[:, 1]).std(), rel=0.1)


@pytest.mark.parametrize(("years", "verdict"), [(35, "beats persistence, ~AR(9)"), (3500, "beats AR(9)")])
def test_a_few_years_are_in_the_verdict(years, verdict):
    noise = np.tile([-0.3, 0.4, -0.1, 0.0, 0.3, -0.4, 0.1], years // 7)
    classical = Reference("AR(9)", 0.5, "baseline", "", losses=tuple(0.5 + noise))
    floor = Reference("persistence", 2.0, "floor", "", losses=tuple(2.0 - noise))
    row = Scores({seed: 0.42 + 0.001 * seed for seed in range(8)}, losses=tuple(0.4235 - noise))
    (found,) = verdicts([row], LOWER, (floor, classical), 1)
    assert found.words.replace("the floor", "persistence") == verdict


class TestLevel:
    """With the functions of `results/error_rates.py`, whose whole table is committed."""

    @pytest.mark.parametrize("name", error_rates.SHAPES)
    def test_any_wrong_mark_of_seven_like_rows_is_rare(self, name):
        found = error_rates.measured(error_rates.SHAPES[name], 8, tables=400, intervals=1, found=1)
        assert found["any"] <= 0.06 + 2 * (0.06 * 0.94 / 400) ** 0.5

    @pytest.mark.parametrize("seeds", [3, 4])
    def test_too_few_seeds_have_no_mark(self, seeds):
        found = error_rates.measured(error_rates.SHAPES["normal"], seeds, tables=50, intervals=1, found=20)
        assert [found[one] for one in ("any", "difference found", "beats found")] == [0, 0, 0]

    def test_what_is_committed_holds_what_is_promised(self):
        frame = pd.read_csv(error_rates.FOLDER / "coverage.csv")
        assert list(zip(frame["shape"], frame["seeds"], strict=True)) == list(
            itertools.product(error_rates.SHAPES, error_rates.SEEDS)
        )
        assert (frame["any"] <= 0.06).all()
        normal = frame[frame["shape"] == "normal"]["coverage"]
        assert ((normal - 0.95).abs() <= 0.01).all()

    def test_what_is_committed_is_what_is_measured(self):
        frame = pd.read_csv(error_rates.FOLDER / "coverage.csv").set_index(["shape", "seeds"])
        name = "lognormal (σ = 1)"
        found = error_rates.measured(error_rates.SHAPES[name], 3, tables=1, found=1)
        assert frame.loc[(name, 3), "coverage"] == found["coverage"]
        assert (error_rates.FOLDER / "coverage.md").read_text(encoding="utf-8") == error_rates.report(
            frame.reset_index()
        )

    def test_few_targets_have_few_wrong_marks_where_their_error_counts(self):
        found = error_rates.measured_on_few_targets(35, 0.0, tables=100)
        assert max(found["difference"], found["beats"]) <= 0.06 + 2 * (0.06 * 0.94 / 100) ** 0.5
        assert min(found["difference, seeds alone"], found["beats, seeds alone"]) > 0.5

    def test_what_is_committed_of_few_targets_is_what_is_measured(self):
        frame = pd.read_csv(error_rates.FOLDER / "small_tests.csv", dtype={"neighbours": str})
        sizes = list(zip(frame["targets"], frame["neighbours"], strict=True))
        assert sizes == list(itertools.product(error_rates.TARGETS, error_rates.NEIGHBOURS))
        alike = (frame["targets"] >= 35) | (frame["neighbours"] == "0")
        assert (frame[alike][["difference", "beats"]] <= 0.06).all(axis=None)
        assert (error_rates.FOLDER / "small_tests.md").read_text(encoding="utf-8") == error_rates.report_of_small_tests(
            frame
        )

    @pytest.mark.parametrize("name", error_rates.SHAPES)
    def test_a_shape_has_the_moments_that_it_names(self, name):
        shape = error_rates.SHAPES[name]
        draws = shape.draw(np.random.default_rng(0), (400_000,))
        error = 4 * shape.deviation / len(draws) ** 0.5
        assert draws.mean() == pytest.approx(shape.mean, abs=error)
        assert draws.std() == pytest.approx(shape.deviation, rel=0.02)
        assert np.mean(draws <= shape.median) == pytest.approx(0.5, abs=0.004)
