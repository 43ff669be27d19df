"""Long short-term memory over a window: forward, and the walk back."""

from typing import Any

import numpy as np

from .build import compiled
from .elementwise import sigmoid, tanh
from .products import add_products, times, times_transposed


@compiled
def forward(
    x: Any, W: Any, U: Any, b_ih: Any, b_hh: Any, states: Any, cells: Any, slopes: Any, keep: Any, shown: Any
) -> None:
    """h_t and c_t from x (T, B, m) into states and cells (T + 1, B, n), the first of which are given.

    What the walk back needs: slopes (T, B, 4 n), ∂c_t/∂ of the pre-activations of i, f and g and ∂h_t/∂ that of o, keep
    (T, B, n), f_t, which is ∂c_t/∂c_{t-1}, and shown (T, B, n), ∂h_t/∂c_t.
    """
    T, B, m = x.shape
    n = states.shape[2]
    one = x.dtype.type(1)
    UT, through, bias = np.ascontiguousarray(U.T), np.empty((B, 4 * n), x.dtype), b_ih + b_hh
    times_transposed(x.reshape(T * B, m), W, slopes.reshape(T * B, 4 * n))
    for t in range(T):
        times(states[t], UT, through)
        for b in range(B):
            z, p, old, new, h = slopes[t, b], through[b], cells[t, b], cells[t + 1, b], states[t + 1, b]
            kept, out = keep[t, b], shown[t, b]
            for j in range(n):
                i = sigmoid(z[j] + p[j] + bias[j])
                f = sigmoid(z[n + j] + p[n + j] + bias[n + j])
                g = tanh(z[2 * n + j] + p[2 * n + j] + bias[2 * n + j])
                o = sigmoid(z[3 * n + j] + p[3 * n + j] + bias[3 * n + j])
                c = f * old[j] + i * g
                squashed = tanh(c)
                new[j], h[j] = c, o * squashed
                kept[j], out[j] = f, o * (one - squashed * squashed)
                z[j] = g * i * (one - i)
                z[n + j] = old[j] * f * (one - f)
                z[2 * n + j] = i * (one - g * g)
                z[3 * n + j] = squashed * o * (one - o)


@compiled
def backward(
    x: Any,
    U: Any,
    states: Any,
    slopes: Any,
    keep: Any,
    shown: Any,
    by_state: Any,
    gW: Any,
    gU: Any,
    gb_ih: Any,
    gb_hh: Any,
) -> None:
    """∂L/∂h_t and ∂L/∂c_t back in time, then one product over the window for each weight.

    by_state (k, B, n) is ∂L/∂h_t directly, of the last k steps; gW, gU, gb_ih and gb_hh are filled.
    """
    T, B, m = x.shape
    n, first = states.shape[2], T - len(by_state)
    through, by_cell = np.zeros((B, n), x.dtype), np.zeros((B, n), x.dtype)
    for t in range(T - 1, -1, -1):
        for b in range(B):
            h, c, d, kept, out = through[b], by_cell[b], slopes[t, b], keep[t, b], shown[t, b]
            if t >= first:
                direct = by_state[t - first, b]
                for j in range(n):
                    h[j] += direct[j]
            for j in range(n):
                total = c[j] + h[j] * out[j]
                d[j] *= total
                d[n + j] *= total
                d[2 * n + j] *= total
                d[3 * n + j] *= h[j]
                c[j] = total * kept[j]
        times(slopes[t], U, through)
    flat = slopes.reshape(T * B, 4 * n)
    add_products(flat, x.reshape(T * B, m), gW)
    add_products(flat, states[:T].reshape(T * B, n), gU)
    gb_ih[:] = 0
    for k in range(T * B):
        for j in range(4 * n):
            gb_ih[j] += flat[k, j]
    gb_hh[:] = gb_ih
