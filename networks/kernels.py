"""Recurrences over a whole window: torch's fused layers, and one with a hand-written backward pass.

Autograd over a step loop records several nodes a step and adds up dW in T small products. Here only the states are
stored, a step of the backward pass is one product, and each weight's gradient is one product over the window.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def fused(
    layer: Callable[..., tuple[Tensor, ...]], inputs: Tensor, state: Tensor | tuple[Tensor, ...], weights: list[Tensor]
) -> tuple[Tensor, ...]:
    """`torch.lstm` or `torch.gru` over a window: one layer, one direction, time-major, with biases.

    Args:
        layer: the function.
        inputs: (T, B, m).
        state: the state's parts, each (1, B, n).
        weights: W, U, b_ih and b_hh.

    Returns:
        The hidden states (T, B, n), then the last state's parts, each (1, B, n).
    """
    return layer(
        inputs,
        state,
        weights,
        has_biases=True,
        num_layers=1,
        dropout=0.0,
        train=torch.is_grad_enabled(),
        bidirectional=False,
        batch_first=False,
    )


class TanhRecurrence(torch.autograd.Function):
    """h_t = tanh(W x_t + U h_{t-1} + b) for t = 1..T.

    Inputs: x (T, B, m), h_0 (B, n), W (n, m), U (n, n), b (n). Output: h (T, B, n). Differentiable once.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, h0: Tensor, W: Tensor, U: Tensor, b: Tensor) -> Tensor:
        """Store the states and nothing else."""
        states: Tensor = torch.addmm(b, x.flatten(0, 1), W.T).unflatten(0, x.shape[:2])
        U_T, h = U.T, h0
        for z in states.unbind():
            h = z.addmm_(h, U_T).tanh_()
        ctx.save_for_backward(x, h0, W, U, states)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """δ_t = (1 − h_t²) ∘ (∂L/∂h_t + Uᵀ δ_{t+1}), then one product over the window for each weight."""
        x, h0, W, U, states = ctx.saved_tensors
        needs_x, needs_h0, needs_W, needs_U, needs_b = ctx.needs_input_grad
        slope = torch.addcmul(torch.ones((), dtype=states.dtype, device=states.device), states, states, value=-1)
        delta = torch.empty_like(states)
        total = grad[-1]
        for t in range(len(states) - 1, -1, -1):
            torch.mul(total, slope[t], out=delta[t])
            if t:
                total = torch.addmm(grad[t - 1], delta[t], U)
        flat = delta.flatten(0, 1)
        previous = torch.cat([h0[None], states[:-1]]).flatten(0, 1) if needs_U else None
        return (
            (flat @ W).unflatten(0, x.shape[:2]) if needs_x else None,
            delta[0] @ U if needs_h0 else None,
            flat.T @ x.flatten(0, 1) if needs_W else None,
            flat.T @ previous if previous is not None else None,
            flat.sum(0) if needs_b else None,
        )
