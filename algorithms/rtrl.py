"""Real-time recurrent learning (Williams & Zipser, Neural Computation 1, 1989): the exact gradient, forward in time.

    M_t = A_t M_{t-1} + immediate,     ∂ℓ_t/∂θ = ∂ℓ_t/∂h_t · M_t

The influence matrix M_t = ∂s_t/∂θ is carried along, so every step has its exact gradient and nothing is walked back.
Memory O(B n P) whatever the length, time O(B n² P) a step, with P ~ G n (m + n + 1) parameters: the textbooks' O(n⁴).
With updates along the way M mixes the parameters of all past steps, as in the original. In a closed loop θ includes
the readout, on which the state then depends. Of stacked layers M has a block for each layer and those below it.
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from throughtime.networks import ClosedLoop, Network
from throughtime.tasks.base import Batch

from .base import Update
from .forward import ForwardMode
from .influence import DenseInfluence, Influence, StructuredInfluence, cell_of, make_influence
from .layered_influence import Layered, StackedInfluence, layer_by_layer, stack_of

if TYPE_CHECKING:
    from .compiled.calls import Kernels


class RTRL(ForwardMode):
    """The exact gradient at every step, forward in time.

    Args:
        update_every: steps from one update to the next; None: one update at the sequence's end.
    """

    exact_up_to = math.inf
    unbiased = True

    def refuses(self, network: Network) -> str:
        """Nothing: where a network has no structure, its Jacobians are dense."""
        return ""

    def begin(self, network: Network, batch_size: int, generator: torch.Generator | None) -> Influence[Any]:
        """An influence of zero, in the network's structure."""
        if isinstance(network, Layered):
            return StackedInfluence(stack_of(network), batch_size)
        if network.structured:
            return WholeInfluence(network, cell_of(network), batch_size)
        return make_influence(network, batch_size) if network.diagonal else WholeDenseInfluence(network, batch_size)

    def updates(
        self, network: Network, batch: Batch, carry: Any = None, *, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """One update every `update_every` steps, of the mean loss over the targets since the last."""
        # What a loop feeds back leads from its last layer to its first: no block is zero then.
        taken = network if isinstance(network, ClosedLoop) else layer_by_layer(network)
        yield from super().updates(taken, batch, carry, generator=generator)


class Whole:
    """An influence matrix (B, D, P) of which nothing is left out."""

    kernel = "rtrl"
    matrix: Tensor

    def by_kernel(
        self, kernels: "Kernels", t: int, old: Tensor, new: Tensor, targets: int, generator: torch.Generator | None
    ) -> float:
        """See `forward.ByKernel`; the kernel runs through memory, where a parameter's influence is then one piece."""
        self.matrix = _by_parameter(self.matrix)
        return kernels.rtrl(t, old, new, self.matrix, targets)


class WholeInfluence(Whole, StructuredInfluence):
    """That of a cell with its structure."""


class WholeDenseInfluence(Whole, DenseInfluence):
    """That of any other recurrence."""


def _by_parameter(matrix: Tensor) -> Tensor:
    """The influence (B, D, P) in an order in which a parameter's is one piece of memory."""
    if matrix.stride(1) == 1:
        return matrix
    # Zeros, as at a sequence's start, are the same in either order.
    by_parameter = matrix.mT.contiguous() if matrix.any() else matrix.view(matrix.mT.shape)
    return by_parameter.mT
