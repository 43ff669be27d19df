"""From an update to the next parameters: clip, step the optimizer, and add up what a record tells of it.

All parameters are one vector, and so are their gradients. Nothing is read from the device but when the sums are asked
for: an update that has to be waited for would leave a GPU idle. A gradient that is not finite is counted, and not
applied.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from throughtime.algorithms.base import Update
from throughtime.algorithms.compiled.choose import available, torch_is_alone
from throughtime.networks import Network
from throughtime.networks.compiled.cache import compiling, name_of
from throughtime.networks.flat import Flat, flatten
from throughtime.runners.suite.config import RunConfig


@dataclass
class Tally:
    """What the updates since some moment added up to.

    Attributes:
        updates: how many.
        loss: Σ weight · loss.
        weight: Σ weight.
        norm: Σ ‖gradient‖ before clipping, of those that are finite.
        finite: their number.
        clipped: the number of those that were clipped.
    """

    updates: int = 0
    loss: float = 0.0
    weight: float = 0.0
    norm: float = 0.0
    finite: int = 0
    clipped: int = 0

    def add(self, other: "Tally") -> None:
        """Those of another stretch too."""
        self.updates += other.updates
        self.loss += other.loss
        self.weight += other.weight
        self.norm += other.norm
        self.finite += other.finite
        self.clipped += other.clipped


class Stepper(ABC):
    """An optimizer over the vector of a network's parameters.

    Args:
        flat: the network's vectors.
        rate: the learning rate.
        limit: to which a gradient's norm is clipped.
    """

    def __init__(self, flat: Flat, rate: float, limit: float) -> None:
        self.flat, self.rate, self.limit = flat, rate, limit
        self.sums = flat.values.new_zeros(5, dtype=torch.float64)
        self.updates = 0

    def step(self, update: Update) -> None:
        """Apply the gradient that is in every ``p.grad``."""
        self.updates += 1
        if not self.flat.holds:  # an algorithm that replaces parameters, where it may change p.grad alone
            self.flat.rejoin()
        self._apply(self.flat.gather_gradients(), update)

    @abstractmethod
    def _apply(self, gradients: Tensor, update: Update) -> None:
        """The same, of the vector of gradients, (P,); what is to be told of it is added to the sums."""

    def tally(self) -> Tally:
        """What was added up since it was last asked for."""
        loss, weight, norm, finite, clipped = self.sums.tolist()
        tally = Tally(self.updates, loss, weight, norm, round(finite), round(clipped))
        self.sums.zero_()
        self.updates = 0
        return tally


def make_stepper(config: RunConfig, network: Network) -> Stepper:
    """The stepper of a run, for a network whose parameters are moved into one vector."""
    flat, rate = flatten(network), config.learning_rate
    limit = math.inf if config.clip_norm is None else config.clip_norm
    if flat.values.device.type != "cpu" or torch_is_alone() or not available():
        return TorchStepper(config.optimizer, flat, rate, limit)
    return (CompiledAdam if config.optimizer == "adam" else CompiledSGD)(flat, rate, limit)


class CompiledAdam(Stepper):
    """On a CPU, in one call."""

    def __init__(self, flat: Flat, rate: float, limit: float) -> None:
        from throughtime.networks.compiled.optimizers import adam

        super().__init__(flat, rate, limit)
        first, second = torch.zeros_like(flat.values), torch.zeros_like(flat.values)
        self._adam, self._steps = adam, 0
        self._arrays = [each.numpy() for each in (flat.values, flat.gradients, first, second, self.sums)]
        with compiling(name_of("step", "adam", flat.values.dtype)):
            adam(*(array[:0] for array in self._arrays[:4]), np.zeros(5), 0, rate, limit, 0.0, 0.0, *_ADAM)

    def _apply(self, gradients: Tensor, update: Update) -> None:
        told = (self._steps, self.rate, self.limit, float(update.weight), float(update.loss))
        self._steps = self._adam(*self._arrays, *told, *_ADAM)


_ADAM = (0.9, 0.999, 1e-8)
"""β₁, β₂ and ε, torch.optim.Adam's defaults."""


class CompiledSGD(Stepper):
    """On a CPU, in one call."""

    def __init__(self, flat: Flat, rate: float, limit: float) -> None:
        from throughtime.networks.compiled.optimizers import sgd

        super().__init__(flat, rate, limit)
        self._sgd = sgd
        self._arrays = [each.numpy() for each in (flat.values, flat.gradients, self.sums)]
        with compiling(name_of("step", "sgd", flat.values.dtype)):
            sgd(*(array[:0] for array in self._arrays[:2]), np.zeros(5), rate, limit, 0.0, 0.0)

    def _apply(self, gradients: Tensor, update: Update) -> None:
        self._sgd(*self._arrays, self.rate, self.limit, float(update.weight), float(update.loss))


class TorchStepper(Stepper):
    """Anywhere, by torch's fused optimizers."""

    def __init__(self, optimizer: Literal["adam", "sgd"], flat: Flat, rate: float, limit: float) -> None:
        super().__init__(flat, rate, limit)
        whole = nn.Parameter(flat.values)
        whole.grad = flat.gradients
        kinds: dict[str, type[torch.optim.SGD | torch.optim.Adam]] = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
        self._optimizer = kinds[optimizer]([whole], lr=self.rate, fused=True)

    @torch.no_grad()
    def _apply(self, gradients: Tensor, update: Update) -> None:
        norm = torch.linalg.vector_norm(gradients)
        finite, clips = norm.isfinite(), norm > self.limit
        size = norm.double()
        seen = torch.stack([update.loss.double() * update.weight, torch.full_like(size, update.weight), size])
        counts = torch.stack([finite, finite & clips])
        self.sums[:2] += seen[:2]
        self.sums[2] += torch.where(finite, size, 0.0)
        self.sums[3:] += counts
        if math.isfinite(self.limit):
            gradients.mul_((self.limit / (norm + 1e-6)).clamp(max=1.0))
        # As mixed precision's scaler does: the fused step leaves everything as it is where this is 1.
        self._optimizer.found_inf = (~finite).to(torch.float32)  # type: ignore[union-attr]
        self._optimizer.step()
