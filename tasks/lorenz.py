"""Lorenz: a chaotic series of three components (Lorenz, Journal of the Atmospheric Sciences 20, 1963).

    dx/dt = 10 (y − x),     dy/dt = x (28 − z) − y,     dz/dt = x y − 8/3 z,     (x, y, z) = (1, 1, 1) at t = 0

The first 10 time units are left out; the largest Lyapunov exponent is 0.9 per time unit, so the last digit of the
arithmetic reaches the first after about 40 units, and later samples may differ between machines while their statistics
do not. How hard a step is depends on the sampling alone: repeating the last value scores .023 every 0.02 time units
(.012 in x alone), .14 every 0.05. The metric is the mean over the components of the mean squared error divided by the
variance of the part to learn from.
"""

import functools

import numpy as np
import torch
from torch import Tensor

from .base import Reference
from .series import Series, Split

POINTS = 5000
WASHOUT = 10.0


@functools.cache
def integrate(every: float, points: int = POINTS, tolerance: float = 1e-12) -> Tensor:
    """(x, y, z) at the times WASHOUT, WASHOUT + every, …: (points, 3), float64."""
    from scipy.integrate import solve_ivp

    times = WASHOUT + every * np.arange(points)
    solved = solve_ivp(
        lambda t, s: [10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]],
        (0, times[-1]),
        [1.0, 1.0, 1.0],
        method="DOP853",
        t_eval=times,
        rtol=tolerance,
        atol=tolerance,
    )
    if not solved.success:
        raise RuntimeError(f"Lorenz could not be integrated: {solved.message}")
    return torch.from_numpy(np.ascontiguousarray(solved.y.T))


class Lorenz(Series):
    """Predict the next sample of a Lorenz series of 5000 samples: 3 inputs, 3 outputs.

    Args:
        length: steps of a training window.
        every: time units between samples, 0.001 to 0.1; the time to integrate grows with it.
        horizon: steps of free running that are scored.
        stream: training windows follow each other, the network's state carried on.
    """

    input_size = 3
    output_size = 3

    def __init__(self, length: int = 64, every: float = 0.02, horizon: int = 100, stream: bool = False) -> None:
        if not 0.001 <= every <= 0.1:
            raise ValueError(f"every must be from 0.001 to 0.1 time units, got {every}")
        self.every = float(every)
        super().__init__(Split.by_time(POINTS), length=length, horizon=horizon, stream=stream)

    def values(self) -> Tensor:
        return integrate(self.every)

    def references(self) -> list[Reference]:
        """The mean, the last sample, and an autoregression of every component by itself."""
        return [self.mean_value(), self.persistence(), self.autoregression(10)]
