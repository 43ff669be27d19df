"""One step of real-time recurrent learning in a closed loop: see `closed_loop` for x, and `rtrl`."""

from typing import Any

import numpy as np

from throughtime.networks.compiled import gru, lstm, rnn
from throughtime.networks.compiled.build import compiled

from .closed_loop import mix
from .layout import GRU, LSTM, NO_BLOCK, RNN, outputs_of, parts_of
from .rtrl import advance, judge, scatter


@compiled
def advance_and_judge(
    theta: Any, grad: Any, rows: int, x: Any, of_input: Any, of_hidden: Any, seen: Any, old: Any, new: Any,
    by_state: Any, by_gate: Any, matrix: Any, values: Any, classes: Any, mask: Any, scale: Any,
) -> Any:  # fmt: skip
    """A step of RTRL after the cell's: the loss; the gradient, by the influence (B, P, S n) moved on, is added."""
    (S, B, n), m = old.shape, seen.shape[1]
    o = outputs_of(len(theta), m, n, rows // n)
    W, U, _, _, V, c = parts_of(theta, rows, m, n, o)
    gW, gU, gb_ih, gb_hh, gV, gc = parts_of(grad, rows, m, n, o)
    by_output = np.zeros((S, B, n, o), x.dtype)
    for p in range(S):
        for b in range(B):
            own = x.dtype.type(1) - x[b, m]
            for g in range(len(of_input)):
                if of_input[g] != NO_BLOCK:
                    for i in range(n):
                        slope = own * by_gate[p, g, b, i]
                        for k in range(o):
                            by_output[p, b, i, k] += slope * W[of_input[g] * n + i, m - o + k]
    loss, by_hidden = judge(new, V, c, V, values, classes, mask, scale, gV, gc)
    columns = np.zeros(matrix.shape[1], x.dtype)
    advance(seen, old[0], U, V, by_state, by_gate, by_output, of_input, of_hidden, matrix, by_hidden, columns)
    done = scatter(columns, of_input, of_hidden, gW, gU, gb_ih, gb_hh)
    for k in range(o):
        row = columns[done + k * (n + 1) :]
        for i in range(n):
            gV[k, i] += row[i]
        gc[k] += row[n]
    return loss


@compiled
def rnn_step(
    theta: Any, grad: Any, x: Any, old: Any, new: Any, matrix: Any, values: Any, classes: Any, mask: Any, scale: Any
) -> Any:
    """The tanh cell, see `rtrl.rnn_step`; the readout's columns are the matrix's last."""
    (_, B, n), m = old.shape, x.shape[1] - 1
    W, U, b_ih, b_hh, V, c = parts_of(theta, n, m, n, outputs_of(len(theta), m, n, 1))
    seen, by_state, by_gate = (
        np.empty((B, m), x.dtype),
        np.empty((1, 1, B, n), x.dtype),
        np.empty((1, 1, B, n), x.dtype),
    )
    mix(x, old[0], V, c, seen)
    rnn.local(seen, W, U, b_ih, b_hh, old, new, by_state, by_gate)
    return advance_and_judge(
        theta, grad, n, x, RNN[0], RNN[1], seen, old, new, by_state, by_gate, matrix, values, classes, mask, scale
    )  # fmt: skip


@compiled
def gru_step(
    theta: Any, grad: Any, x: Any, old: Any, new: Any, matrix: Any, values: Any, classes: Any, mask: Any, scale: Any
) -> Any:
    """The gated recurrent unit, likewise."""
    (_, B, n), m = old.shape, x.shape[1] - 1
    W, U, b_ih, b_hh, V, c = parts_of(theta, 3 * n, m, n, outputs_of(len(theta), m, n, 3))
    seen, by_state, by_gate = (
        np.empty((B, m), x.dtype),
        np.empty((1, 1, B, n), x.dtype),
        np.empty((1, 4, B, n), x.dtype),
    )
    mix(x, old[0], V, c, seen)
    gru.local(seen, W, U, b_ih, b_hh, old, new, by_state, by_gate)
    return advance_and_judge(
        theta, grad, 3 * n, x, GRU[0], GRU[1], seen, old, new, by_state, by_gate, matrix, values, classes, mask, scale
    )  # fmt: skip


@compiled
def lstm_step(
    theta: Any, grad: Any, x: Any, old: Any, new: Any, matrix: Any, values: Any, classes: Any, mask: Any, scale: Any
) -> Any:
    """Long short-term memory, likewise."""
    (_, B, n), m = old.shape, x.shape[1] - 1
    W, U, b_ih, b_hh, V, c = parts_of(theta, 4 * n, m, n, outputs_of(len(theta), m, n, 4))
    seen, by_state, by_gate = (
        np.empty((B, m), x.dtype),
        np.empty((2, 2, B, n), x.dtype),
        np.empty((2, 4, B, n), x.dtype),
    )
    mix(x, old[0], V, c, seen)
    lstm.local(seen, W, U, b_ih, b_hh, old, new, by_state, by_gate)
    return advance_and_judge(
        theta, grad, 4 * n, x, LSTM[0], LSTM[1], seen, old, new, by_state, by_gate, matrix, values, classes, mask, scale
    )  # fmt: skip
