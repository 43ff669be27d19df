"""One step of KF-RTRL at once, for each sequence of a batch on its own: its Kronecker product, and the gradient."""

import math
from typing import Any

import numpy as np

from throughtime.networks.compiled import gru, lstm, rnn
from throughtime.networks.compiled.build import compiled
from throughtime.networks.compiled.products import times

from .layout import GRU, LSTM, NO_BLOCK, RNN, add_rows, outputs_of, parts_of
from .rtrl import judge


@compiled
def _size(values: Any) -> Any:
    """The square of a vector's length."""
    total = values.dtype.type(0)
    for k in range(len(values)):
        total += values[k] * values[k]
    return total


@compiled
def _ratio(above: Any, below: Any) -> float:
    """√(√above / √below), by squares of lengths; 0 where one of them is zero."""
    return math.sqrt(math.sqrt(above / below)) if above > 0 and below > 0 else 0.0


@compiled
def advance(
    x: Any, h: Any, U: Any, by_state: Any, by_gate: Any, of_hidden: Any, signs: Any, u: Any, A: Any
) -> None:  # fmt: skip
    """U (B, m + n + 1) and A (B, S n, G n) one step on, by the signs ν (B,); in place."""
    B, m = x.shape
    S, G, n = by_gate.shape[0], by_gate.shape[1], h.shape[1]
    one = x.dtype.type
    transition, moved = np.empty((S * n, n), x.dtype), np.empty((S * n, G * n), x.dtype)
    seen = np.ones(m + n + 1, x.dtype)
    for b in range(B):
        transition[:] = 0
        for p in range(S):
            for g in range(G):
                if of_hidden[g] != NO_BLOCK:
                    for i in range(n):
                        slope, row = by_gate[p, g, b, i], transition[p * n + i]
                        weights = U[of_hidden[g] * n + i]
                        for j in range(n):
                            row[j] += slope * weights[j]
            for i in range(n):
                transition[p * n + i, i] += by_state[p, 0, b, i]
        times(transition, A[b, :n], moved)
        for p in range(S):
            for q in range(1, S):
                for i in range(n):
                    slope, row, past = by_state[p, q, b, i], moved[p * n + i], A[b, q * n + i]
                    for k in range(len(row)):
                        row[k] += slope * past[k]
        seen[:m], seen[m : m + n] = x[b], h[b]
        slopes = one(0)
        for p in range(S):
            for g in range(G):
                slopes += _size(by_gate[p, g, b])
        p1, p2 = _ratio(_size(moved.ravel()), _size(u[b])), _ratio(slopes, _size(seen))
        by_p1, by_p2 = one(1 / p1 if p1 else 0.0), one(signs[b] / p2 if p2 else 0.0)
        keep, add = one(p1), one(signs[b] * p2)
        for k in range(len(seen)):
            u[b, k] = keep * u[b, k] + add * seen[k]
        new = A[b]
        for r in range(S * n):
            for k in range(G * n):
                new[r, k] = by_p1 * moved[r, k]
        for p in range(S):
            for g in range(G):
                for i in range(n):
                    new[p * n + i, g * n + i] += by_p2 * by_gate[p, g, b, i]


@compiled
def credit(u: Any, A: Any, by_hidden: Any, of_input: Any, of_hidden: Any, of_theta: Any) -> None:
    """Add Σ_b (∂L/∂h_t · A) ⊗ u to gW, gU, gb_ih, gb_hh; by_hidden (1, B, n), or of no sequences."""
    gW, gU, gb_ih, gb_hh, _, _ = of_theta
    n = gU.shape[1]
    columns = np.empty(A.shape[2], A.dtype)
    for b in range(by_hidden.shape[1]):
        columns[:] = 0
        for i in range(n):
            slope, row = by_hidden[0, b, i], A[b, i]
            for k in range(len(row)):
                columns[k] += slope * row[k]
        for g in range(len(of_input)):
            slopes = columns[g * n : (g + 1) * n]
            add_rows(slopes, u[b : b + 1], of_input[g], of_hidden[g], gW, gU, gb_ih, gb_hh)


@compiled
def rnn_step(
    theta: Any, grad: Any, x: Any, old: Any, new: Any, signs: Any, u: Any, A: Any,
    values: Any, classes: Any, mask: Any, scale: Any,
) -> Any:  # fmt: skip
    """The tanh cell: from old to new states (S, B, n), u and A moved in place, grad added to, the loss returned."""
    B, m = x.shape
    n = old.shape[2]
    o = outputs_of(len(theta), m, n, 1)
    W, U, b_ih, b_hh, V, c = parts_of(theta, n, m, n, o)
    of_theta = parts_of(grad, n, m, n, o)
    by_state, by_gate = np.empty((1, 1, B, n), x.dtype), np.empty((1, 1, B, n), x.dtype)
    rnn.local(x, W, U, b_ih, b_hh, old, new, by_state, by_gate)
    loss, by_hidden = judge(new, V, c, V, values, classes, mask, scale, of_theta[4], of_theta[5])
    advance(x, old[0], U, by_state, by_gate, RNN[1], signs, u, A)
    credit(u, A, by_hidden, RNN[0], RNN[1], of_theta)
    return loss


@compiled
def gru_step(
    theta: Any, grad: Any, x: Any, old: Any, new: Any, signs: Any, u: Any, A: Any,
    values: Any, classes: Any, mask: Any, scale: Any,
) -> Any:  # fmt: skip
    """The gated recurrent unit, likewise."""
    B, m = x.shape
    n = old.shape[2]
    o = outputs_of(len(theta), m, n, 3)
    W, U, b_ih, b_hh, V, c = parts_of(theta, 3 * n, m, n, o)
    of_theta = parts_of(grad, 3 * n, m, n, o)
    by_state, by_gate = np.empty((1, 1, B, n), x.dtype), np.empty((1, 4, B, n), x.dtype)
    gru.local(x, W, U, b_ih, b_hh, old, new, by_state, by_gate)
    loss, by_hidden = judge(new, V, c, V, values, classes, mask, scale, of_theta[4], of_theta[5])
    advance(x, old[0], U, by_state, by_gate, GRU[1], signs, u, A)
    credit(u, A, by_hidden, GRU[0], GRU[1], of_theta)
    return loss


@compiled
def lstm_step(
    theta: Any, grad: Any, x: Any, old: Any, new: Any, signs: Any, u: Any, A: Any,
    values: Any, classes: Any, mask: Any, scale: Any,
) -> Any:  # fmt: skip
    """Long short-term memory, likewise."""
    B, m = x.shape
    n = old.shape[2]
    o = outputs_of(len(theta), m, n, 4)
    W, U, b_ih, b_hh, V, c = parts_of(theta, 4 * n, m, n, o)
    of_theta = parts_of(grad, 4 * n, m, n, o)
    by_state, by_gate = np.empty((2, 2, B, n), x.dtype), np.empty((2, 4, B, n), x.dtype)
    lstm.local(x, W, U, b_ih, b_hh, old, new, by_state, by_gate)
    loss, by_hidden = judge(new, V, c, V, values, classes, mask, scale, of_theta[4], of_theta[5])
    advance(x, old[0], U, by_state, by_gate, LSTM[1], signs, u, A)
    credit(u, A, by_hidden, LSTM[0], LSTM[1], of_theta)
    return loss
