"""Mackey–Glass: a chaotic series from a delay differential equation (Mackey & Glass, Science 197, 1977).

    dx/dt = 0.2 x(t − τ) / (1 + x(t − τ)¹⁰) − 0.1 x(t),     x(t) = 1.2 for t ≤ 0

Integrated by the method of steps: within one delay x(t − τ) is known, the previous interval's dense output, and the
equation is an ordinary one. The first 1000 time units are left out. How hard a step is depends on the sampling alone:
with τ = 17, repeating the last value scores .021 every 1 time unit, .084 every 2 and .67 every 6. The metric is the
mean squared error divided by the variance of the part to learn from.
"""

import functools
import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .base import Reference
from .series import Series, Split

POINTS = 3000
WASHOUT = 1000.0
START = 1.2


def slope(now: float, delayed: float) -> float:
    """dx/dt from x(t) and x(t − τ)."""
    return 0.2 * delayed / (1 + delayed**10) - 0.1 * now


@functools.cache
def integrate(tau: float, every: float, points: int = POINTS, tolerance: float = 1e-8) -> Tensor:
    """The series at the times WASHOUT, WASHOUT + every, …: (points,), float64."""
    times = WASHOUT + every * np.arange(points, dtype=np.float64)
    past: Callable[[float], float] = lambda t: START  # noqa: E731 (the interval's own past takes its place)
    found, x = [], START
    for number in range(math.floor(times[-1] / tau) + 1):
        begin = number * tau
        within = times[(times >= begin) & (times < begin + tau)]
        past, values, x = _interval(past, x, begin, tau, tolerance, within)
        found.append(values)
    return torch.from_numpy(np.concatenate(found))


def _interval(
    past: Callable[[float], float], x: float, begin: float, tau: float, tolerance: float, times: NDArray[np.float64]
) -> tuple[Callable[[float], float], NDArray[np.float64], float]:
    """One delay's length: x as a function of the time, at given times, and at the end."""
    from scipy.integrate import solve_ivp

    solved = solve_ivp(
        lambda t, y: [slope(y[0], past(t - tau))],
        (begin, begin + tau),
        [x],
        method="RK45",
        rtol=tolerance,
        atol=tolerance,
        dense_output=True,
    )
    dense = solved.sol
    if dense is None or not solved.success:
        raise RuntimeError(f"Mackey–Glass could not be integrated from t={begin:g}: {solved.message}")
    return lambda t: float(dense(t)[0]), dense(times)[0] if len(times) else np.empty(0), float(solved.y[0, -1])


class MackeyGlass(Series):
    """Predict the next sample of a Mackey–Glass series of 3000 samples.

    Args:
        length: steps of a training window.
        tau: the delay τ in time units, 1 to 100; chaotic from 17 on.
        every: time units between samples, 0.1 to 10; the time to integrate grows with it, about 2 s for 1.
        horizon: steps of free running that are scored.
        stream: training windows follow each other, the network's state carried on.
    """

    def __init__(
        self, length: int = 64, tau: float = 17.0, every: float = 1.0, horizon: int = 84, stream: bool = False
    ) -> None:
        for name, value, least, most in (("tau", tau, 1, 100), ("every", every, 0.1, 10)):
            if not least <= value <= most:
                raise ValueError(f"{name} must be from {least} to {most} time units, got {value}")
        self.tau, self.every = float(tau), float(every)
        super().__init__(Split.by_time(POINTS), length=length, horizon=horizon, stream=stream)

    def values(self) -> Tensor:
        return integrate(self.tau, self.every)[:, None]

    def references(self) -> list[Reference]:
        """The mean, the last sample, and autoregressions that reach over one delay of 17 samples and over two."""
        return [self.mean_value(), self.persistence(), self.autoregression(18), self.autoregression(36)]
