"""Statistics of paired times: pure functions that know nothing of processes or screens.

A session is one pair of processes: where their memory lies differs from process to process and shifts all times of a
session alike, so sessions are the replication unit, and no number of rounds in one of them stands for another.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

THRESHOLD = 1.05
"""Half of the 10 % that must be found. Ratios of identical code, pooled over three sessions, were seen to spread by
0.7 % (standard deviation), on a busy virtual machine of two cores."""

LEVEL = 0.95


@dataclass(frozen=True)
class Session:
    """The ratio head / base of one benchmark in one session.

    Attributes:
        ratio: its median over the rounds.
        low: the median's lower 95 % confidence bound, of the binomial distribution (Conover 1999, quantile test).
        high: its upper 95 % bound.
        base_seconds: the median time of one run of base.
    """

    ratio: float
    low: float
    high: float
    base_seconds: float

    @classmethod
    def of(cls, seconds: np.ndarray) -> "Session":
        """From the seconds of base and head in each round, (rounds, 2)."""
        ratios = seconds[:, 1] / seconds[:, 0]
        low: Any = stats.quantile_test(ratios, q=1, p=0.5, alternative="greater").confidence_interval(LEVEL)
        high: Any = stats.quantile_test(ratios, q=1, p=0.5, alternative="less").confidence_interval(LEVEL)
        return cls(float(np.median(ratios)), float(low.low), float(high.high), float(np.median(seconds[:, 0])))


def pooled(sessions: Sequence[Session]) -> float:
    """The median over sessions, which one odd session can't move beyond the others.

    >>> pooled([Session(ratio, ratio, ratio, 1.0) for ratio in (1.01, 1.40, 1.02)])
    1.02
    """
    return float(np.median([session.ratio for session in sessions]))


def slower(sessions: Sequence[Session], threshold: float = THRESHOLD) -> bool:
    """Whether head is slower: by more than the threshold over all, and beyond its noise in every session."""
    return pooled(sessions) > threshold and all(session.low > 1 for session in sessions)


def faster(sessions: Sequence[Session], threshold: float = THRESHOLD) -> bool:
    """The same, the other way round."""
    return pooled(sessions) < 1 / threshold and all(session.high < 1 for session in sessions)


def stored_baseline_alarms(pairs: Iterable[tuple[Sequence[float], Sequence[float]]], threshold: float = 1.1) -> float:
    """How often a stored baseline would have called code slower, for contrast.

    Args:
        pairs: the stored times of each benchmark, and the times compared with them.
        threshold: what time of any benchmark, as a multiple of the stored one, is an alarm.

    Returns:
        The share of pairs with an alarm; nan of none.

    >>> stored_baseline_alarms([([1.0, 1.0], [1.2, 1.0]), ([1.0, 1.0], [1.0, 1.05])])
    0.5
    """
    alarms = [any(now > threshold * before for before, now in zip(*pair, strict=True)) for pair in pairs]
    return sum(alarms) / len(alarms) if alarms else math.nan
