"""Recurrences over a whole window: torch's fused layers, and three with a hand-written backward pass.

Autograd over a step loop records several nodes a step and adds up dW in T small products. Here only what the walk back
needs is stored, a step of it is one product, and each weight's gradient is one product over the window. On a GPU a
step's launches would cost more than its work: there the fused layers are cuDNN's.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from throughtime.parts.errors import BadInput

AT_ONCE = 8
"""Time steps whose slopes are worked out at once: enough to be fast, few for memory."""


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


def _of_one_type(x: Tensor, *state: Tensor) -> None:
    """Refuse a state of another precision, as torch's fused layers do: to copy it would hide a mistake."""
    for part in state:
        if part.dtype != x.dtype:
            raise BadInput(
                f"the state before a window is of its inputs' type, and got inputs of {x.dtype} and a state of "
                f"{part.dtype}: take initial_state of the network as it is now, or convert the carry"
            )


class TanhRecurrence(torch.autograd.Function):
    """h_t = tanh(W x_t + b_ih + U h_{t-1} + b_hh) for t = 1..T.

    Inputs: x (T, B, m), h_0 (B, n), W (n, m), U (n, n), b_ih and b_hh (n). Output: h (T, B, n). Differentiable once.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, h0: Tensor, W: Tensor, U: Tensor, b_ih: Tensor, b_hh: Tensor) -> Tensor:
        """Store the states h_0 … h_T and nothing else."""
        _of_one_type(x, h0)
        states = x.new_empty(len(x) + 1, *h0.shape)
        torch.addmm(b_ih + b_hh, x.flatten(0, 1), W.T, out=states[1:].flatten(0, 1))
        states[0] = h0
        U_T, (h, *rows) = (
            U.T.contiguous(),
            states.unbind(),
        )  # laid out once: the product of every step is a third faster
        for z in rows:
            h = z.addmm_(h, U_T).tanh_()
        ctx.save_for_backward(x, W, U, states)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """δ_t = (1 − h_t²) ∘ (∂L/∂h_t + Uᵀ δ_{t+1}), then one product over the window for each weight."""
        x, W, U, states = ctx.saved_tensors
        hidden = states[1:]
        delta = torch.addcmul(grad.new_ones(()), hidden, hidden, value=-1)  # 1 − h², times the rest step by step
        deltas, grads = delta.unbind(), grad.unbind()
        through, total = torch.empty_like(states[0]), grads[-1]
        for t in range(len(deltas) - 1, 0, -1):
            total = torch.addmm(grads[t - 1], deltas[t].mul_(total), U, out=through)
        deltas[0].mul_(total)
        flat = delta.flatten(0, 1)
        by_bias = flat.sum(0)
        return (
            (flat @ W).unflatten(0, x.shape[:2]) if ctx.needs_input_grad[0] else None,
            deltas[0] @ U if ctx.needs_input_grad[1] else None,
            flat.T @ x.flatten(0, 1),
            flat.T @ states[:-1].flatten(0, 1),
            by_bias,
            by_bias.clone(),  # not one tensor for two parameters: clipping in place would scale it twice
        )


class GRURecurrence(torch.autograd.Function):
    """r, u = σ(W_ru x_t + U_ru h_{t-1} + b),  p = U_n h_{t-1} + b_hn,  c = tanh(W_n x_t + b_in + r ∘ p),
    h_t = c + u ∘ (h_{t-1} − c), for t = 1..T.

    Inputs: x (T, B, m), h_0 (B, n), W (3n, m), U (3n, n), b_ih and b_hh (3n), blocks r, u, n as in torch.nn.GRU.
    Output: h (T, B, n). Differentiable once.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, h0: Tensor, W: Tensor, U: Tensor, b_ih: Tensor, b_hh: Tensor) -> Tensor:
        """Store the states, the gates r, u, c, and the candidate's hidden half p."""
        _of_one_type(x, h0)
        T, n = len(x), h0.shape[1]
        states, p = x.new_empty(T + 1, *h0.shape), x.new_empty(T, *h0.shape)
        states[0] = h0
        bias = torch.cat([b_ih[: 2 * n] + b_hh[: 2 * n], b_ih[2 * n :]])
        z = torch.addmm(bias, x.flatten(0, 1), W.T).unflatten(0, x.shape[:2])
        U_ru, U_n, b_hn = U[: 2 * n].T.contiguous(), U[2 * n :].T.contiguous(), b_hh[2 * n :]
        h, *rows = states.unbind()
        steps = zip(*(part.unbind() for part in (z[..., : 2 * n], *z.split(n, dim=2), p)), rows, strict=True)
        for ru, r, u, c, p_t, new in steps:
            ru.addmm_(h, U_ru).sigmoid_()
            c.addcmul_(r, torch.addmm(b_hn, h, U_n, out=p_t)).tanh_()
            h = torch.lerp(c, h, u, out=new)
        ctx.save_for_backward(x, W, U, z, p, states)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """δ_t of every gate is the same ∂L/∂h_t times a slope that the stored gates give: one product a step."""
        x, W, U, z, p, states = ctx.saved_tensors
        n = states.shape[2]
        delta = x.new_empty(*grad.shape[:2], 4, n)  # of c, r, u and p: what x feeds comes first, what h feeds last
        for chunk in zip(*(part.split(AT_ONCE) for part in (states[:-1], z, p, delta)), strict=True):
            _gru_slopes(*chunk)
        by_input, by_hidden = delta.flatten(2)[..., : 3 * n], delta.flatten(2)[..., n:]
        deltas, products, updates, grads = (part.unbind() for part in (delta, by_hidden, z[..., n : 2 * n], grad))
        total = grads[-1]
        for t in range(len(grads) - 1, 0, -1):
            deltas[t].mul_(total[:, None])
            total = torch.addcmul(grads[t - 1], total, updates[t]).addmm_(products[t], U)
        deltas[0].mul_(total[:, None])
        by_input, by_hidden = by_input.flatten(0, 1), by_hidden.flatten(0, 1)
        return (
            (by_input @ W.roll(n, 0)).unflatten(0, x.shape[:2]) if ctx.needs_input_grad[0] else None,
            (total * updates[0]).addmm_(products[0], U) if ctx.needs_input_grad[1] else None,
            (by_input.T @ x.flatten(0, 1)).roll(-n, 0),
            by_hidden.T @ states[:-1].flatten(0, 1),
            by_input.sum(0).roll(-n, 0),
            by_hidden.sum(0),
        )


def _gru_slopes(before: Tensor, z: Tensor, p: Tensor, out: Tensor) -> None:
    """∂h_t/∂ of the pre-activations of c, r, u and of p, into (T, B, 4, n); from h_{t-1} and the gates."""
    r, u, c = z.chunk(3, dim=2)
    by_c, by_r, by_u, by_p = out.unbind(2)
    torch.mul(1 - u, 1 - c * c, out=by_c)
    torch.mul(by_c, r, out=by_p)
    torch.mul(by_p, p * (1 - r), out=by_r)
    torch.mul(before - c, u * (1 - u), out=by_u)


class LSTMRecurrence(torch.autograd.Function):
    """i, f, o = σ(·), g = tanh(·) of W x_t + b_ih + U h_{t-1} + b_hh,  c_t = f ∘ c_{t-1} + i ∘ g,
    h_t = o ∘ tanh(c_t), for t = 1..T.

    Inputs: x (T, B, m), h_0 and c_0 (B, n), W (4n, m), U (4n, n), b_ih and b_hh (4n), blocks i, f, g, o as in
    torch.nn.LSTM. Outputs: h (T, B, n), c_T (B, n). Differentiable once.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, h0: Tensor, c0: Tensor, W: Tensor, U: Tensor, b_ih: Tensor, b_hh: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Store both parts of the state and the gates."""
        _of_one_type(x, h0, c0)
        n = h0.shape[1]
        states, cells = x.new_empty(len(x) + 1, *h0.shape), x.new_empty(len(x) + 1, *h0.shape)
        states[0], cells[0] = h0, c0
        z = torch.addmm(b_ih + b_hh, x.flatten(0, 1), W.T).unflatten(0, x.shape[:2])
        U_T, (h, *rows), (c, *kept) = U.T.contiguous(), states.unbind(), cells.unbind()
        steps = zip(*(part.unbind() for part in (z, z[..., : 2 * n], *z.split(n, dim=2))), rows, kept, strict=True)
        for gates, i_f, i, f, g, o, new_h, new_c in steps:
            gates.addmm_(h, U_T)
            i_f.sigmoid_()
            g.tanh_()
            o.sigmoid_()
            c = torch.mul(f, c, out=new_c).addcmul_(i, g)
            h = torch.tanh(c, out=new_h).mul_(o)
        ctx.save_for_backward(x, W, U, z, states, cells)
        return states[1:], cells[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, by_cell: Tensor) -> tuple[Tensor | None, ...]:
        """∂L/∂c_t times a slope for i, f and g, ∂L/∂h_t times one for o: one product a step."""
        x, W, U, z, states, cells = ctx.saved_tensors
        n = states.shape[2]
        delta, shown = x.new_empty(*grad.shape[:2], 4, n), x.new_empty(grad.shape)
        parts = (cells[:-1], cells[1:], z, delta, shown)
        for chunk in zip(*(part.split(AT_ONCE) for part in parts), strict=True):
            _lstm_slopes(*chunk)
        flat = delta.flatten(2)
        of_cell, of_output, products = delta[:, :, :3].unbind(), delta[:, :, 3].unbind(), flat.unbind()
        keeps, shows, grads = z[..., n : 2 * n].unbind(), shown.unbind(), grad.unbind()
        total, by_cell = grads[-1], by_cell.clone()
        for t in range(len(grads) - 1, -1, -1):
            by_cell.addcmul_(total, shows[t])
            of_cell[t].mul_(by_cell[:, None])
            of_output[t].mul_(total)
            by_cell.mul_(keeps[t])
            if t:
                total = torch.addmm(grads[t - 1], products[t], U)
        flat = flat.flatten(0, 1)
        by_bias = flat.sum(0)
        return (
            (flat @ W).unflatten(0, x.shape[:2]) if ctx.needs_input_grad[0] else None,
            products[0] @ U if ctx.needs_input_grad[1] else None,
            by_cell if ctx.needs_input_grad[2] else None,
            flat.T @ x.flatten(0, 1),
            flat.T @ states[:-1].flatten(0, 1),
            by_bias,
            by_bias.clone(),  # not one tensor for two parameters: clipping in place would scale it twice
        )


def _lstm_slopes(before: Tensor, after: Tensor, z: Tensor, out: Tensor, shown: Tensor) -> None:
    """∂c_t/∂ of the pre-activations of i, f and g and ∂h_t/∂ that of o, into (T, B, 4, n), and ∂h_t/∂c_t; from c_{t-1},
    c_t and the gates.
    """
    i, f, g, o = z.chunk(4, dim=2)
    by_i, by_f, by_g, by_o = out.unbind(2)
    squashed = after.tanh()
    torch.mul(i * (1 - i), g, out=by_i)
    torch.mul(f * (1 - f), before, out=by_f)
    torch.mul(1 - g * g, i, out=by_g)
    torch.mul(o * (1 - o), squashed, out=by_o)
    torch.mul(1 - squashed * squashed, o, out=shown)
