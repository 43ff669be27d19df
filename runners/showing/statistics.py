"""Statistics over seeds: pure functions that know nothing of files or screens.

A seed is the unit of replication. Intervals are bootstrap percentile intervals of the mean (Efron 1979) with a fixed
random state, so a table repeats byte by byte; differences are paired by seed. Both are scipy's to the last digit,
without what `scipy.stats` does before: a table of hundreds of rows would wait for that.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

LEVEL = 0.95
RESAMPLES = 9999
ROUNDING = 64 * float(np.finfo(float).eps)
"""Differences that spread less than this share of the scores are equal: a t-test of them would judge the rounding."""


@dataclass(frozen=True)
class Interval:
    """A mean over n seeds and the interval that it lies in at the 95 % level; n = 1: low = mean = high."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Difference:
    """A mean difference, paired by seed.

    Attributes:
        interval: of the mean difference.
        p: of a paired t-test that there is none; nan with fewer than two pairs.
        supported: the test rejects "no difference" at 5 %.
    """

    interval: Interval
    p: float
    supported: bool


def interval(values: Sequence[float]) -> Interval:
    """The mean and its bootstrap percentile interval.

    >>> interval([2.0, 2.0, 2.0])
    Interval(mean=2.0, low=2.0, high=2.0, n=3)
    """
    sample = np.asarray(values, dtype=float)
    if not len(sample):
        raise ValueError("an interval needs at least one value")
    mean = float(sample.mean())
    if len(sample) == 1 or np.ptp(sample) == 0:
        return Interval(mean, mean, mean, len(sample))
    means = sample[_resamples(len(sample))].mean(axis=-1)
    low, high = stats.quantile(means, np.array([(1 - LEVEL) / 2, 1 - (1 - LEVEL) / 2]))
    return Interval(mean, float(low), float(high), len(sample))


@functools.lru_cache(maxsize=64)
def _resamples(n: int) -> np.ndarray:
    """The seeds that `scipy.stats.bootstrap` draws with rng=0, which is slower by as much as it draws them anew."""
    return np.random.default_rng(0).integers(0, n, (RESAMPLES, n))


def paired_difference(one: Mapping[int, float], other: Mapping[int, float]) -> Difference | None:
    """The difference one − other over the seeds that both have; None where they share none."""
    seeds = sorted(one.keys() & other.keys())
    if not seeds:
        return None
    differences = np.asarray([one[seed] - other[seed] for seed in seeds])
    largest = max(abs(scores[seed]) for scores in (one, other) for seed in seeds)
    p = _paired_p(differences, ROUNDING * largest)
    return Difference(interval(differences.tolist()), p, p < 1 - LEVEL)


def supported_better(values: Sequence[float], reference: float, better: str) -> bool:
    """Whether the mean is better than a reference, and a t-test over the values supports it at 5 %.

    Args:
        values: one a seed; fewer than two support nothing.
        reference: what they are to be better than.
        better: "lower" or "higher".
    """
    gains = (1 if better == "higher" else -1) * (np.asarray(values, dtype=float) - reference)
    largest = max(float(np.abs(values).max()), abs(reference))
    return bool(gains.mean() > 0 and _paired_p(gains, ROUNDING * largest) < 1 - LEVEL)


def _paired_p(differences: np.ndarray, rounding: float) -> float:
    """Of the paired t-test (Student 1908): its limit where all differences are the same up to rounding."""
    if len(differences) < 2:
        return math.nan
    if np.ptp(differences) <= rounding:
        return 0.0 if abs(differences.mean()) > rounding else 1.0
    n, mean = len(differences), differences.mean()
    variance = np.mean((differences - mean) ** 2) * (n / (n - 1))
    return float(2 * special.stdtr(n - 1, -abs(mean / np.sqrt(variance / n))))
