"""Eligibility traces: the influence of every weight on its own unit alone, M̃_t = d_t M̃_{t-1} + ∂s_t/∂θ|immediate.

d_t is what a unit's state makes of its own past, S × S numbers: through the state alone (a leak, a forget gate), or
through the unit's own recurrent weight too, which is the diagonal of D_t = ∂s_t/∂s_{t-1}. Memory and time are O(P) a
sequence. In a closed loop the readout's weights reach every unit by the output that is fed back: the influence on each
unit goes along that unit's own path too, O(o n²) numbers, so that one step back is exact for them as well.
"""

from copy import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from throughtime.networks import Linearization, Network, State

from .influence import Influence, cell_gradients, cell_of, outputs_fed_back

if TYPE_CHECKING:
    from .compiled.calls import Kernels


class Traces(Influence[Linearization]):
    """(B, S, G, n, m + n + 1): of gate g's weights for x, h and 1 into unit i, its influence on the S parts of unit i.

    Args:
        network: whose cell.
        batch_size: B.
        own_weight: whether a unit's path to itself through its own recurrent weight counts.
        feedback: see `Influence`.
    """

    kernel = "traces"

    def __init__(
        self, network: Network, batch_size: int, *, own_weight: bool = False, feedback: Tensor | None = None
    ) -> None:
        cell, self.feedback = cell_of(network), feedback
        self.cell = cell
        self.own_weight, self.outputs = own_weight, outputs_fed_back(network)
        n, m, S, G = cell.hidden_size, cell.input_size, cell.state_parts, len(cell.input_blocks)
        self.matrix = cell.weight_hh_l0.new_zeros(batch_size, S, G, n, m + n + 1)
        self.fed_back = self.matrix.new_zeros(batch_size, S, self.outputs, n, n + 1)

    def copy(self) -> "Traces":
        other = copy(self)
        other.matrix, other.fed_back = self.matrix.clone(), self.fed_back.clone()
        return other

    @torch.no_grad()
    def advance(self, state: State, local: Linearization) -> None:
        n, S = self.cell.hidden_size, self.cell.state_parts
        own = local.by_state
        if self.own_weight:
            diagonal = local.transition.unflatten(1, (S, n)).diagonal(dim1=2, dim2=3)  # (B, S, n)
            own = torch.cat([diagonal.transpose(0, 1)[:, None], own[:, 1:]], dim=1)
        seen = torch.cat([local.input, state[0], state[0].new_ones(len(state[0]), 1)], dim=1)
        self.matrix = _along(own, self.matrix)
        self.matrix.addcmul_(local.by_gate.permute(2, 0, 1, 3)[..., None], seen[:, None, None, None])
        if self.outputs:
            self.fed_back = _along(own, self.fed_back)
            if local.by_output is not None:
                slopes = local.by_output.unflatten(1, (S, n)).transpose(2, 3)  # (B, S, o, n)
                self.fed_back.addcmul_(slopes[..., None], seen[:, None, None, None, -1 - n :])

    @torch.no_grad()
    def gradient(self, by_hidden: Tensor) -> Tensor:
        credit = by_hidden[:, None, :, None]
        of_gates = (credit * self.matrix[:, 0]).sum(0).flatten()
        return torch.cat([of_gates, (credit * self.fed_back[:, 0]).sum((0, 2)).flatten()]) if self.outputs else of_gates

    @torch.no_grad()
    def by_name(self, columns: Tensor) -> dict[str, Tensor]:
        n, gates = self.cell.hidden_size, self.matrix[0, 0]
        gradient = cell_gradients(self.cell, columns[: gates.numel()].view(gates.shape).unbind(), self.cell.mask)
        if self.outputs:
            readout = columns[gates.numel() :].view(self.outputs, n + 1)
            gradient |= {"readout.weight": readout[:, :n], "readout.bias": readout[:, n]}
        return gradient

    def by_kernel(
        self, kernels: "Kernels", t: int, old: Tensor, new: Tensor, targets: int, generator: torch.Generator | None
    ) -> float:
        """See `forward.ByKernel`."""
        return kernels.traces(t, old, new, self.matrix, self.own_weight, self.feedback, targets)


def _along(own: Tensor, old: Tensor) -> Tensor:
    """Σ_q own[p, q] ∘ old[q] for each part p: (S, S, B, n) and (B, S, k, n, features)."""
    if len(own) == 1:
        return old.mul_(own[0, 0][:, None, None, :, None])
    return torch.einsum("pqbi,bqgik->bpgik", own, old)
