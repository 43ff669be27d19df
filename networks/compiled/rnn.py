"""The tanh cell over a window: forward, and the walk back."""

from typing import Any

import numpy as np

from .build import compiled
from .elementwise import tanh
from .products import add_products, times, times_transposed


@compiled
def forward(x: Any, W: Any, U: Any, b_ih: Any, b_hh: Any, states: Any) -> None:
    """h_1 … h_T from x (T, B, m) into states (T + 1, B, n), the first of which is h_0."""
    T, B, m = x.shape
    n = states.shape[2]
    UT, through, bias = np.ascontiguousarray(U.T), np.empty((B, n), x.dtype), b_ih + b_hh
    times_transposed(x.reshape(T * B, m), W, states[1:].reshape(T * B, n))
    for t in range(T):
        times(states[t], UT, through)
        for b in range(B):
            h, u = states[t + 1, b], through[b]
            for i in range(n):
                h[i] = tanh(h[i] + u[i] + bias[i])


@compiled
def backward(x: Any, U: Any, states: Any, delta: Any, last: int, gW: Any, gU: Any, gb_ih: Any, gb_hh: Any) -> None:
    """δ_t = (1 − h_t²) ∘ (∂L/∂h_t + Uᵀ δ_{t+1}), then one product over the window for each weight.

    delta (T, B, n) holds ∂L/∂h_t of the last `last` steps, which alone have a loss, and the δ_t afterwards; gW, gU,
    gb_ih and gb_hh are filled.
    """
    T, B, m = x.shape
    n = states.shape[2]
    one = x.dtype.type(1)
    through = np.zeros((B, n), x.dtype)
    for t in range(T - 1, -1, -1):
        if t < T - 1:
            times(delta[t + 1], U, through)
        has_loss = t >= T - last
        for b in range(B):
            d, u, h = delta[t, b], through[b], states[t + 1, b]
            if has_loss:
                for i in range(n):
                    d[i] = (one - h[i] * h[i]) * (d[i] + u[i])
            else:
                for i in range(n):
                    d[i] = (one - h[i] * h[i]) * u[i]
    flat = delta.reshape(T * B, n)
    add_products(flat, x.reshape(T * B, m), gW)
    add_products(flat, states[:T].reshape(T * B, n), gU)
    gb_ih[:] = 0
    for k in range(T * B):
        for i in range(n):
            gb_ih[i] += flat[k, i]
    gb_hh[:] = gb_ih


@compiled
def local(x: Any, W: Any, U: Any, b_ih: Any, b_hh: Any, old: Any, new: Any, by_state: Any, by_gate: Any) -> None:
    """One step from x (B, m) and old (1, B, n) to new, φ_s (1, 1, B, n) and φ_z (1, 1, B, n), which are filled."""
    B, n = old.shape[1:]
    one = x.dtype.type(1)
    z, through = np.empty((B, n), x.dtype), np.empty((B, n), x.dtype)
    times_transposed(x, W, z)
    times_transposed(old[0], U, through)
    by_state[:] = 0
    for b in range(B):
        for i in range(n):
            h = tanh(z[b, i] + through[b, i] + b_ih[i] + b_hh[i])
            new[0, b, i] = h
            by_gate[0, 0, b, i] = one - h * h
