"""One step of real-time recurrent learning at once: the influence matrix, its immediate term and the gradient.

Each sequence's matrix is multiplied, added to and read while it is in the cache.
"""

from typing import Any

import numpy as np

from throughtime.networks.compiled import gru, lstm, rnn
from throughtime.networks.compiled.build import compiled
from throughtime.networks.compiled.products import by_tiles

from .layout import GRU, LSTM, NO_BLOCK, RNN, outputs_of, parts_of
from .windows import read_out


@compiled
def carry(now: Any, transition: Any, by_state: Any, b: int, kept: Any) -> None:
    """Some parameters' influence on the old state, rows of S n numbers, becomes that on the new one, in place."""
    width, size = now.shape
    n, S, old = len(transition), len(by_state), kept[:width]
    for k in range(width):
        before, row = old[k], now[k]
        for j in range(size):
            before[j] = row[j]
    by_tiles(old[:, :n], transition, now)
    for p in range(S):
        for q in range(1, S):
            slopes = by_state[p, q, b]
            for k in range(width):
                past, part = old[k, q * n : (q + 1) * n], now[k, p * n : (p + 1) * n]
                for j in range(n):
                    part[j] += slopes[j] * past[j]


@compiled
def read(now: Any, by_hidden: Any, b: int, columns: Any) -> None:
    """To some parameters' columns of the gradient ∂L/∂h_t · ∂h_t/∂θ is added, where the step has a target."""
    if by_hidden.shape[1]:
        credit = by_hidden[0, b]
        for k in range(len(now)):
            total, row = columns.dtype.type(0), now[k]
            for j in range(len(credit)):
                total += credit[j] * row[j]
            columns[k] += total


@compiled
def advance(
    x: Any, h: Any, U: Any, V: Any, by_state: Any, by_gate: Any, by_output: Any, of_input: Any, of_hidden: Any,
    matrix: Any, by_hidden: Any, columns: Any,
) -> None:  # fmt: skip
    """From M_{t-1}ᵀ to M_tᵀ (B, P, S n), in place, and to columns (P,) the gradient ∂L/∂h_t · ∂h_t/∂θ is added.

    A step without a target has a by_hidden (1, B, n) of no sequences, (1, 0, n). by_output (S, B, n, o) is
    ∂s_t/∂ŷ_{t-1} of a closed loop; of an open one o is 0. The columns are those of
    `throughtime.algorithms.influence.StructuredInfluence`.
    """
    B, m = x.shape
    S, G, n = by_gate.shape[0], by_gate.shape[1], h.shape[1]
    transition, kept = np.empty((n, S * n), x.dtype), np.empty((m + n + 1, S * n), x.dtype)
    seen, without_hidden = np.ones(m + n + 1, x.dtype), np.ones(m + 1, x.dtype)
    for b in range(B):
        transition[:] = 0
        for p in range(S):
            for g in range(G):
                if of_hidden[g] != NO_BLOCK:
                    for i in range(n):
                        slope, weights = by_gate[p, g, b, i], U[of_hidden[g] * n + i]
                        for j in range(n):
                            transition[j, p * n + i] += slope * weights[j]
            for i in range(n):
                transition[i, p * n + i] += by_state[p, 0, b, i]
                for k in range(by_output.shape[3]):
                    for j in range(n):
                        transition[j, p * n + i] += by_output[p, b, i, k] * V[k, j]
        seen[:m], seen[m : m + n], without_hidden[:m] = x[b], h[b], x[b]
        column = 0
        for g in range(G):
            features = without_hidden if of_hidden[g] == NO_BLOCK else seen[0 if of_input[g] != NO_BLOCK else m :]
            width = len(features)
            for i in range(n):
                # The columns of one unit's weights: they stay in the cache until all is done with them.
                now = matrix[b, column : column + width]
                carry(now, transition, by_state, b, kept)
                for p in range(S):
                    slope = by_gate[p, g, b, i]
                    for k in range(width):
                        now[k, p * n + i] += slope * features[k]
                read(now, by_hidden, b, columns[column : column + width])
                column += width
        for k in range(by_output.shape[3]):
            now = matrix[b, column : column + n + 1]
            carry(now, transition, by_state, b, kept)
            for j in range(n + 1):
                feature = seen[m + j]
                for p in range(S):
                    for i in range(n):
                        now[j, p * n + i] += by_output[p, b, i, k] * feature
            read(now, by_hidden, b, columns[column : column + n + 1])
            column += n + 1


@compiled
def scatter(columns: Any, of_input: Any, of_hidden: Any, gW: Any, gU: Any, gb_ih: Any, gb_hh: Any) -> int:
    """Add the columns of a gradient to the cell's parameters that they belong to, and return how many these are."""
    m, n = gW.shape[1], gU.shape[1]
    k = 0
    for g in range(len(of_input)):
        for i in range(n):
            if of_input[g] != NO_BLOCK:
                for j in range(m):
                    gW[of_input[g] * n + i, j] += columns[k + j]
                k += m
            if of_hidden[g] != NO_BLOCK:
                for j in range(n):
                    gU[of_hidden[g] * n + i, j] += columns[k + j]
                k += n
            if of_input[g] != NO_BLOCK:
                gb_ih[of_input[g] * n + i] += columns[k]
            if of_hidden[g] != NO_BLOCK:
                gb_hh[of_hidden[g] * n + i] += columns[k]
            k += 1
    return k


@compiled
def judge(
    new: Any, V: Any, c: Any, back: Any, values: Any, classes: Any, mask: Any, scale: Any, gV: Any, gc: Any
) -> Any:
    """A step's loss and its slopes at the units (1, B, n), of no sequences where there is no target.

    back (o, n) brings them there from the outputs: V, and it is ∂L/∂h_t, or what stands for it. gV and gc are added to.
    """
    n = new.shape[2]
    if not len(scale):
        return 0.0, np.empty((1, 0, n), new.dtype)
    by_hidden, by_V, by_c = np.empty((1, new.shape[1], n), new.dtype), np.empty_like(V), np.empty_like(c)
    loss = read_out(new[:1], V, c, back, values, classes, mask, scale, by_hidden, by_V, by_c)
    gV += by_V
    gc += by_c
    return loss, by_hidden


@compiled
def open_loop(by_gate: Any) -> Any:
    """The derivative by the output that is fed back: (S, B, n, 0)."""
    S, _, B, n = by_gate.shape
    return np.empty((S, B, n, 0), by_gate.dtype)


@compiled
def rnn_step(
    theta: Any,
    grad: Any,
    x: Any,
    old: Any,
    new: Any,
    matrix: Any,
    values: Any,
    classes: Any,
    mask: Any,
    scale: Any,
) -> Any:
    """The tanh cell: old to new states (S, B, n), matrix (B, P, S n) in place; grad is added to, the loss returned."""
    B, m = x.shape
    n = old.shape[2]
    o = outputs_of(len(theta), m, n, 1)
    W, U, b_ih, b_hh, V, c = parts_of(theta, n, m, n, o)
    gW, gU, gb_ih, gb_hh, gV, gc = parts_of(grad, n, m, n, o)
    by_state, by_gate = np.empty((1, 1, B, n), x.dtype), np.empty((1, 1, B, n), x.dtype)
    rnn.local(x, W, U, b_ih, b_hh, old, new, by_state, by_gate)
    loss, by_hidden = judge(new, V, c, V, values, classes, mask, scale, gV, gc)
    columns = np.zeros(matrix.shape[1], x.dtype)
    advance(x, old[0], U, V, by_state, by_gate, open_loop(by_gate), RNN[0], RNN[1], matrix, by_hidden, columns)
    scatter(columns, RNN[0], RNN[1], gW, gU, gb_ih, gb_hh)
    return loss


@compiled
def gru_step(
    theta: Any,
    grad: Any,
    x: Any,
    old: Any,
    new: Any,
    matrix: Any,
    values: Any,
    classes: Any,
    mask: Any,
    scale: Any,
) -> Any:
    """The gated recurrent unit, likewise."""
    B, m = x.shape
    n = old.shape[2]
    o = outputs_of(len(theta), m, n, 3)
    W, U, b_ih, b_hh, V, c = parts_of(theta, 3 * n, m, n, o)
    gW, gU, gb_ih, gb_hh, gV, gc = parts_of(grad, 3 * n, m, n, o)
    by_state, by_gate = np.empty((1, 1, B, n), x.dtype), np.empty((1, 4, B, n), x.dtype)
    gru.local(x, W, U, b_ih, b_hh, old, new, by_state, by_gate)
    loss, by_hidden = judge(new, V, c, V, values, classes, mask, scale, gV, gc)
    columns = np.zeros(matrix.shape[1], x.dtype)
    advance(x, old[0], U, V, by_state, by_gate, open_loop(by_gate), GRU[0], GRU[1], matrix, by_hidden, columns)
    scatter(columns, GRU[0], GRU[1], gW, gU, gb_ih, gb_hh)
    return loss


@compiled
def lstm_step(
    theta: Any,
    grad: Any,
    x: Any,
    old: Any,
    new: Any,
    matrix: Any,
    values: Any,
    classes: Any,
    mask: Any,
    scale: Any,
) -> Any:
    """Long short-term memory, likewise."""
    B, m = x.shape
    n = old.shape[2]
    o = outputs_of(len(theta), m, n, 4)
    W, U, b_ih, b_hh, V, c = parts_of(theta, 4 * n, m, n, o)
    gW, gU, gb_ih, gb_hh, gV, gc = parts_of(grad, 4 * n, m, n, o)
    by_state, by_gate = np.empty((2, 2, B, n), x.dtype), np.empty((2, 4, B, n), x.dtype)
    lstm.local(x, W, U, b_ih, b_hh, old, new, by_state, by_gate)
    loss, by_hidden = judge(new, V, c, V, values, classes, mask, scale, gV, gc)
    columns = np.zeros(matrix.shape[1], x.dtype)
    advance(x, old[0], U, V, by_state, by_gate, open_loop(by_gate), LSTM[0], LSTM[1], matrix, by_hidden, columns)
    scatter(columns, LSTM[0], LSTM[1], gW, gU, gb_ih, gb_hh)
    return loss
