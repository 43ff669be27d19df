"""Intervals and paired differences against enumeration and textbook formulas."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from throughtime.runners.showing.statistics import Interval, interval, paired_difference, supported_better


def test_interval_of_three_is_the_enumerated_bootstrap():
    """Each extreme is 1 of the 27 resamples of three values, more than 2.5 %, so the interval is the range."""
    values = [1.0, 2.0, 6.0]
    means = sorted(np.mean(resample) for resample in itertools.product(values, repeat=3))
    found = interval(values)
    assert found.mean == pytest.approx(3.0)
    assert found.low == np.quantile(means, 0.025, method="inverted_cdf") == 1
    assert found.high == np.quantile(means, 0.975, method="inverted_cdf") == 6


def test_interval_of_many_is_the_normal_one():
    values = np.random.default_rng(0).normal(5, 2, size=400)
    found = interval(values.tolist())
    half = 1.96 * values.std(ddof=1) / 20
    assert found.low == pytest.approx(values.mean() - half, abs=0.02)
    assert found.high == pytest.approx(values.mean() + half, abs=0.02)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    found = [interval(rng.normal(size=12).tolist()) for _ in range(120)]
    covered = np.mean([one.low <= 0 <= one.high for one in found])
    assert 0.84 <= covered <= 0.99  # percentile intervals of 12 values are a little short


@pytest.mark.parametrize("values", [[3.0], [3.0, 3.0, 3.0]])
def test_interval_without_spread_is_a_point(values):
    assert interval(values) == Interval(3.0, 3.0, 3.0, len(values))


def test_interval_repeats_exactly():
    assert interval([1.0, 2.0, 4.0]) == interval([1.0, 2.0, 4.0])


def test_interval_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one value"):
        interval([])


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=6))
def test_interval_holds_its_mean_and_stays_within_the_values(values):
    found = interval(values)
    slack = 1e-9 * (1 + max(map(abs, values)))
    assert min(values) - slack <= found.low <= found.mean + slack
    assert found.mean - slack <= found.high <= max(values) + slack


@pytest.mark.parametrize(
    ("values", "reference", "better", "expected"),
    [
        ([1.0, 1.1, 1.2], 2.0, "lower", True),
        ([1.0, 1.1, 1.2], 2.0, "higher", False),
        ([1.0, 1.1, 1.2], 0.5, "higher", True),
        ([1.0, 1.1, 1.2], 1.2, "lower", False),  # on average better, but not by what the spread supports
        ([1.0, 1.0, 1.0], 1.1, "lower", True),
        ([1.0, 1.0, 1.0], 1.0, "lower", False),
        ([1.0], 9.0, "lower", False),
    ],
)
def test_better_than_a_reference_as_far_as_the_seeds_tell(values, reference, better, expected):
    assert supported_better(values, reference, better) is expected


def test_better_than_a_reference_is_the_t_test():
    values = [0.9, 1.3, 1.1, 0.8]
    for reference in np.linspace(1.1, 1.9, 17):
        p = stats.ttest_1samp(values, reference).pvalue
        assert supported_better(values, float(reference), "lower") == (p < 0.05)


def test_difference_is_paired_by_seed():
    one, other = {0: 1.0, 1: 5.0, 2: 9.0, 7: 100.0}, {2: 8.0, 1: 4.1, 0: 0.2, 9: -100.0}
    found = paired_difference(one, other)
    differences = [0.8, 0.9, 1.0]
    assert found.interval.mean == pytest.approx(0.9)
    assert found.p == pytest.approx(stats.ttest_rel([1, 5, 9], [0.2, 4.1, 8]).pvalue)
    mean, error = np.mean(differences), np.std(differences, ddof=1) / math.sqrt(3)
    assert found.p == pytest.approx(2 * stats.t.sf(mean / error, df=2))
    assert found.supported


def test_pairing_finds_what_the_spread_over_seeds_hides():
    one = {seed: 10.0 * seed for seed in range(5)}
    other = {seed: 10.0 * seed + 1 + 0.01 * seed for seed in range(5)}
    assert paired_difference(one, other).supported


def test_difference_within_the_noise_is_not_supported():
    assert not paired_difference({0: 1.0, 1: 3.0, 2: 2.0}, {0: 2.0, 1: 1.0, 2: 2.5}).supported


def test_one_pair_supports_nothing():
    found = paired_difference({0: 1.0}, {0: 2.0})
    assert math.isnan(found.p)
    assert not found.supported


def test_equal_runs_do_not_differ():
    found = paired_difference({0: 1.0, 1: 2.0}, {0: 1.0, 1: 2.0})
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
    found = paired_difference({0: 0.1 + 0.2, 1: 0.1 + 0.7, 2: 1.0}, {0: 0.3, 1: 0.8, 2: 1.0})
    assert found.interval.mean != 0
    assert (found.p, found.supported) == (1.0, False)


@given(st.dictionaries(st.integers(0, 5), st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=1))
def test_a_difference_of_any_scores_is_given_without_a_warning(pairs):
    found = paired_difference({s: a for s, (a, _) in pairs.items()}, {s: b for s, (_, b) in pairs.items()})
    assert math.isnan(found.p) == (len(pairs) < 2)
    assert found.supported == (found.p < 0.05)


def test_no_common_seed_no_difference():
    assert paired_difference({0: 1.0}, {1: 1.0}) is None


def test_false_alarms_of_the_mark_are_as_rare_as_promised():
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(600, 2, 4))
    wrong = [paired_difference(dict(enumerate(a)), dict(enumerate(b))).supported for a, b in draws]
    assert np.mean(wrong) == pytest.approx(0.05, abs=0.025)


@pytest.mark.parametrize("n", [2, 3, 10])
def test_interval_and_p_are_those_of_scipy_to_the_last_digit(n):
    for scale in (1e-6, 1.0, 1e5):
        values = scale * np.random.default_rng(n).normal(0.5, 1.0, n)
        found = stats.bootstrap((values,), np.mean, n_resamples=9999, method="percentile", rng=0).confidence_interval
        assert (interval(values.tolist()).low, interval(values.tolist()).high) == (found.low, found.high)
        difference = paired_difference(dict(enumerate(values.tolist())), dict.fromkeys(range(n), 0.0))
        assert difference.p == stats.ttest_1samp(values, 0.0).pvalue
