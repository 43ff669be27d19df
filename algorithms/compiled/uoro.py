"""One step of unbiased online recurrent optimization at once, for each sequence of a batch on its own."""

import math
from typing import Any

import numpy as np

from throughtime.networks.compiled import gru, lstm, rnn
from throughtime.networks.compiled.build import compiled

from .layout import GRU, LSTM, NO_BLOCK, RNN, outputs_of, parts_of
from .rtrl import judge


@compiled
def _ratio(above: float, below: float) -> float:
    """√(above / below); 1 where one of them is zero, and nothing is to be balanced."""
    return math.sqrt(above / below) if above > 0 and below > 0 else 1.0


@compiled
def advance(
    x: Any, h: Any, U: Any, by_state: Any, by_gate: Any, of_input: Any, of_hidden: Any, signs: Any, s: Any, theta: Any,
) -> None:  # fmt: skip
    """The pair of every sequence, s (S, B, n) and theta (B, P), one step on, by the signs ν (S, B, n); in place."""
    B, m = x.shape
    S, G, n = by_gate.shape[0], by_gate.shape[1], h.shape[1]
    rows = 1 + max(of_input.max(), of_hidden.max())
    along, back, through = np.empty((S, n), x.dtype), np.empty((G, n), x.dtype), np.empty(n, x.dtype)
    for b in range(B):
        for p in range(S):
            for i in range(n):
                along[p, i] = 0
                for q in range(S):
                    along[p, i] += by_state[p, q, b, i] * s[q, b, i]
        size_back, size_input, size_hidden = 0.0, 1.0, 1.0
        for k in range(m):
            size_input += x[b, k] * x[b, k]
        for k in range(n):
            size_hidden += h[b, k] * h[b, k]
        for g in range(G):
            if of_hidden[g] != NO_BLOCK:
                first = of_hidden[g] * n
                np.dot(U[first : first + n], s[0, b], through)
                for p in range(S):
                    for i in range(n):
                        along[p, i] += by_gate[p, g, b, i] * through[i]
            square = 0.0
            for i in range(n):
                back[g, i] = 0
                for p in range(S):
                    back[g, i] += signs[p, b, i] * by_gate[p, g, b, i]
                square += back[g, i] * back[g, i]
            if of_input[g] != NO_BLOCK:
                size_back += square * size_input
            if of_hidden[g] != NO_BLOCK:
                size_back += square * size_hidden
        size_along, size_theta, size_signs = 0.0, 0.0, 0.0
        for p in range(S):
            for i in range(n):
                size_along += along[p, i] * along[p, i]
                size_signs += signs[p, b, i] * signs[p, b, i]
        of_b = theta[b]
        for k in range(len(of_b)):
            size_theta += of_b[k] * of_b[k]
        rho0 = _ratio(math.sqrt(size_theta), math.sqrt(size_along))
        rho1 = _ratio(math.sqrt(size_back), math.sqrt(size_signs))
        by_rho0, by_rho1 = x.dtype.type(1 / rho0), x.dtype.type(1 / rho1)
        for p in range(S):
            for i in range(n):
                s[p, b, i] = x.dtype.type(rho0) * along[p, i] + x.dtype.type(rho1) * signs[p, b, i]
        of_b *= by_rho0
        W, V, b_ih, b_hh = _split(of_b, rows * n, m, n)
        for g in range(G):
            for i in range(n):
                credit = by_rho1 * back[g, i]
                if of_input[g] != NO_BLOCK:
                    row = W[of_input[g] * n + i]
                    for k in range(m):
                        row[k] += credit * x[b, k]
                    b_ih[of_input[g] * n + i] += credit
                if of_hidden[g] != NO_BLOCK:
                    row = V[of_hidden[g] * n + i]
                    for k in range(n):
                        row[k] += credit * h[b, k]
                    b_hh[of_hidden[g] * n + i] += credit


@compiled
def _split(vector: Any, rows: int, m: int, n: int) -> Any:
    """The cell's parts of a vector of all parameters."""
    a = rows * m
    b = a + rows * n
    W, U = vector[:a].reshape(rows, m), vector[a:b].reshape(rows, n)
    return W, U, vector[b : b + rows], vector[b + rows : b + 2 * rows]


@compiled
def _credit(
    grad: Any,
    new: Any,
    s: Any,
    pair: Any,
    V: Any,
    c: Any,
    gV: Any,
    gc: Any,
    values: Any,
    classes: Any,
    mask: Any,
    scale: Any,
) -> Any:
    """Fill grad with Σ_b (∂L/∂h_t · s̃) θ̃ and the readout's own gradient; the loss. A step without a target has none."""
    if not len(scale):
        return 0.0
    B, n = new.shape[1:]
    grad[:] = 0
    loss, by_hidden = judge(new, V, c, V, values, classes, mask, scale, gV, gc)
    for b in range(B):
        credit = new.dtype.type(0)
        for i in range(n):
            credit += by_hidden[0, b, i] * s[0, b, i]
        theta = pair[b]
        for k in range(len(grad)):
            grad[k] += credit * theta[k]
    return loss


@compiled
def rnn_step(
    theta: Any, grad: Any, x: Any, old: Any, new: Any, signs: Any, s: Any, pair: Any,
    values: Any, classes: Any, mask: Any, scale: Any,
) -> Any:  # fmt: skip
    """The tanh cell: from old to new states (S, B, n), s and pair moved in place, grad filled, the loss returned."""
    B, m = x.shape
    n = old.shape[2]
    o = outputs_of(len(theta), m, n, 1)
    W, U, b_ih, b_hh, V, c = parts_of(theta, n, m, n, o)
    _, _, _, _, gV, gc = parts_of(grad, n, m, n, o)
    by_state, by_gate = np.empty((1, 1, B, n), x.dtype), np.empty((1, 1, B, n), x.dtype)
    rnn.local(x, W, U, b_ih, b_hh, old, new, by_state, by_gate)
    advance(x, old[0], U, by_state, by_gate, RNN[0], RNN[1], signs, s, pair)
    return _credit(grad, new, s, pair, V, c, gV, gc, values, classes, mask, scale)


@compiled
def gru_step(
    theta: Any, grad: Any, x: Any, old: Any, new: Any, signs: Any, s: Any, pair: Any,
    values: Any, classes: Any, mask: Any, scale: Any,
) -> Any:  # fmt: skip
    """The gated recurrent unit, likewise."""
    B, m = x.shape
    n = old.shape[2]
    o = outputs_of(len(theta), m, n, 3)
    W, U, b_ih, b_hh, V, c = parts_of(theta, 3 * n, m, n, o)
    _, _, _, _, gV, gc = parts_of(grad, 3 * n, m, n, o)
    by_state, by_gate = np.empty((1, 1, B, n), x.dtype), np.empty((1, 4, B, n), x.dtype)
    gru.local(x, W, U, b_ih, b_hh, old, new, by_state, by_gate)
    advance(x, old[0], U, by_state, by_gate, GRU[0], GRU[1], signs, s, pair)
    return _credit(grad, new, s, pair, V, c, gV, gc, values, classes, mask, scale)


@compiled
def lstm_step(
    theta: Any, grad: Any, x: Any, old: Any, new: Any, signs: Any, s: Any, pair: Any,
    values: Any, classes: Any, mask: Any, scale: Any,
) -> Any:  # fmt: skip
    """Long short-term memory, likewise."""
    B, m = x.shape
    n = old.shape[2]
    o = outputs_of(len(theta), m, n, 4)
    W, U, b_ih, b_hh, V, c = parts_of(theta, 4 * n, m, n, o)
    _, _, _, _, gV, gc = parts_of(grad, 4 * n, m, n, o)
    by_state, by_gate = np.empty((2, 2, B, n), x.dtype), np.empty((2, 4, B, n), x.dtype)
    lstm.local(x, W, U, b_ih, b_hh, old, new, by_state, by_gate)
    advance(x, old[0], U, by_state, by_gate, LSTM[0], LSTM[1], signs, s, pair)
    return _credit(grad, new, s, pair, V, c, gV, gc, values, classes, mask, scale)
