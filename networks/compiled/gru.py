"""The gated recurrent unit over a window: forward, and the walk back."""

from typing import Any

import numpy as np

from .build import compiled
from .elementwise import sigmoid, tanh
from .products import add_products, times, times_transposed


@compiled
def _gates(z: Any, p: Any, b_ih: Any, b_hh: Any) -> None:
    """Of one sequence r, u and c, in z (3 n), which holds W x; p (3 n), U h, then ends with c's hidden half.

    Each loop is over whole pieces and does little, so that it vectorizes: with an offset in an index it would not.
    """
    n = len(z) // 3
    both, c, half, b_c, b_half = z[: 2 * n], z[2 * n :], p[2 * n :], b_ih[2 * n :], b_hh[2 * n :]
    for i in range(2 * n):
        both[i] += p[i] + b_ih[i] + b_hh[i]
    for i in range(2 * n):
        both[i] = sigmoid(both[i])
    for i in range(n):
        half[i] += b_half[i]
    for i in range(n):
        c[i] += b_c[i] + z[i] * half[i]
    for i in range(n):
        c[i] = tanh(c[i])


@compiled
def _slopes(h: Any, z: Any, half: Any, new: Any, by_input: Any, update: Any) -> None:
    """The step from h to new (n), by r, u and c in z (3 n), where ∂h_t/∂ of the hidden halves of all three then are."""
    n = len(h)
    one = h.dtype.type(1)
    r, u, c = z[:n], z[n : 2 * n], z[2 * n :]
    for i in range(n):
        update[i] = u[i]
        new[i] = c[i] + u[i] * (h[i] - c[i])
        by_input[i] = (one - u[i]) * (one - c[i] * c[i])
    for i in range(n):
        u[i] *= (h[i] - c[i]) * (one - u[i])
    for i in range(n):
        c[i] = by_input[i] * r[i]
        r[i] = c[i] * half[i] * (one - r[i])


@compiled
def forward(
    x: Any, W: Any, U: Any, b_ih: Any, b_hh: Any, states: Any, by_hidden: Any, by_input: Any, update: Any
) -> None:
    """h_1 … h_T from x (T, B, m) into states (T + 1, B, n), the first of which is h_0, and what the walk back needs.

    That is by_hidden (T, B, 3 n), ∂h_t/∂ of the pre-activations of r and u and of the candidate's hidden half, by_input
    (T, B, n), ∂h_t/∂ of the candidate's pre-activation, and update (T, B, n), u_t.
    """
    T, B, m = x.shape
    n = states.shape[2]
    UT, through = np.ascontiguousarray(U.T), np.empty((B, 3 * n), x.dtype)
    times_transposed(x.reshape(T * B, m), W, by_hidden.reshape(T * B, 3 * n))
    for t in range(T):
        times(states[t], UT, through)
        for b in range(B):
            z, p = by_hidden[t, b], through[b]
            _gates(z, p, b_ih, b_hh)
            _slopes(states[t, b], z, p[2 * n :], states[t + 1, b], by_input[t, b], update[t, b])


@compiled
def backward(
    x: Any,
    U: Any,
    states: Any,
    by_hidden: Any,
    by_input: Any,
    update: Any,
    by_state: Any,
    credit: Any,
    gW: Any,
    gU: Any,
    gb_ih: Any,
    gb_hh: Any,
) -> None:
    """Every slope times the same ∂L/∂h_t, then one product over the window for each weight.

    by_state (k, B, n) is ∂L/∂h_t directly, of the last k steps; gW, gU, gb_ih and gb_hh are filled. credit (1, B, n) is
    what arrives at h_T from later steps, and then what leaves by h_0; it may be empty, (0, B, n).
    """
    T, B, m = x.shape
    n, first = states.shape[2], T - len(by_state)
    total, through = np.zeros((B, n), x.dtype), np.zeros((B, n), x.dtype)
    if len(credit):
        total[:] = credit[0]
    for t in range(T - 1, -1, -1):
        for b in range(B):
            g, p = total[b], through[b]
            if t < T - 1:
                keep = update[t + 1, b]
                for i in range(n):
                    g[i] = g[i] * keep[i] + p[i]
            if t >= first:
                direct = by_state[t - first, b]
                for i in range(n):
                    g[i] += direct[i]
            d, a = by_hidden[t, b], by_input[t, b]
            for i in range(n):
                d[i] *= g[i]
                d[n + i] *= g[i]
                d[2 * n + i] *= g[i]
                a[i] *= g[i]
        times(by_hidden[t], U, through)
    if len(credit):
        credit[0] = total * update[0] + through
    features, flat, candidate = x.reshape(T * B, m), by_hidden.reshape(T * B, 3 * n), by_input.reshape(T * B, n)
    add_products(flat, states[:T].reshape(T * B, n), gU)
    add_products(flat, features, gW)
    add_products(candidate, features, gW[2 * n :])
    gb_hh[:], gb_ih[:] = 0, 0
    for k in range(T * B):
        for i in range(3 * n):
            gb_hh[i] += flat[k, i]
        for i in range(n):
            gb_ih[2 * n + i] += candidate[k, i]
    gb_ih[: 2 * n] = gb_hh[: 2 * n]


@compiled
def local(x: Any, W: Any, U: Any, b_ih: Any, b_hh: Any, old: Any, new: Any, by_state: Any, by_gate: Any) -> None:
    """One step from x (B, m) and old (1, B, n) to new, φ_s (1, 1, B, n) and φ_z (1, 4, B, n), which are filled."""
    B, n = old.shape[1:]
    z, through = np.empty((B, 3 * n), x.dtype), np.empty((B, 3 * n), x.dtype)
    times_transposed(x, W, z)
    times_transposed(old[0], U, through)
    for b in range(B):
        _gates(z[b], through[b], b_ih, b_hh)
        _slopes(old[0, b], z[b], through[b, 2 * n :], new[0, b], by_gate[0, 2, b], by_state[0, 0, b])
    by_gate[0, 0], by_gate[0, 1], by_gate[0, 3] = z[:, :n], z[:, n : 2 * n], z[:, 2 * n :]
