"""Gated recurrent unit (Cho et al. 2014), torch.nn.GRU's equations: the reset gate acts after the recurrent product.

r = σ(z_r),  u = σ(z_u),  n = tanh(z_a + r ∘ z_b),  h_t = (1 − u) ∘ n + u ∘ h_{t-1}

The candidate's input half z_a = W_n x + b_ih and hidden half z_b = U_n h + b_hh are two gates, so φ stays elementwise.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .base import Cell, State
from .kernels import GRURecurrence, fused


class GRU(Cell):
    """Gated recurrent unit: one state part h, four gates r, u, a, b over torch's three blocks r, u, n."""

    state_parts = 1
    input_blocks = (0, 1, 2, None)
    hidden_blocks = (0, 1, None, 2)
    masked = True

    def activate(self, state: State, z: Sequence[Tensor]) -> State:
        """The new h from the old h and the gates' pre-activations."""
        candidate = torch.addcmul(z[2], z[0].sigmoid(), z[3]).tanh()
        return (torch.lerp(candidate, state[0], z[1].sigmoid()),)

    def derivatives(self, state: State, z: Sequence[Tensor]) -> tuple[State, Tensor, Tensor]:
        """By hand."""
        r, u = z[0].sigmoid(), z[1].sigmoid()
        candidate = (z[2] + r * z[3]).tanh()
        by_a = (1 - u) * (1 - candidate * candidate)
        by_gate = torch.stack([by_a * z[3] * r * (1 - r), (state[0] - candidate) * u * (1 - u), by_a, by_a * r])
        return ((1 - u) * candidate + u * state[0],), u[None, None], by_gate[None]

    def unroll(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """By `kernels.GRURecurrence`; on a GPU by cuDNN."""
        weights: list[Tensor] = [self.weight_ih_l0, self.recurrent_weight, self.bias_ih_l0, self.bias_hh_l0]
        if inputs.is_cuda:
            hidden, h = fused(torch.gru, inputs, state[0][None], weights)
            return hidden, (h[0],)
        hidden = GRURecurrence.apply(inputs, state[0], *weights)  # type: ignore[no-untyped-call]
        return hidden, (hidden[-1],)
