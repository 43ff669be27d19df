"""Chaotic lanes: trajectories of one chaotic system side by side, without end, whose next values are to be told
(Yi & Wang 2026, "Certified low-rank real-time recurrent learning for dense recurrent neural networks").

Both systems are taken by Euler's method, with steps as coarse as there:

    Mackey–Glass   x_{t+1} = x_t + 0.2 x_{t−16} / (1 + x_{t−16}¹⁰) − 0.1 x_t
    Lorenz         dx = 10 (y − x) dt,  dy = (x (28 − z) − y) dt,  dz = (x y − 8/3 z) dt,  dt = 0.01; every second x

Values are scaled by the mean and the deviation of many lanes, so a mean squared error is the NMSE. A lane is cut into
stretches, before each of which the network's state is reset. `mackey_glass` and `lorenz` integrate exactly, learn from
one short series, and can run free.
"""

import functools
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .base import Batch, Metric, Reference
from .generated import GeneratedTask
from .losses import squared_error

Values = NDArray[np.float64]

WASHOUT = 1000
"""Values of each lane that are left out, after which lanes have nothing in common but the system."""

LANES, LONG = 256, 4000
"""So many values of so many lanes tell the mean and the deviation."""


def mackey_glass(lanes: int, generator: torch.Generator) -> Iterator[Values]:
    """The x of every lane, (lanes,), step by step; histories are drawn evenly from 0.3 to 1.4."""
    history = 0.3 + 1.1 * torch.rand(17, lanes, generator=generator, dtype=torch.float64).numpy()
    past: deque[Values] = deque(history, maxlen=17)
    while True:
        now, delayed = past[-1], past[0]
        past.append(now + 0.2 * delayed / (1 + delayed**10) - 0.1 * now)
        yield past[-1]


def lorenz(lanes: int, generator: torch.Generator) -> Iterator[Values]:
    """The x of every lane, (lanes,), at every second step; each begins near (1, 1, 1)."""
    x, y, z = 1 + 0.1 * torch.randn(3, lanes, generator=generator, dtype=torch.float64).numpy()
    while True:
        for _ in range(2):
            dx, dy, dz = 10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z
            x, y, z = x + 0.01 * dx, y + 0.01 * dy, z + 0.01 * dz
        yield x


SYSTEMS: dict[str, Callable[[int, torch.Generator], Iterator[Values]]] = {
    "mackey_glass": mackey_glass,
    "lorenz": lorenz,
}


@functools.cache
def scale(system: str) -> tuple[float, float]:
    """The mean and the deviation of a system's values."""
    lanes = SYSTEMS[system](LANES, torch.Generator().manual_seed(0))
    values = np.stack(list(islice(lanes, WASHOUT, WASHOUT + LONG)))
    return float(values.mean()), float(values.std())


class ChaoticLanes(GeneratedTask):
    """Predict the next value of every lane.

    Args:
        system: which.
        length: steps of a batch, before which the network's state is reset; each goes on where the last one ended.
    """

    metric = Metric("NMSE", better="lower")
    input_size = 1
    output_size = 1
    validation_size, test_size = 64, 256

    def __init__(self, system: Literal["mackey_glass", "lorenz"] = "mackey_glass", length: int = 200) -> None:
        if length < 1:
            raise ValueError(f"length must be at least 1, got {length}")
        self.system, self.length = system, length

    def sample(self, batch_size: int, *, generator: torch.Generator) -> Batch:
        """The first stretch of fresh lanes: inputs and targets (T, B, 1)."""
        return next(self.batches(batch_size, generator=generator))

    def batches(self, batch_size: int, *, generator: torch.Generator) -> Iterator[Batch]:
        """B lanes, stretch after stretch; none is shown twice, and the state is carried over none."""
        mean, deviation = scale(self.system)
        lanes = islice(SYSTEMS[self.system](batch_size, generator), WASHOUT, None)
        last = next(lanes)
        while True:
            values = np.stack([last, *islice(lanes, self.length)])
            last = values[-1]
            scaled = torch.from_numpy((values - mean) / deviation).float()[..., None]
            yield Batch(scaled[:-1], scaled[1:], squared_error)

    def references(self) -> list[Reference]:
        """The mean, and the last value repeated, on the test lanes."""
        test = self.test()

        def scored(name: str, outputs: Tensor, source: str) -> Reference:
            return Reference(name, self.score(outputs, test), "floor", source)

        return [
            scored("mean", torch.zeros_like(test.targets), "constant prediction"),
            scored("persistence", test.inputs, "last given value"),
        ]
