"""The leaky tanh cell, a continuous-time network in Euler steps (Jaeger et al. 2007; Murray 2019, eq. 1).

h_t = (1 − λ) h_{t-1} + λ tanh(W x_t + b_ih + U h_{t-1} + b_hh)

A unit forgets within 1/λ steps by itself; λ = 1 is `rnn`.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .base import Cell, State
from .start import Start


class Leaky(Cell):
    """Tanh units that leak: one state part h, one gate.

    Args:
        leak: λ, from above 0 to 1.
    """

    state_parts = 1
    input_blocks = (0,)
    hidden_blocks = (0,)
    masked = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
        leak: float = 0.5,
        sparsity: float = 0.0,
        init: Start = "default",
        gain: float = 1.0,
    ) -> None:
        if not 0 < leak <= 1:
            raise ValueError(
                f"leak is the share of a state that is renewed at each step, above 0 and at most 1; got {leak}"
            )
        super().__init__(
            input_size, hidden_size, generator=generator, dtype=dtype, sparsity=sparsity, init=init, gain=gain
        )
        self.leak = leak

    def activate(self, state: State, z: Sequence[Tensor]) -> State:
        """The new h from the old h and z."""
        return (torch.lerp(state[0], z[0].tanh(), self.leak),)

    def derivatives(self, state: State, z: Sequence[Tensor]) -> tuple[State, Tensor, Tensor]:
        """φ_s = 1 − λ, φ_z = λ (1 − tanh² z)."""
        new = z[0].tanh()
        by_state = torch.full_like(new, 1 - self.leak)
        return (torch.lerp(state[0], new, self.leak),), by_state[None, None], (self.leak * (1 - new * new))[None, None]

    def unroll(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """By `LeakyRecurrence`."""
        weights = (self.weight_ih_l0, self.recurrent_weight, self.bias_ih_l0, self.bias_hh_l0)
        hidden = LeakyRecurrence.apply(inputs, state[0], *weights, self.leak)  # type: ignore[no-untyped-call]
        return hidden, (hidden[-1],)


class LeakyRecurrence(torch.autograd.Function):
    """The cell's equation for t = 1..T; only what the walk back needs is stored.

    Inputs: x (T, B, m), h_0 (B, n), W (n, m), U (n, n), b_ih and b_hh (n), λ. Output: h (T, B, n). Differentiable once.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, h0: Tensor, W: Tensor, U: Tensor, b_ih: Tensor, b_hh: Tensor, leak: float
    ) -> Tensor:
        """Store the states h_0 … h_T and what they are renewed with, a_t = tanh z_t."""
        states = x.new_empty(len(x) + 1, *h0.shape)
        states[0] = h0
        renewed = torch.addmm(b_ih + b_hh, x.flatten(0, 1), W.T).unflatten(0, x.shape[:2])
        U_T, (h, *rows) = U.T.contiguous(), states.unbind()
        for a, new in zip(renewed.unbind(), rows, strict=True):
            h = torch.lerp(h, a.addmm_(h, U_T).tanh_(), leak, out=new)
        ctx.save_for_backward(x, W, U, states, renewed)
        ctx.leak = leak
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """g_t = ∂L/∂h_t + (1 − λ) g_{t+1} + Uᵀ δ_{t+1},  δ_t = λ (1 − a_t²) ∘ g_t; a product for each weight."""
        x, W, U, states, renewed = ctx.saved_tensors
        delta = torch.addcmul(grad.new_full((), ctx.leak), renewed, renewed, value=-ctx.leak)
        deltas, grads = delta.unbind(), grad.unbind()
        total = grads[-1]
        for t in range(len(deltas) - 1, 0, -1):
            deltas[t].mul_(total)
            total = torch.add(grads[t - 1], total, alpha=1 - ctx.leak).addmm_(deltas[t], U)
        deltas[0].mul_(total)
        flat = delta.flatten(0, 1)
        by_bias = flat.sum(0)
        return (
            (flat @ W).unflatten(0, x.shape[:2]) if ctx.needs_input_grad[0] else None,
            torch.addmm((1 - ctx.leak) * total, deltas[0], U) if ctx.needs_input_grad[1] else None,
            flat.T @ x.flatten(0, 1),
            flat.T @ states[:-1].flatten(0, 1),
            by_bias,
            by_bias.clone(),  # not one tensor for two parameters: clipping in place would scale it twice
            None,
        )
