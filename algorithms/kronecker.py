"""The influence matrix as a sum of Kronecker products, M̃ = Σ_r u_r ⊗ A_r, as KF-RTRL and OK keep it.

The immediate influence of a step is one such product: every gate sees the same â = (x_t, h_{t-1}, 1), and of what its
weights make of that, φ_z is the slope: K ⊗ â with K[(p, i), (g, i)] = φ_z[p, g, i], S n × G n. A gate that sees less
than â, as the halves of a GRU's candidate do, has weights that aren't there for the rest, whose columns nobody reads:
so a GRU needs no second product. In a closed loop o more columns of K are ∂s_t/∂ŷ_{t-1}: the readout's weights, for h
and 1. A step forward is D_t A_r: O(n³) a product, with O(n²) numbers.
"""

from copy import copy

import torch
from torch import Tensor
from torch.nn.functional import pad

from throughtime.networks import Linearization, Network, State

from .influence import Influence, cell_gradients, cell_of, outputs_fed_back


class KroneckerSum(Influence[Linearization]):
    """r products, none at a sequence's start.

    Attributes:
        features: u, (B, r, m + n + 1).
        factors: A, (B, r, S n, G n + o).
    """

    def __init__(self, network: Network, batch_size: int, terms: int = 0) -> None:
        cell = self.cell = cell_of(network)
        n, self.outputs = cell.hidden_size, outputs_fed_back(network)
        rows = len(cell.input_blocks) * n + self.outputs
        self.features = cell.weight_hh_l0.new_zeros(batch_size, terms, cell.input_size + n + 1)
        self.factors = self.features.new_zeros(batch_size, terms, cell.state_parts * n, rows)

    def copy(self) -> "KroneckerSum":
        return copy(self)  # an advance makes new tensors

    def seen(self, state: State, local: Linearization) -> Tensor:
        """â, (B, m + n + 1)."""
        return torch.cat([local.input, state[0], state[0].new_ones(len(state[0]), 1)], dim=1)

    @torch.no_grad()
    def advance(self, state: State, local: Linearization) -> None:
        """Exactly, by one product more."""
        self.factors = pad(self.forward(local), (0, 0, 0, 0, 0, 1))
        self.add_immediate(self.factors[:, -1], local)
        self.features = torch.cat([self.features, self.seen(state, local)[:, None]], dim=1)

    def forward(self, local: Linearization) -> Tensor:
        """D_t A_r, (B, r, S n, G n + o)."""
        n, S = self.cell.hidden_size, self.cell.state_parts
        parts = self.factors.unflatten(2, (S, n))
        moved: Tensor = local.transition[:, None] @ parts[:, :, 0]
        for q in range(1, S):
            moved.unflatten(2, (S, n)).addcmul_(
                local.by_state[:, q].transpose(0, 1)[:, None, :, :, None], parts[:, :, q, None]
            )
        return moved

    def add_immediate(self, target: Tensor, local: Linearization, scale: Tensor | None = None) -> Tensor:
        """K, of each sequence times its scale (B,), added to a factor (B, S n, G n + o), which is returned."""
        n, S, G = self.cell.hidden_size, self.cell.state_parts, len(self.cell.input_blocks)
        slopes = local.by_gate.permute(2, 0, 1, 3)  # (B, S, G, n)
        slopes = slopes if scale is None else slopes * scale[:, None, None, None]
        target[..., : G * n].unflatten(2, (G, n)).unflatten(1, (S, n)).diagonal(dim1=2, dim2=4).add_(slopes)
        if local.by_output is not None:
            fed_back = local.by_output if scale is None else local.by_output * scale[:, None, None]
            target[..., G * n :].add_(fed_back)
        return target

    @torch.no_grad()
    def gradient(self, by_hidden: Tensor) -> Tensor:
        credit = by_hidden[:, None, None] @ self.factors[:, :, : self.cell.hidden_size]  # (B, r, 1, G n + o)
        return (credit.flatten(0, 2).T @ self.features.flatten(0, 1)).flatten()

    @torch.no_grad()
    def by_name(self, columns: Tensor) -> dict[str, Tensor]:
        n, m, o = self.cell.hidden_size, self.cell.input_size, self.outputs
        rows = columns.view(-1, m + n + 1)
        gates, readout = rows[: len(rows) - o], rows[len(rows) - o :]
        gradient = cell_gradients(self.cell, gates.split(n), self.cell.mask)
        if o:
            gradient |= {"readout.weight": readout[:, m : m + n], "readout.bias": readout[:, -1]}
        return gradient


def signs(like: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """−1 or 1 with equal chances for each of `like`'s sequences, (B, count)."""
    return (2 * torch.randint(2, (len(like), count), generator=generator, device="cpu") - 1).to(like)
