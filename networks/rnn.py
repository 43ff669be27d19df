"""The simple recurrent cell with tanh (Elman 1990), torch.nn.RNN's equations.

h_t = tanh(W x_t + b_ih + U h_{t-1} + b_hh)
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .base import Cell, State
from .kernels import TanhRecurrence, fused


class RNN(Cell):
    """Elman's tanh cell: one state part h, one gate."""

    state_parts = 1
    input_blocks = (0,)
    hidden_blocks = (0,)
    masked = True

    def activate(self, state: State, z: Sequence[Tensor]) -> State:
        """The new h is tanh(z)."""
        return (z[0].tanh(),)

    def derivatives(self, state: State, z: Sequence[Tensor]) -> tuple[State, Tensor, Tensor]:
        """φ_s = 0, φ_z = 1 − h²."""
        h = z[0].tanh()
        return (h,), h.new_zeros(1, 1, *h.shape), (1 - h * h)[None, None]

    def unroll(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """By `kernels.TanhRecurrence`; on a GPU by cuDNN."""
        weights: list[Tensor] = [self.weight_ih_l0, self.recurrent_weight, self.bias_ih_l0, self.bias_hh_l0]
        if inputs.is_cuda:
            hidden, h = fused(torch.rnn_tanh, inputs, state[0][None], weights)
            return hidden, (h[0],)
        hidden = TanhRecurrence.apply(inputs, state[0], *weights)  # type: ignore[no-untyped-call]
        return hidden, (hidden[-1],)
