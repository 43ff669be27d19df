"""Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate of Gers et al. 2000), torch.nn.LSTM's equations.

c_t = σ(z_f) ∘ c_{t-1} + σ(z_i) ∘ tanh(z_g),   h_t = σ(z_o) ∘ tanh(c_t),   z = W x_t + b_ih + U h_{t-1} + b_hh
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .base import Cell, State
from .kernels import LSTMRecurrence, fused
from .start import Start


class LSTM(Cell):
    """Long short-term memory: two state parts (h, c), four gates i, f, g, o.

    Args:
        forget_bias: what the forget gate's two biases begin at together (Jozefowicz, Zaremba & Sutskever 2015: 1 keeps
            a new cell from forgetting); None: as drawn.
    """

    state_parts = 2
    input_blocks = (0, 1, 2, 3)
    hidden_blocks = (0, 1, 2, 3)
    masked = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
        forget_bias: float | None = None,
        sparsity: float = 0.0,
        init: Start = "default",
        gain: float = 1.0,
    ) -> None:
        super().__init__(
            input_size, hidden_size, generator=generator, dtype=dtype, sparsity=sparsity, init=init, gain=gain
        )
        if forget_bias is not None:
            with torch.no_grad():
                for bias, value in ((self.bias_ih_l0, forget_bias), (self.bias_hh_l0, 0.0)):
                    bias[hidden_size : 2 * hidden_size] = value

    def activate(self, state: State, z: Sequence[Tensor]) -> State:
        """(h, c) from (h, c) and the gates' pre-activations."""
        i, f, g, o = z
        c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    def derivatives(self, state: State, z: Sequence[Tensor]) -> tuple[State, Tensor, Tensor]:
        """By hand: everything but the output gate reaches h through c."""
        i, f, g, o = z[0].sigmoid(), z[1].sigmoid(), z[2].tanh(), z[3].sigmoid()
        c = f * state[1] + i * g
        squashed = c.tanh()
        through_c = o * (1 - squashed * squashed)
        zero = torch.zeros_like(c)
        c_by_gate = torch.stack([g * i * (1 - i), state[1] * f * (1 - f), i * (1 - g * g), zero])
        h_by_gate = through_c * c_by_gate
        h_by_gate[3] = squashed * o * (1 - o)
        by_state = torch.stack([torch.stack([zero, through_c * f]), torch.stack([zero, f])])
        return (o * squashed, c), by_state, torch.stack([h_by_gate, c_by_gate])

    def unroll(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """By `kernels.LSTMRecurrence`; on a GPU by cuDNN, and for evaluation by oneDNN, which is faster: but nobody who
        counts what learning takes sees its scratch memory.
        """
        weights: list[Tensor] = [self.weight_ih_l0, self.recurrent_weight, self.bias_ih_l0, self.bias_hh_l0]
        h0, c0 = state
        if inputs.is_cuda or not (self.training or torch.is_grad_enabled()):
            hidden, h, c = fused(torch.lstm, inputs, (h0[None], c0[None]), weights)
            return hidden, (h[0], c[0])
        hidden, c = LSTMRecurrence.apply(inputs, h0, c0, *weights)  # type: ignore[no-untyped-call]
        return hidden, (hidden[-1], c)
