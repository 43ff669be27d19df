"""Times that survive a noisy machine: several things run in turns, and compared turn by turn.

A slow second hits all that run in it alike, so the ratio of two times taken side by side repeats where the times do
not.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Work = Callable[[], object]


@dataclass(frozen=True)
class Spread:
    """The middle of many measurements.

    Attributes:
        median: half of them are smaller.
        lower: a quarter of them are smaller.
        upper: three quarters of them are smaller.
    """

    median: float
    lower: float
    upper: float

    @classmethod
    def of(cls, values: np.ndarray) -> "Spread":
        """The median and quartiles of an array."""
        lower, median, upper = np.quantile(values, [0.25, 0.5, 0.75])
        return cls(float(median), float(lower), float(upper))


def in_turns(works: Mapping[str, Work], *, rounds: int, warm_up: int = 2) -> dict[str, np.ndarray]:
    """Wall seconds of each work in each round; within a round all run one after the other, in changing order.

    Args:
        works: what to time, by name.
        rounds: how often.
        warm_up: rounds before, whose times are thrown away: first-call compilation, caches, allocations.

    Returns:
        For each name the seconds, (rounds,); the same index is the same round.
    """
    seconds = {name: np.empty(rounds) for name in works}
    names = list(works)
    for turn in range(-warm_up, rounds):
        for name in names:
            start = time.perf_counter()
            works[name]()
            if turn >= 0:
                seconds[name][turn] = time.perf_counter() - start
        names.append(names.pop(0))
    return seconds


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> Spread:
    """The ratio of two times taken in the same rounds: its median over the rounds, and its quartiles."""
    return Spread.of(numerator / denominator)
