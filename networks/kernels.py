"""Recurrences over a whole window: torch's fused layers, and one with a hand-written backward pass.

Autograd over a step loop records several nodes a step and adds up dW in T small products. Here only the states are
stored, a step of the backward pass is one product, and each weight's gradient is one product over the window.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from .base import Cell

AT_ONCE = 16
"""Time steps whose pre-activations and derivatives are held at once: enough for large products, few for memory."""


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
        """Store the states h_0 … h_T and nothing else."""
        states = x.new_empty(len(x) + 1, *h0.shape)
        torch.addmm(b, x.flatten(0, 1), W.T, out=states[1:].flatten(0, 1))
        states[0] = h0
        U_T, (h, *rows) = U.T.contiguous(), states.unbind()  # laid out once: the product of every step is a third faster
        for z in rows:
            h = z.addmm_(h, U_T).tanh_()
        ctx.save_for_backward(x, W, U, states)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """δ_t = (1 − h_t²) ∘ (∂L/∂h_t + Uᵀ δ_{t+1}), then one product over the window for each weight."""
        x, W, U, states = ctx.saved_tensors
        needs_x, needs_h0, needs_W, needs_U, needs_b = ctx.needs_input_grad
        hidden = states[1:]
        delta = torch.addcmul(grad.new_ones(()), hidden, hidden, value=-1)  # 1 − h², times the rest step by step
        deltas, grads = delta.unbind(), grad.unbind()
        through, total = torch.empty_like(states[0]), grads[-1]
        for t in range(len(deltas) - 1, 0, -1):
            total = torch.addmm(grads[t - 1], deltas[t].mul_(total), U, out=through)
        deltas[0].mul_(total)
        flat = delta.flatten(0, 1)
        return (
            (flat @ W).unflatten(0, x.shape[:2]) if needs_x else None,
            deltas[0] @ U if needs_h0 else None,
            flat.T @ x.flatten(0, 1) if needs_W else None,
            flat.T @ states[:-1].flatten(0, 1) if needs_U else None,
            flat.sum(0) if needs_b else None,
        )


class ElementwiseRecurrence(torch.autograd.Function):
    """s_t = φ(s_{t-1}, z_t), z_t = W x_t + U h_{t-1} + b, for t = 1..T, with φ unit by unit: any `Cell`.

    Inputs: the cell, for its φ; x (T, B, m), W (G n, m), U (G n, n), b (G n), then the S parts of s_0, each (B, n).
    Outputs: h (T, B, n), then the other parts of s_T, each (B, n). Differentiable once.
    """

    @staticmethod
    def forward(
        ctx: Any, cell: "Cell", x: Tensor, W: Tensor, U: Tensor, b: Tensor, *state: Tensor
    ) -> tuple[Tensor, ...]:
        """Store the states and nothing else."""
        states = [part.new_empty(len(x) + 1, *part.shape) for part in state]
        for kept, part in zip(states, state, strict=True):
            kept[0] = part
        U_T = U.T.contiguous()  # laid out once: the product of every step is a third faster
        for start in range(0, len(x), AT_ONCE):
            z = x[start : start + AT_ONCE] @ W.T + b
            for t, row in enumerate(z.unbind(), start=start + 1):
                state = cell.activate(state, row.addmm_(state[0], U_T).split(cell.hidden_size, dim=1))
                for kept, part in zip(states, state, strict=True):
                    kept[t] = part
        ctx.cell = cell
        ctx.save_for_backward(x, W, U, b, *states)
        return states[0][1:], *state[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *grad_rest: Tensor) -> tuple[Tensor | None, ...]:
        """δ_t = φ_zᵀ ∂L/∂s_t, ∂L/∂s_{t-1} = φ_sᵀ ∂L/∂s_t + Uᵀ δ_t; φ's derivatives at AT_ONCE steps at a time."""
        x, W, U, b, *states = ctx.saved_tensors
        T, B, n = grad.shape
        delta = x.new_empty(T, B, len(b))
        deltas, grads = delta.unbind(), grad.unbind()
        totals = [grads[-1].clone(), *grad_rest]
        for stop in range(T, 0, -AT_ONCE):
            start = max(stop - AT_ONCE, 0)
            before = tuple(part[start:stop].flatten(0, 1) for part in states)
            z = torch.addmm(x[start:stop].flatten(0, 1) @ W.T + b, before[0], U.T)
            _, by_state, by_gate = ctx.cell.derivatives(before, z.split(n, dim=1))
            slopes = by_gate.unflatten(2, (stop - start, B)).permute(2, 0, 3, 1, 4).unbind()  # each (S, B, G, n)
            passes = by_state.unflatten(2, (stop - start, B)).unbind(2)  # each (S, S, B, n)
            for t in range(stop - 1, start - 1, -1):
                slope, through, gates = slopes[t - start], passes[t - start], deltas[t].unflatten(1, (-1, n))
                torch.mul(slope[0], totals[0][:, None], out=gates)
                for part, total in enumerate(totals[1:], start=1):
                    gates.addcmul_(slope[part], total[:, None])
                totals = [_through(column, totals) for column in through.unbind(1)]
                totals[0].addmm_(deltas[t], U)
                if t:
                    totals[0] += grads[t - 1]
        flat = delta.flatten(0, 1)
        return (
            None,
            (flat @ W).unflatten(0, (T, B)) if ctx.needs_input_grad[1] else None,
            flat.T @ x.flatten(0, 1),
            flat.T @ states[0][:-1].flatten(0, 1),
            flat.sum(0),
            *totals,
        )


def _through(slopes: Tensor, totals: list[Tensor]) -> Tensor:
    """Σ_p slopes[p] ∘ totals[p]: slopes (S, B, n)."""
    result = slopes[0] * totals[0]
    for slope, total in zip(slopes[1:], totals[1:], strict=True):
        result.addcmul_(slope, total)
    return result
