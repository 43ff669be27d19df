"""The gated recurrent unit over a window: forward, and the walk back."""

from typing import Any

import numpy as np

from .build import compiled
from .elementwise import sigmoid, tanh
from .products import add_products, times, times_transposed


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
    one = x.dtype.type(1)
    UT, through = np.ascontiguousarray(U.T), np.empty((B, 3 * n), x.dtype)
    times_transposed(x.reshape(T * B, m), W, by_hidden.reshape(T * B, 3 * n))
    for t in range(T):
        times(states[t], UT, through)
        for b in range(B):
            h, z, p, new = states[t, b], by_hidden[t, b], through[b], states[t + 1, b]
            slope_a, keep = by_input[t, b], update[t, b]
            for i in range(n):
                r = sigmoid(z[i] + p[i] + b_ih[i] + b_hh[i])
                u = sigmoid(z[n + i] + p[n + i] + b_ih[n + i] + b_hh[n + i])
                half = p[2 * n + i] + b_hh[2 * n + i]
                c = tanh(z[2 * n + i] + b_ih[2 * n + i] + r * half)
                new[i] = c + u * (h[i] - c)
                by_a = (one - u) * (one - c * c)
                slope_a[i], keep[i] = by_a, u
                z[i] = by_a * half * r * (one - r)
                z[n + i] = (h[i] - c) * u * (one - u)
                z[2 * n + i] = by_a * r


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
    one = x.dtype.type(1)
    z, through = np.empty((B, 3 * n), x.dtype), np.empty((B, 3 * n), x.dtype)
    times_transposed(x, W, z)
    times_transposed(old[0], U, through)
    for b in range(B):
        f, p, h = z[b], through[b], old[0, b]
        for i in range(n):
            r = sigmoid(f[i] + p[i] + b_ih[i] + b_hh[i])
            u = sigmoid(f[n + i] + p[n + i] + b_ih[n + i] + b_hh[n + i])
            half = p[2 * n + i] + b_hh[2 * n + i]
            c = tanh(f[2 * n + i] + b_ih[2 * n + i] + r * half)
            by_a = (one - u) * (one - c * c)
            new[0, b, i] = c + u * (h[i] - c)
            by_state[0, 0, b, i] = u
            by_gate[0, 0, b, i] = by_a * half * r * (one - r)
            by_gate[0, 1, b, i] = (h[i] - c) * u * (one - u)
            by_gate[0, 2, b, i] = by_a
            by_gate[0, 3, b, i] = by_a * r
