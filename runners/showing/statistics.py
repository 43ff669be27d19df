"""Statistics over seeds: pure functions that know nothing of files or screens.

A seed is the unit of replication; what is compared on the same seeds is paired by them. Intervals are Student's: exact
for normal scores from two seeds on, where a bootstrap of three values can't reach beyond these. What a table says of
its rows is judged together (Holm 1979), so that in 6 % of the tables at most any of it is wrong: 4 % for references
that are said to be beaten, 2 % for differences. How often it is wrong for scores that are not normal is measured by
`results/error_rates.py` with these very functions.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

LEVEL = 0.95
WRONGLY_BEATEN, WRONGLY_DIFFERENT = 0.04, 0.02
"""In how many of the tables some row may wrongly be said to beat a reference, and to differ from full BPTT.

The first is the larger one, so that eight seeds serve ten rows: see `seeds_needed`."""

LEAST_SEEDS = 5
"""With fewer no sign test can reject at 4 %, and a t-test is wrong too often where scores have two modes."""

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
        p: of the test that there is none, corrected by `corrected`; nan with fewer than two pairs.
        supported: the test rejects "no difference"; None where there are too few seeds for a verdict.
    """

    interval: Interval
    p: float
    supported: bool | None


def interval(values: Sequence[float]) -> Interval:
    """The mean and its t interval (Student 1908).

    >>> interval([2.0, 2.0, 2.0])
    Interval(mean=2.0, low=2.0, high=2.0, n=3)
    """
    sample = np.asarray(values, dtype=float)
    if not len(sample):
        raise ValueError("an interval needs at least one value")
    mean, n = float(sample.mean()), len(sample)
    if n == 1 or np.ptp(sample) == 0:
        return Interval(mean, mean, mean, n)
    reach = float(special.stdtrit(n - 1, (1 + LEVEL) / 2) * math.sqrt(_variance(sample) / n))
    return Interval(mean, mean - reach, mean + reach, n)


def prediction(values: Sequence[float]) -> Interval:
    """The mean, and the interval in which one more run's value lies at the 95 % level (of normal values).

    >>> prediction([2.0, 2.0])
    Interval(mean=2.0, low=2.0, high=2.0, n=2)
    """
    found = interval(values)
    widening = math.sqrt(found.n + 1)  # from a mean's standard error s/√n to that of one value less the mean
    low, high = (found.mean + widening * (end - found.mean) for end in (found.low, found.high))
    return Interval(found.mean, low, high, found.n)


def bounds(values: Iterable[float]) -> tuple[float, float]:
    """An interval's ends, as seaborn asks for them."""
    found = interval([*values])
    return found.low, found.high


def paired_difference(one: Mapping[int, float], other: Mapping[int, float], error: float = 0.0) -> Difference | None:
    """The difference one − other over the seeds that both have, judged by itself; None where they share none.

    The test is the paired t-test. Of two like algorithms the differences are symmetric whatever the scores' shape, and
    there it holds its level, where a test of signs alone could not reject for all rows of a table on eight seeds.

    Args:
        one: scores by seed.
        other: likewise.
        error: the standard error of the difference that comes from the test data, which the seeds share.
    """
    seeds = sorted(one.keys() & other.keys())
    if not seeds:
        return None
    differences = np.asarray([one[seed] - other[seed] for seed in seeds])
    largest = max(abs(scores[seed]) for scores in (one, other) for seed in seeds)
    p = _p(differences, ROUNDING * largest, error)
    return _judged(Difference(interval(differences.tolist()), p, None))


def corrected(differences: Sequence[Difference | None]) -> list[Difference | None]:
    """The same, judged together: some that is none is called supported in 2 % of the tables at most."""
    tested = [number for number, one in enumerate(differences) if one is not None and _enough(one)]
    found = list(differences)
    for number, p in zip(tested, holm([one.p for one in differences if one and _enough(one)]), strict=True):
        one = found[number]
        found[number] = one and _judged(replace(one, p=p))
    return found


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected for their number: the least first, times how many are left (Holm 1979).

    Not by statsmodels, whose function collects the garbage of the whole process at each call: a table makes many.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=float)
    order = np.argsort(values)
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(steps, 1.0)
    return [float(value) for value in adjusted]


def better_p(values: Sequence[float], reference: float, better: str, *, lost: int = 0, error: float = 0.0) -> float:
    """P that runs are not better than a reference: the larger one of a sign test and of a t-test.

    The sign test (one-sided, exact for scores of any shape) is on the median: more than half of the runs are better.
    The t-test is on the mean, and keeps a row from beating what its interval holds; it alone would not do, for skewed
    scores reject it far too often. 1 where the mean is not better.

    Args:
        values: one a seed.
        reference: what they are to be better than.
        better: "lower" or "higher".
        lost: runs without a score that are worse than any: those that diverged.
        error: as in `paired_difference`.
    """
    gains = (1 if better == "higher" else -1) * (np.asarray(values, dtype=float) - reference)
    rounding = ROUNDING * max(float(np.abs(values).max()), abs(reference))
    if len(gains) < 2 or gains.mean() <= rounding:
        return 1.0
    wins, runs = int((gains > rounding).sum()), len(gains) + lost
    sign = float(special.bdtrc(wins - 1, runs, 0.5)) if wins else 1.0
    return max(sign, _p(gains, rounding, error))


def error_of_mean(values: Sequence[float]) -> float:
    """The standard error of the mean, to test by, of values in order of time, of which neighbours may be alike.

    By autocovariances up to a lag of 4 (n / 100)^(2/9), less weighted the longer they are (Newey & West 1987, 1994),
    and wider by how uncertain such an error is in a short series (Kiefer & Vogelsang 2005); of the differences of two
    predictions' losses it is the error that Diebold & Mariano (1995) test by.
    """
    from statsmodels.regression.linear_model import OLS  # half a second to import, for small tests alone

    n = len(values)
    lags = lags_of(n)
    fitted = OLS(np.asarray(values, dtype=float), np.ones(n)).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": True}
    )
    return float(fitted.bse[0]) * widening((lags + 1) / n)


def lags_of(n: int) -> int:
    """The largest lag whose autocovariance counts in a series of n values."""
    return min(int(4 * (n / 100) ** (2 / 9)), n - 1)


def widening(b: float) -> float:
    """The critical value at 99 % of a mean by its error, as a multiple of the normal distribution's 2.33.

    Args:
        b: the share of the series that its error looks back, lags + 1 of n.

    The smallest level that Kiefer & Vogelsang (2005, Econometric Theory 21) tell of for this weighting.

    >>> [round(widening(b), 2) for b in (0.0, 0.1, 0.3)]
    [1.0, 1.18, 1.55]
    """
    return (2.3263 + 4.1618 * b + 0.5368 * b**2 - 0.9060 * b**3) / 2.3263


def seeds_needed(rows: int) -> int:
    """The fewest with which one row of a table can be found to beat a reference: 2⁻ⁿ may be 4 % / rows.

    Nor could another test do with fewer: where scores have two modes, one on either side of the reference, n runs of an
    algorithm that is no better all end on the good side with probability 2⁻ⁿ.

    >>> [seeds_needed(rows) for rows in (1, 2, 4, 7, 12, 24)]
    [5, 6, 7, 8, 9, 10]
    """
    return max(LEAST_SEEDS, math.ceil(math.log2(max(rows, 1) / WRONGLY_BEATEN)))


def beaten(p: Sequence[Sequence[float]]) -> list[int]:
    """Of each row how many references it beats, some wrongly in 4 % of the tables at most.

    A row's references are tried from the easiest to the hardest and no further than the first that it fails, all at
    the row's share of 4 %; a row that beats all of its own leaves its share to the others. With one reference each
    that is Holm's procedure (1979), with several a graph of Bretz et al. (2009).

    Args:
        p: of each row and reference, the easiest first.

    >>> beaten([[0.001, 0.01], [0.02, 0.9], [0.03, 0.9]])
    [2, 1, 0]
    """
    done, counts = 0, [0] * len(p)
    while True:
        level = WRONGLY_BEATEN / max(len(p) - done, 1)
        counts = [next((k for k, one in enumerate(row) if not one <= level), len(row)) for row in p]
        if (now := sum(count == len(row) for count, row in zip(counts, p, strict=True))) == done:
            return counts
        done = now


def _enough(difference: Difference) -> bool:
    return difference.interval.n >= LEAST_SEEDS


def _judged(difference: Difference) -> Difference:
    return replace(difference, supported=difference.p < WRONGLY_DIFFERENT if _enough(difference) else None)


def _variance(sample: np.ndarray) -> float:
    return float(np.mean((sample - sample.mean()) ** 2) * (len(sample) / (len(sample) - 1)))


def _p(differences: np.ndarray, rounding: float, error: float) -> float:
    """Two-sided, of the t-test (Student 1908) that the mean is zero; its limit where all are equal up to rounding.

    An error besides the seeds' adds its square to theirs. The freedom stays theirs, which is the safe side.
    """
    n = len(differences)
    if n < 2:
        return math.nan
    mean = float(differences.mean())
    seeds = _variance(differences) / n if np.ptp(differences) > rounding else 0.0
    if abs(mean) <= rounding and not seeds:
        return 1.0
    if not (total := math.hypot(math.sqrt(seeds), error)):
        return 0.0
    return float(2 * special.stdtr(n - 1, -abs(mean) / total))
