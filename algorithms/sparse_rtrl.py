"""Sparse RTRL: the exact recursion with few of the paths from unit to unit, chosen at random (arXiv:2603.15195).

    M̃_t = ∂s_t/∂θ|immediate + (P ∘ D_t) M̃_{t-1},     D_t = ∂s_t/∂s_{t-1}

P leaves each unit `paths` columns of D_t, drawn at a sequence's start and carried through its stream: the influence of
so many units of the step before goes on, and of the others it is lost. What a unit's further state parts, an LSTM's
c, do to themselves always goes on. Nothing is rescaled, so it is biased; with n paths it is RTRL. The cost is RTRL's
times paths / n.
"""

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from throughtime.networks import Network

from .forward import ForwardMode
from .influence import StructuredInfluence, cell_of


class SparseRTRL(ForwardMode):
    """RTRL through a few random paths into each unit.

    Args:
        paths: of the n units of the step before, how many each unit's influence goes on from.
        update_every: steps from one update to the next; None: one update at the sequence's end.
    """

    exact_up_to = 1

    def __init__(self, paths: int, update_every: int | None = 1) -> None:
        super().__init__(update_every)
        if paths < 1:
            raise ValueError(f"paths must be at least 1 of a unit's n; got {paths}")
        self.paths = paths

    def refuses(self, network: Network) -> str:
        """A recurrence without a cell's structure, and one with fewer units than paths."""
        n = network.cell.hidden_size
        if n < self.paths:
            return f"a unit has {n} paths, one from each unit, and {self.paths} were asked for; take {n} or fewer"
        return super().refuses(network)

    def begin(self, network: Network, batch_size: int, generator: torch.Generator | None) -> "SparseInfluence":
        """An influence of zero, and the paths."""
        n = cell_of(network).hidden_size
        places = torch.empty(n, n, dtype=torch.float64, device="cpu").uniform_(generator=generator)
        columns = places.argsort(dim=1)[:, : self.paths].sort(dim=1).values
        return SparseInfluence(network, batch_size, columns)


class SparseInfluence(StructuredInfluence):
    """RTRL's influence matrix, to which few columns of D carry on.

    Args:
        network: whose cell.
        batch_size: B.
        columns: (n, paths), of each unit the units that it hears of.
    """

    def __init__(self, network: Network, batch_size: int, columns: Tensor) -> None:
        super().__init__(network, cell_of(network), batch_size)
        n, S, device = self.cell.hidden_size, self.cell.state_parts, self.matrix.device
        self.columns = columns.to(device).repeat(S, 1)
        first = torch.arange(batch_size, device=device) * n
        self.rows = (first[:, None, None] + self.columns).flatten(0, 1)  # of the hidden parts of all sequences together

    def from_hidden(self, transition: Tensor, hidden: Tensor, out: Tensor, *, add: bool) -> None:
        """Through the paths that there are."""
        slopes = transition.gather(2, self.columns.expand(len(hidden), -1, -1)).flatten(0, 1)
        carried = embedding_bag(self.rows, hidden.flatten(0, 1), per_sample_weights=slopes, mode="sum").view_as(out)
        if add:
            out += carried
        else:
            out.copy_(carried)
