"""Long short-term memory over a window: forward, and the walk back."""

from typing import Any

import numpy as np

from .build import compiled
from .elementwise import sigmoid, tanh
from .products import add_products, times, times_transposed


@compiled
def _gates(z: Any, p: Any, b_ih: Any, b_hh: Any) -> None:
    """Of one sequence i, f, g and o, in z (4 n), which holds W x; p (4 n) is U h.

    Each loop is over whole pieces and does little, so that it vectorizes: with an offset in an index it would not.
    """
    n = len(z) // 4
    g, o = z[2 * n : 3 * n], z[3 * n :]
    for k in range(4 * n):
        z[k] += p[k] + b_ih[k] + b_hh[k]
    for k in range(2 * n):
        z[k] = sigmoid(z[k])
    for k in range(n):
        g[k] = tanh(g[k])
    for k in range(n):
        o[k] = sigmoid(o[k])


@compiled
def _slopes(old: Any, z: Any, new: Any, h: Any, keep: Any, shown: Any) -> None:
    """The step from c_{t-1} to c_t and h_t (n), by i, f, g and o in z (4 n), where their slopes then are."""
    n = len(old)
    one = old.dtype.type(1)
    i, f, g, o = z[:n], z[n : 2 * n], z[2 * n : 3 * n], z[3 * n :]
    for k in range(n):
        keep[k] = f[k]
        new[k] = f[k] * old[k] + i[k] * g[k]
    for k in range(n):
        h[k] = tanh(new[k])
    for k in range(n):
        shown[k] = o[k] * (one - h[k] * h[k])
    for k in range(n):
        squashed = h[k]
        h[k] = o[k] * squashed
        o[k] = h[k] * (one - o[k])
    for k in range(n):
        open_ = i[k]
        i[k] = g[k] * open_ * (one - open_)
        g[k] = open_ * (one - g[k] * g[k])
    for k in range(n):
        f[k] *= old[k] * (one - f[k])


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
    UT, through = np.ascontiguousarray(U.T), np.empty((B, 4 * n), x.dtype)
    times_transposed(x.reshape(T * B, m), W, slopes.reshape(T * B, 4 * n))
    for t in range(T):
        times(states[t], UT, through)
        for b in range(B):
            _gates(slopes[t, b], through[b], b_ih, b_hh)
            _slopes(cells[t, b], slopes[t, b], cells[t + 1, b], states[t + 1, b], keep[t, b], shown[t, b])


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
    z, through = np.empty((B, 4 * n), x.dtype), np.empty((B, 4 * n), x.dtype)
    times_transposed(x, W, z)
    times_transposed(old[0], U, through)
    by_state[:], by_gate[:] = 0, 0
    keep, shown = by_state[1, 1], by_state[0, 1]
    for b in range(B):
        _gates(z[b], through[b], b_ih, b_hh)
        _slopes(old[1, b], z[b], new[1, b], new[0, b], keep[b], shown[b])
    for g in range(3):
        by_gate[1, g] = z[:, g * n : (g + 1) * n]
        by_gate[0, g] = shown * by_gate[1, g]
    by_gate[0, 3] = z[:, 3 * n :]
    shown *= keep
