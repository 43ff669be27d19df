"""One step of the local rules at once: every weight's influence on its own unit, and the gradient."""

from typing import Any

import numpy as np

from throughtime.networks.compiled import gru, lstm, rnn
from throughtime.networks.compiled.build import compiled

from .layout import GRU, LSTM, NO_BLOCK, RNN, add_rows, outputs_of, parts_of
from .rtrl import judge


@compiled
def advance(x: Any, h: Any, U: Any, by_state: Any, by_gate: Any, of_hidden: Any, own_weight: bool, traces: Any) -> None:
    """The traces (B, S, G, n, m + n + 1) one step on, in place; own_weight: a unit's own recurrent weight counts."""
    B, S, G, n, width = traces.shape
    m = x.shape[1]
    own, seen = np.empty((S, S), x.dtype), np.empty(width, x.dtype)
    seen[width - 1] = 1
    for b in range(B):
        seen[:m] = x[b]
        seen[m : m + n] = h[b]
        for i in range(n):
            own[:] = by_state[:, :, b, i]
            if own_weight:
                for g in range(G):
                    if of_hidden[g] != NO_BLOCK:
                        for p in range(S):
                            own[p, 0] += by_gate[p, g, b, i] * U[of_hidden[g] * n + i, i]
            for g in range(G):
                first = traces[b, 0, g, i]
                if S == 1:
                    keep, add = own[0, 0], by_gate[0, g, b, i]
                    for k in range(width):
                        first[k] = keep * first[k] + add * seen[k]
                else:
                    second = traces[b, 1, g, i]
                    for k in range(width):
                        one, two = first[k], second[k]
                        first[k] = own[0, 0] * one + own[0, 1] * two + by_gate[0, g, b, i] * seen[k]
                        second[k] = own[1, 0] * one + own[1, 1] * two + by_gate[1, g, b, i] * seen[k]


@compiled
def credit(
    traces: Any, new: Any, feedback: Any, of_input: Any, of_hidden: Any, V: Any, c: Any, of_theta: Any,
    values: Any, classes: Any, mask: Any, scale: Any,
) -> Any:  # fmt: skip
    """The loss of a step; its gradient, by the slopes that feedback (o, n), or V, brings to the units, is added.

    of_theta: gW, gU, gb_ih, gb_hh, gV, gc.
    """
    gW, gU, gb_ih, gb_hh, gV, gc = of_theta
    loss, by_hidden = judge(new, V, c, feedback if len(feedback) else V, values, classes, mask, scale, gV, gc)
    for b in range(by_hidden.shape[1]):
        for g in range(traces.shape[2]):
            add_rows(by_hidden[0, b], traces[b, 0, g], of_input[g], of_hidden[g], gW, gU, gb_ih, gb_hh)
    return loss


@compiled
def rnn_step(
    theta: Any, grad: Any, x: Any, old: Any, new: Any, traces: Any, own_weight: bool, feedback: Any,
    values: Any, classes: Any, mask: Any, scale: Any,
) -> Any:  # fmt: skip
    """The tanh cell: from old to new states (S, B, n), traces moved in place, grad added to, the loss returned."""
    B, m = x.shape
    n = old.shape[2]
    o = outputs_of(len(theta), m, n, 1)
    W, U, b_ih, b_hh, V, c = parts_of(theta, n, m, n, o)
    by_state, by_gate = np.empty((1, 1, B, n), x.dtype), np.empty((1, 1, B, n), x.dtype)
    rnn.local(x, W, U, b_ih, b_hh, old, new, by_state, by_gate)
    advance(x, old[0], U, by_state, by_gate, RNN[1], own_weight, traces)
    of_theta = parts_of(grad, n, m, n, o)
    return credit(traces, new, feedback, RNN[0], RNN[1], V, c, of_theta, values, classes, mask, scale)


@compiled
def gru_step(
    theta: Any, grad: Any, x: Any, old: Any, new: Any, traces: Any, own_weight: bool, feedback: Any,
    values: Any, classes: Any, mask: Any, scale: Any,
) -> Any:  # fmt: skip
    """The gated recurrent unit, likewise."""
    B, m = x.shape
    n = old.shape[2]
    o = outputs_of(len(theta), m, n, 3)
    W, U, b_ih, b_hh, V, c = parts_of(theta, 3 * n, m, n, o)
    by_state, by_gate = np.empty((1, 1, B, n), x.dtype), np.empty((1, 4, B, n), x.dtype)
    gru.local(x, W, U, b_ih, b_hh, old, new, by_state, by_gate)
    advance(x, old[0], U, by_state, by_gate, GRU[1], own_weight, traces)
    of_theta = parts_of(grad, 3 * n, m, n, o)
    return credit(traces, new, feedback, GRU[0], GRU[1], V, c, of_theta, values, classes, mask, scale)


@compiled
def lstm_step(
    theta: Any, grad: Any, x: Any, old: Any, new: Any, traces: Any, own_weight: bool, feedback: Any,
    values: Any, classes: Any, mask: Any, scale: Any,
) -> Any:  # fmt: skip
    """Long short-term memory, likewise."""
    B, m = x.shape
    n = old.shape[2]
    o = outputs_of(len(theta), m, n, 4)
    W, U, b_ih, b_hh, V, c = parts_of(theta, 4 * n, m, n, o)
    by_state, by_gate = np.empty((2, 2, B, n), x.dtype), np.empty((2, 4, B, n), x.dtype)
    lstm.local(x, W, U, b_ih, b_hh, old, new, by_state, by_gate)
    advance(x, old[0], U, by_state, by_gate, LSTM[1], own_weight, traces)
    of_theta = parts_of(grad, 4 * n, m, n, o)
    return credit(traces, new, feedback, LSTM[0], LSTM[1], V, c, of_theta, values, classes, mask, scale)
