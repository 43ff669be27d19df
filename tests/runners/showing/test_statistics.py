"""Intervals, paired differences and verdicts against scipy, statsmodels and textbook formulas."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from throughtime.runners.showing.statistics import (
    LEAST_SEEDS,
    WRONGLY_BEATEN,
    WRONGLY_DIFFERENT,
    Difference,
    Interval,
    beaten,
    better_p,
    bounds,
    corrected,
    error_of_mean,
    holm,
    interval,
    lags_of,
    paired_difference,
    prediction,
    seeds_needed,
    widening,
)


@pytest.mark.parametrize("n", [2, 3, 10])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e5])
def test_interval_and_p_are_those_of_scipy(n, scale):
    values = scale * np.random.default_rng(n).normal(0.5, 1.0, n)
    found, told = interval(values.tolist()), stats.ttest_1samp(values, 0.0)
    expected = told.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert bounds(values.tolist()) == (found.low, found.high)
    difference = paired_difference(dict(enumerate(values.tolist())), dict.fromkeys(range(n), 0.0))
    assert difference.p == pytest.approx(told.pvalue, rel=1e-12)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_interval_covers_the_mean_of_normal_scores_as_often_as_it_says(n):
    rng = np.random.default_rng(n)
    found = [interval(sample) for sample in rng.normal(size=(4000, n)).tolist()]
    assert np.mean([one.low <= 0 <= one.high for one in found]) == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize("n", [3, 8])
def test_prediction_holds_one_more_normal_score_as_often_as_it_says(n):
    scores = np.random.default_rng(n).normal(2.0, 0.5, size=(4000, n + 1)).tolist()
    found = [prediction(known).low <= one <= prediction(known).high for *known, one in scores]
    assert np.mean(found) == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize("values", [[3.0], [3.0, 3.0, 3.0]])
def test_interval_without_spread_is_a_point(values):
    assert interval(values) == Interval(3.0, 3.0, 3.0, len(values))


def test_interval_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one value"):
        interval([])


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=6))
def test_interval_holds_its_mean(values):
    found = interval(values)
    assert found.low <= found.mean <= found.high


def test_difference_is_paired_by_seed():
    one, other = {0: 1.0, 1: 5.0, 2: 9.0, 7: 100.0}, {2: 8.0, 1: 4.1, 0: 0.2, 9: -100.0}
    found = paired_difference(one, other)
    differences = [0.8, 0.9, 1.0]
    assert found.interval.mean == pytest.approx(0.9)
    assert found.p == pytest.approx(stats.ttest_rel([1, 5, 9], [0.2, 4.1, 8]).pvalue)
    mean, error = np.mean(differences), np.std(differences, ddof=1) / math.sqrt(3)
    assert found.p == pytest.approx(2 * stats.t.sf(mean / error, df=2))


def test_pairing_finds_what_the_spread_over_seeds_hides():
    one = {seed: 10.0 * seed for seed in range(5)}
    other = {seed: 10.0 * seed + 1 + 0.01 * seed for seed in range(5)}
    assert paired_difference(one, other).supported
    assert paired_difference({0: 1.0, 1: 3.0, 2: 2.0, 3: 2.0, 4: 2.0}, other).supported is False


@pytest.mark.parametrize("seeds", [1, 4])
def test_few_pairs_are_not_judged(seeds):
    found = paired_difference(dict.fromkeys(range(seeds), 1.0), dict.fromkeys(range(seeds), 2.0))
    assert math.isnan(found.p) == (seeds == 1)
    assert found.supported is None
    assert corrected([found, None]) == [found, None]


def test_equal_runs_do_not_differ():
    scores = {seed: float(seed) for seed in range(5)}
    found = paired_difference(scores, scores)
    assert (found.interval.mean, found.p, found.supported) == (0.0, 1.0, False)


@pytest.mark.parametrize("shift", [0.1, -0.1, 1e-3])
def test_differences_that_are_equal_up_to_rounding_are_equal(shift):
    """0.4 − 0.3 and 0.6 − 0.5 differ in their last digits; scipy warns of a test on those."""
    other = {seed: 0.1 * seed for seed in range(8)}
    found = paired_difference({seed: score + shift for seed, score in other.items()}, other)
    assert len({other[seed] + shift - other[seed] for seed in other}) > 1
    assert found.interval.mean == pytest.approx(shift)
    assert (found.p, found.supported) == (0.0, True)


def test_scores_that_differ_in_rounding_alone_do_not_differ():
    found = paired_difference(dict(enumerate([0.1 + 0.2, 0.1 + 0.7, 1, 2, 3])), dict(enumerate([0.3, 0.8, 1, 2, 3])))
    assert found.interval.mean != 0
    assert (found.p, found.supported) == (1.0, False)


@given(
    st.dictionaries(st.integers(0, 5), st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=1),
    st.sampled_from([0.0, 1e-12, 0.1, 1e3]),
)
def test_a_difference_of_any_scores_is_given_without_a_warning(pairs, error):
    found = paired_difference({s: a for s, (a, _) in pairs.items()}, {s: b for s, (_, b) in pairs.items()}, error)
    assert math.isnan(found.p) == (len(pairs) < 2)
    assert found.supported == (found.p < WRONGLY_DIFFERENT if len(pairs) >= LEAST_SEEDS else None)


def test_no_common_seed_no_difference():
    assert paired_difference({0: 1.0}, {1: 1.0}) is None


@pytest.mark.parametrize("spread", [0.0, 0.01])
def test_an_error_of_the_test_data_is_added_to_that_of_the_seeds(spread):
    one = {seed: 0.98 + spread * (-1) ** seed for seed in range(8)}
    other = dict.fromkeys(one, 0.96)
    alone, found = paired_difference(one, other), paired_difference(one, other, 0.02)
    error = math.sqrt(spread**2 / 7 + 0.02**2)
    assert found.p == pytest.approx(2 * stats.t.sf(0.02 / error, df=7))
    assert alone.supported
    assert not found.supported
    assert found.interval == alone.interval  # over seeds, as it says


def autocorrelated(rng, tables, n, alike):
    """Values with unit variance in order of time, each with the share `alike` of the one before: (tables, n)."""
    values = rng.normal(size=(tables, n))
    for k in range(1, n):
        values[:, k] = alike * values[:, k - 1] + math.sqrt(1 - alike**2) * values[:, k]
    return values


@pytest.mark.parametrize(("n", "lags"), [(2, 1), (24, 2), (35, 3), (626, 6)])
def test_error_of_a_mean_is_by_autocovariances_that_fade(n, lags):
    values = np.random.default_rng(n).normal(size=n).cumsum()
    left = values - values.mean()
    variance = left @ left + 2 * sum((1 - k / (lags + 1)) * (left[k:] @ left[:-k]) for k in range(1, lags + 1))
    assert error_of_mean(values.tolist()) == pytest.approx(widening((lags + 1) / n) * math.sqrt(variance / n / (n - 1)))


@pytest.mark.parametrize(("alike", "least"), [(0.0, 0.93), (0.5, 0.78)])
def test_error_of_a_mean_is_about_how_means_spread(alike, least):
    values = autocorrelated(np.random.default_rng(0), 1000, 200, alike)
    plain = np.mean([error_of_mean(one) for one in values.tolist()]) / widening((lags_of(200) + 1) / 200)
    assert least <= plain / values.mean(axis=1).std() <= 1.05


@pytest.mark.parametrize(("n", "wrong"), [(24, 0.1), (35, 0.07)])
def test_a_mean_of_few_alike_values_is_seldom_beyond_its_error(n, wrong):
    """2 % is what it would be of long series, and 14 and 10 % what it is here by an error that is not widened."""
    values = autocorrelated(np.random.default_rng(n), 1000, n, 0.5)
    assert np.mean([abs(np.mean(one)) > 2.3263 * error_of_mean(one) for one in values.tolist()]) <= wrong


def test_equal_values_have_no_error():
    assert error_of_mean([0.25] * 35) == pytest.approx(0, abs=1e-15)


TIES = [
    np.random.default_rng(seed).choice([0.001, 0.004, 0.01, 0.015, 0.03, 0.5], size=1 + seed % 8) for seed in range(24)
]


@pytest.fixture
def nothing_collected(monkeypatch):
    """Statsmodels collects the garbage of the whole process at each call."""
    monkeypatch.setattr("gc.collect", lambda: 0)


@pytest.mark.usefixtures("nothing_collected")
@pytest.mark.parametrize("p", TIES)
def test_holms_correction_is_that_of_statsmodels(p):
    assert holm(p) == pytest.approx(list(multipletests(p, method="holm")[1]))


def test_differences_are_judged_together():
    def judged(p, seeds=8):
        return Difference(Interval(1.0, 0.0, 2.0, seeds), p, None)

    found = corrected([judged(0.004), None, judged(0.011), judged(1e-9, seeds=4), judged(0.015)])
    assert [one and one.supported for one in found] == [True, None, False, None, False]
    assert [one.p for one in (found[0], found[2], found[4])] == pytest.approx([0.012, 0.022, 0.022])
    assert corrected([]) == []


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_better_than_a_reference_is_the_weaker_of_sign_test_and_t_test(better):
    sign = 1 if better == "higher" else -1
    values = np.array([0.9, 1.3, 1.1, 0.8, 1.2, 1.0, 1.25, 3.0])
    for reference in (0.7, 0.85, 0.95, 1.15):
        greater = int((values > reference).sum())
        signs = stats.binomtest(greater, 8, alternative="greater").pvalue
        expected = max(signs, stats.ttest_1samp(values, reference).pvalue)
        assert better_p(sign * values, sign * reference, better) == pytest.approx(expected)
        assert better_p(sign * values, sign * reference, "lower" if better == "higher" else "higher") == 1


def test_runs_that_diverged_are_not_better():
    values = [0.3, 0.31, 0.32, 0.3, 0.31, 0.32, 0.33]
    assert better_p(values, 0.6, "lower") == pytest.approx(2**-7)
    assert better_p(values, 0.6, "lower", lost=1) == pytest.approx(9 * 2**-8)


@pytest.mark.parametrize(
    ("values", "reference", "p"),
    [
        ([1.0] * 8, 1.1, 2**-8),
        ([1.0] * 8, 1.0, 1.0),
        ([0.5] * 7 + [1.0], 1.0, 9 * 2**-8),  # the last one is not better
        ([0.1 + 0.2] * 8, 0.3, 1.0),  # better by rounding alone
        ([k * 1e-17 for k in range(8)], 0.2, 2**-8),  # their spread is rounding on a floor of 0.2
        ([1.0], 9.0, 1.0),
    ],
)
def test_scores_without_spread_are_judged_by_their_number(values, reference, p):
    assert better_p(values, reference, "lower") == pytest.approx(p)


@pytest.mark.parametrize("rows", [1, 2, 5, 7, 10, 11, 22, 40])
def test_so_many_seeds_that_the_best_scores_can_support_a_verdict(rows):
    needed = seeds_needed(rows)
    chances = [max(2.0**-n, better_p([1.0] * n, 2.0, "lower")) for n in (needed, needed - 1)]
    assert beaten([[chances[0]], *[[1.0]] * (rows - 1)])[0] == 1
    assert needed == LEAST_SEEDS or beaten([[chances[1]], *[[1.0]] * (rows - 1)])[0] == 0


@pytest.mark.usefixtures("nothing_collected")
@pytest.mark.parametrize("p", TIES)
def test_one_reference_each_is_beaten_by_holms_procedure(p):
    expected = multipletests(p, alpha=WRONGLY_BEATEN, method="holm")[0]
    assert [bool(one) for one in beaten([[one] for one in p])] == list(expected)


def test_references_are_beaten_in_turn():
    assert beaten([[0.5, 0.0], [0.001, 0.5]]) == [0, 1]  # none beyond the first that is not beaten
    assert beaten([[0.01, 0.01], [0.03, 0.03]]) == [2, 2]  # the first row's share went to the second
    assert beaten([[0.01, 0.03], [0.03, 0.03]]) == [1, 0]  # which it did not where one is left to it
    assert beaten([[], [0.03]]) == [0, 1]
    assert beaten([]) == []
