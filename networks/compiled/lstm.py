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
    credit: Any,
    gW: Any,
    gU: Any,
    gb_ih: Any,
    gb_hh: Any,
) -> None:
    """∂L/∂h_t and ∂L/∂c_t back in time, then one product over the window for each weight.

    by_state (k, B, n) is ∂L/∂h_t directly, of the last k steps; gW, gU, gb_ih and gb_hh are filled. credit (2, B, n) is
    what arrives at h_T and c_T from later steps, and then what leaves by h_0 and c_0; it may be empty, (0, B, n).
    """
    T, B, m = x.shape
    n, first = states.shape[2], T - len(by_state)
    through, by_cell = np.zeros((B, n), x.dtype), np.zeros((B, n), x.dtype)
    if len(credit):
        through[:], by_cell[:] = credit[0], credit[1]
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
    if len(credit):
        credit[0], credit[1] = through, by_cell
    flat = slopes.reshape(T * B, 4 * n)
    add_products(flat, x.reshape(T * B, m), gW)
    add_products(flat, states[:T].reshape(T * B, n), gU)
    gb_ih[:] = 0
    for k in range(T * B):
        for j in range(4 * n):
            gb_ih[j] += flat[k, j]
    gb_hh[:] = gb_ih


@compiled
def local(x: Any, W: Any, U: Any, b_ih: Any, b_hh: Any, old: Any, new: Any, by_state: Any, by_gate: Any) -> None:
    """One step from x (B, m) and old (2, B, n) to new, φ_s (2, 2, B, n) and φ_z (2, 4, B, n), which are filled."""
    B, n = old.shape[1:]
    one = x.dtype.type(1)
    z, through = np.empty((B, 4 * n), x.dtype), np.empty((B, 4 * n), x.dtype)
    times_transposed(x, W, z)
    times_transposed(old[0], U, through)
    by_state[:], by_gate[:] = 0, 0
    for b in range(B):
        v, p, before = z[b], through[b], old[1, b]
        for j in range(n):
            i = sigmoid(v[j] + p[j] + b_ih[j] + b_hh[j])
            f = sigmoid(v[n + j] + p[n + j] + b_ih[n + j] + b_hh[n + j])
            g = tanh(v[2 * n + j] + p[2 * n + j] + b_ih[2 * n + j] + b_hh[2 * n + j])
            o = sigmoid(v[3 * n + j] + p[3 * n + j] + b_ih[3 * n + j] + b_hh[3 * n + j])
            c = f * before[j] + i * g
            squashed = tanh(c)
            shown = o * (one - squashed * squashed)
            new[0, b, j], new[1, b, j] = o * squashed, c
            by_state[0, 1, b, j], by_state[1, 1, b, j] = shown * f, f
            by_i, by_f, by_g = g * i * (one - i), before[j] * f * (one - f), i * (one - g * g)
            by_gate[1, 0, b, j], by_gate[1, 1, b, j], by_gate[1, 2, b, j] = by_i, by_f, by_g
            by_gate[0, 0, b, j], by_gate[0, 1, b, j], by_gate[0, 2, b, j] = shown * by_i, shown * by_f, shown * by_g
            by_gate[0, 3, b, j] = squashed * o * (one - o)
