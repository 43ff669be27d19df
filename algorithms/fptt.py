"""Forward propagation through time (Kag & Saligrama, "Training recurrent neural networks via forward propagation
through time", ICML 2021): truncated BPTT whose parameters are held near a running average of themselves.

After every `every` steps, of the last `every` steps' losses ℓ, back through these steps alone:

    gradient = ∂ℓ/∂θ + α (θ − θ̄) − λ,   and once θ has moved:   λ ← λ − α (θ − θ̄),   θ̄ ← (1 − β) θ̄ + β θ − (β/α) λ.

θ̄ begins as θ and λ as zero, so at parameters that stay it is TBPTT(every, every). Both are carried along a stream, and
begin anew where that does. The authors' code also ends an epoch with θ ← θ̄; an algorithm may not move θ, so ours does
not. (What real-time methods and `forward_errors` propagate forward is another thing of a similar name.)
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from throughtime.networks import Network
from throughtime.tasks.base import Batch

from .base import Update
from .truncated import Past, Truncated
from .window import Windows


class Regularized(NamedTuple):
    """The carry.

    Attributes:
        past: as truncated BPTT's.
        average: θ̄, (P,).
        multiplier: λ, (P,).
        moves: whether θ moves after this update, and θ̄ and λ are to follow.
    """

    past: Past
    average: Tensor
    multiplier: Tensor
    moves: bool


class FPTT(Truncated):
    """TBPTT(every, every), held near a running average of the parameters.

    Args:
        every: steps from one update to the next, and back.
        alpha: α, how strongly; more than 0.
        beta: β, how fast the average follows, more than 0 and at most 1.
    """

    backward_mode = True

    def __init__(self, every: int, alpha: float = 0.5, beta: float = 0.5) -> None:
        if every < 1:
            raise ValueError(f"every must be at least 1 step, got {every}")
        if not alpha > 0:
            raise ValueError(f"alpha must be more than 0, got {alpha}; truncated(k1={every}, k2={every}) is without")
        if not 0 < beta <= 1:
            raise ValueError(f"beta must be more than 0 and at most 1, got {beta}")
        super().__init__(k1=every, k2=every)
        self.every, self.alpha, self.beta = every, alpha, beta

    def updates(
        self, network: Network, batch: Batch, carry: Any = None, *, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """One update every `every` steps; the last one may be shorter."""
        past = self.begin(network, batch, carry.past if carry else None)
        theta = _vector(network)
        average, multiplier = (carry.average, carry.multiplier) if carry else (theta, torch.zeros_like(theta))
        moved = carry is not None and carry.moves
        windows = self.windowed(Windows(network, batch, past.inputs), past)
        # A window's gradient is taken when it is asked for, at the parameters of then.
        for update in windows:
            theta = _vector(network)
            if moved:
                multiplier = multiplier - self.alpha * (theta - average)
                average = (1 - self.beta) * average + self.beta * theta - (self.beta / self.alpha) * multiplier
            moved = update.weight > 0
            if moved:
                _add(network, self.alpha * (theta - average) - multiplier)
            yield update._replace(carry=Regularized(update.carry, average, multiplier, moved))


def _vector(network: Network) -> Tensor:
    return nn.utils.parameters_to_vector(network.parameters()).detach()


@torch.no_grad()
def _add(network: Network, gradient: Tensor) -> None:
    """To every ``p.grad`` its piece of a vector of all."""
    parameters = list(network.parameters())
    for parameter, piece in zip(parameters, gradient.split([p.numel() for p in parameters]), strict=True):
        assert parameter.grad is not None
        parameter.grad += piece.view_as(parameter)
