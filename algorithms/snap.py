"""SnAp, the sparse n-step approximation of RTRL (Menick et al., "Practical Real Time Recurrent Learning with a Sparse
Approximation", ICLR 2021).

    M̃_t = S ∘ (∂s_t/∂θ|immediate + D_t M̃_{t-1}),     D_t = ∂s_t/∂s_{t-1}

S keeps of each parameter's column the units that it reaches within `order` steps. For order 1 that is the unit that it
belongs to: D_t's diagonal is all that is needed, O(P) time and memory. With dense recurrent weights a parameter reaches
every unit in two steps, so order 2 already is RTRL, at its cost: higher orders are for sparse cells. On a diagonal cell
every order is RTRL, at O(P).
"""

from typing import Any

import torch
from torch import Tensor

from throughtime.networks import Linearization, Network, State

from .forward import ForwardMode
from .influence import Influence, StructuredInfluence, cell_of, make_influence, outputs_fed_back
from .traces import Traces


class Snap(ForwardMode):
    """RTRL on the entries of the influence matrix that are reached within a few steps.

    Args:
        order: so many steps; 1: a weight's own unit alone.
        update_every: steps from one update to the next; None: one update at the sequence's end.
    """

    def __init__(self, order: int = 1, update_every: int | None = 1) -> None:
        super().__init__(update_every)
        if order < 1:
            raise ValueError(f"order must be at least 1, a weight's own unit; got {order}")
        self.order = order
        self.exact_up_to = order
        if order > 1:
            self.shown_on = ("rnn(sparsity=0.5)", "leaky(sparsity=0.5)")

    def refuses(self, network: Network) -> str:
        """A recurrence without a cell's structure; for orders above 1 one in which every unit is reached."""
        if network.diagonal:
            return ""
        if reason := super().refuses(network):
            return reason
        if self.order > 1 and bool(reached(network, self.order).all()):
            return (
                f"every weight of {type(network.cell).__name__} reaches every unit within {self.order} steps, where "
                f"snap is rtrl at rtrl's cost: take rtrl, snap(order=1), or a cell with sparse recurrent weights"
            )
        return ""

    def begin(self, network: Network, batch_size: int, generator: torch.Generator | None) -> Influence[Any]:
        """An influence of zero, of a kind that fits the order."""
        if network.diagonal:
            return make_influence(network, batch_size)
        if self.order == 1:
            return Traces(network, batch_size, own_weight=True)
        return MaskedInfluence(network, batch_size, reached(network, self.order))


def reached(network: Network, order: int) -> Tensor:
    """Whether what is of unit j reaches unit i within `order` steps, its own the first of them: (n, n) at [i, j]."""
    cell = cell_of(network)
    n, mask = cell.hidden_size, cell.mask
    own = torch.eye(n, dtype=torch.bool, device=cell.weight_hh_l0.device)
    joined = torch.ones_like(own)
    if mask is not None and not outputs_fed_back(network):  # which joins every unit to every other
        joined = own | mask.view(-1, n, n).any(dim=0)
    within = own
    for _ in range(order - 1):
        within = (joined.double() @ within.double()) > 0
    return within


class MaskedInfluence(StructuredInfluence):
    """RTRL's influence matrix, of which what is not reached is zero.

    Args:
        network: whose cell.
        batch_size: B.
        reach: (n, n), whether a row of weights of unit j reaches unit i, at [i, j].
    """

    def __init__(self, network: Network, batch_size: int, reach: Tensor) -> None:
        cell = cell_of(network)
        super().__init__(network, cell, batch_size)
        columns = [reach.repeat_interleave(width, dim=1) for width in self.widths]
        everywhere = reach.new_ones(len(reach), self.outputs * (len(reach) + 1))
        self.mask = torch.cat([*columns, everywhere], dim=1).repeat(cell.state_parts, 1).to(self.matrix)

    @torch.no_grad()
    def advance(self, state: State, local: Linearization) -> None:
        super().advance(state, local)
        self.matrix.mul_(self.mask)
