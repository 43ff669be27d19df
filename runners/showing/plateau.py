"""Whether a budget ended on a plateau, or the score was still improving: a rule for learning curves, over seeds."""

import math
import statistics
from collections.abc import Sequence

from scipy import special

LEAST_SHARE = 0.05
"""Of the whole progress, that the last quarter of a curve must gain on the one before."""

LEAST_POINTS = 4
"""Evaluations after the start: fewer have no quarters."""

LEVEL = 0.05
"""Of the test over seeds that there is a gain at all."""


def still_learning(curves: Sequence[Sequence[float]], better: str, floor: float | None = None) -> bool | None:
    """Whether the last quarter's mean score gains on the quarter before by more than 5 % of the whole progress.

    And where there are several seeds, by a one-sided t-test over them (5 %): a curve that is noise gains now and then.
    Progress begins where training does, or at the floor once that is beaten: the way to a floor is often far, and made
    in a few updates.

    Args:
        curves: a score an evaluation, the first before training; one curve a seed.
        better: "lower" or "higher".
        floor: the best one.

    Returns:
        None where no curve has four evaluations after the start.
    """
    sign = 1 if better == "lower" else -1
    costs = [[sign * score for score in curve] for curve in curves if len(curve) > LEAST_POINTS]
    if not costs:
        return None
    gains, ends = zip(*map(_gain, costs), strict=True)
    gain, end, start = statistics.fmean(gains), statistics.fmean(ends), statistics.fmean(cost[0] for cost in costs)
    if floor is not None and end < sign * floor < start:
        start = sign * floor
    n = len(gains)
    least = special.stdtrit(n - 1, 1 - LEVEL) * statistics.stdev(gains) / math.sqrt(n) if n > 1 else 0.0
    return bool(gain > max(LEAST_SHARE * (start - end), least, 0.0))


def _gain(costs: Sequence[float]) -> tuple[float, float]:
    """By how much the last quarter is better than the one before, and its mean."""
    quarter = (len(costs) - 1) // 4
    last, before = statistics.fmean(costs[-quarter:]), statistics.fmean(costs[-2 * quarter : -quarter])
    return before - last, last
