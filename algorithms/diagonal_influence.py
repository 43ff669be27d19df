"""The influence ∂s_t/∂θ of a diagonal cell: R numbers for each parameter and sequence, not n R.

    M_t[i] = φ_s[i] M_{t-1}[i] + (φ_z[i] · (x_t, 1), φ_p[i])      for each unit i by itself

A unit's state depends on its own parameters and on no other's, so what is carried is a row of G (m + 1) + K columns for
each of its R planes, and the product with ∂s_t/∂s_{t-1} is elementwise: memory and time of a step are O(B P).
"""

from copy import copy

import torch
from torch import Tensor

from throughtime.networks import DiagonalCell, DiagonalLinearization, State

from .influence import Influence


class DiagonalInfluence(Influence[DiagonalLinearization]):
    """(R, B, u, C): of each plane of each unit the C columns of the unit's parameters, those of the gates first."""

    def __init__(self, cell: DiagonalCell, batch_size: int) -> None:
        self.cell = cell
        self.width = cell.input_size + cell.biased
        columns = cell.gates * self.width + len(cell.unit_parameters)
        self.matrix = cell.weight_ih_l0.new_zeros(cell.planes, batch_size, cell.units, columns)

    def copy(self) -> "DiagonalInfluence":
        other = copy(self)
        other.matrix = self.matrix.clone()
        return other

    @torch.no_grad()
    def advance(self, state: State, local: DiagonalLinearization) -> None:
        G, old = self.cell.gates, self.matrix
        seen = local.input
        if self.cell.biased:
            seen = torch.cat([seen, seen.new_ones(len(seen), 1)], dim=1)
        new = local.by_state[:, 0, :, :, None] * old[0]
        for q in range(1, self.cell.planes):
            new.addcmul_(local.by_state[:, q, :, :, None], old[q])
        gates = new[..., : G * self.width].unflatten(3, (G, self.width))
        gates.addcmul_(local.by_gate.permute(0, 2, 3, 1)[..., None], seen[:, None, None])
        new[..., G * self.width :] += local.by_unit.permute(0, 2, 3, 1)
        self.matrix = new

    @torch.no_grad()
    def gradient(self, by_hidden: Tensor) -> Tensor:
        credit = by_hidden.unflatten(1, (self.cell.planes, -1)).transpose(0, 1)
        columns: Tensor = (credit[..., None] * self.matrix).sum(dim=(0, 1)).flatten()
        return columns

    @torch.no_grad()
    def by_name(self, columns: Tensor) -> dict[str, Tensor]:
        cell, G = self.cell, self.cell.gates
        rows = columns.view(cell.units, -1)
        gates = rows[:, : G * self.width].unflatten(1, (G, self.width)).transpose(0, 1).flatten(0, 1)
        gradient = {"cell.weight_ih_l0": gates[:, : cell.input_size].clone()}
        if cell.biased:
            gradient["cell.bias_ih_l0"] = gates[:, -1].clone()
        own = rows[:, G * self.width :].unbind(1)
        return gradient | {f"cell.{name}_l0": one.clone() for name, one in zip(cell.unit_parameters, own, strict=True)}
