"""The influence matrix M_t = ∂s_t/∂θ of real-time recurrent learning, carried forward in time.

    M_t = A_t M_{t-1} + ∂s_t/∂θ|immediate,     A_t = ∂s_t/∂s_{t-1}

The gates are folded into A before it meets M, so a step is one batched product (S n × n)(n × P). The immediate term is
sparse: row i of gate g acts on unit i alone, so it is added along a diagonal of M and never built. Two buffers take
turns, and nothing else of M's size is allocated.
"""

import torch
from torch import Tensor

from throughtime.networks import Cell, Linearization


class Influence:
    """∂s_t/∂θ for all parameters θ of a cell, (B, S n, P), zero at a sequence's start.

    The columns of a gate are its n rows of weights, each row for what the gate sees: x (m), h (n), and 1 for the bias.
    """

    def __init__(self, cell: Cell, batch_size: int) -> None:
        self.cell = cell
        n, m, S = cell.hidden_size, cell.input_size, cell.state_parts
        gates = list(zip(cell.input_blocks, cell.hidden_blocks, strict=True))
        self.widths = [m * (i is not None) + n * (h is not None) + 1 for i, h in gates]
        P = n * sum(self.widths)
        self._buffers = tuple(cell.weight_hh_l0.new_zeros(batch_size, S * n, P) for _ in range(2))
        self._now = 0

    @property
    def matrix(self) -> Tensor:
        """M_t, (B, S n, P)."""
        return self._buffers[self._now]

    def copy(self) -> "Influence":
        """An independent copy."""
        other = Influence.__new__(Influence)
        other.cell, other.widths, other._now = self.cell, self.widths, 0
        other._buffers = (self.matrix.clone(), torch.empty_like(self.matrix))
        return other

    @torch.no_grad()
    def advance(self, input: Tensor, hidden: Tensor, local: Linearization) -> None:
        """From M_{t-1} to M_t.

        Args:
            input: x_t, (B, m).
            hidden: h_{t-1}, (B, n).
            local: the cell's linearization at this step.
        """
        n, S = self.cell.hidden_size, self.cell.state_parts
        old, new = self.matrix, self._buffers[1 - self._now]
        torch.bmm(local.transition, old[:, :n], out=new)
        for part in range(S):
            target = new[:, part * n : (part + 1) * n]
            for past in range(1, S):
                target.addcmul_(local.by_state[part, past][:, :, None], old[:, past * n : (past + 1) * n])
            self._add_immediate(target, input, hidden, local.by_gate[part])
        self._now = 1 - self._now

    def _add_immediate(self, target: Tensor, input: Tensor, hidden: Tensor, by_gate: Tensor) -> None:
        """target[b, i, (g, i, k)] += φ_z[g, b, i] · feature[b, k]: the diagonal i = i of each gate's columns."""
        n = self.cell.hidden_size
        one = input.new_ones(len(input), 1)
        gates = zip(self.cell.input_blocks, self.cell.hidden_blocks, strict=True)
        columns = target.split([n * width for width in self.widths], dim=2)
        for block, width, slope, (i, h) in zip(columns, self.widths, by_gate, gates, strict=True):
            seen = torch.cat([input] * (i is not None) + [hidden] * (h is not None) + [one], dim=1)
            diagonal = block.unflatten(2, (n, width)).diagonal(dim1=1, dim2=2)  # (B, width, n)
            diagonal.addcmul_(seen[:, :, None], slope[:, None, :])

    @torch.no_grad()
    def gradient(self, by_hidden: Tensor) -> dict[str, Tensor]:
        """∂L/∂h_t · ∂h_t/∂θ, summed over the batch, for the cell's parameters by their names in the network.

        Args:
            by_hidden: ∂L/∂h_t, (B, n).
        """
        n, m = self.cell.hidden_size, self.cell.input_size
        flat = torch.bmm(by_hidden[:, None], self.matrix[:, :n]).sum(dim=(0, 1))
        total = {name: torch.zeros_like(parameter) for name, parameter in self.cell.named_parameters()}
        start = 0
        for width, i, h in zip(self.widths, self.cell.input_blocks, self.cell.hidden_blocks, strict=True):
            rows = flat[start : start + n * width].unflatten(0, (n, width))
            start += n * width
            if i is not None:
                total["weight_ih_l0"][i * n : (i + 1) * n] += rows[:, :m]
                total["bias_ih_l0"][i * n : (i + 1) * n] += rows[:, -1]
            if h is not None:
                total["weight_hh_l0"][h * n : (h + 1) * n] += rows[:, -1 - n : -1]
                total["bias_hh_l0"][h * n : (h + 1) * n] += rows[:, -1]
        return {f"cell.{name}": gradient for name, gradient in total.items()}
