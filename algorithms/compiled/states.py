"""The states after some steps without gradient, and the readout's gradient at them."""

from typing import Any

import numpy as np

from throughtime.networks.compiled import gru, lstm, rnn
from throughtime.networks.compiled.build import compiled

from .layout import outputs_of, parts_of
from .windows import read_out

AT_ONCE = 16
"""Steps whose slopes, which nobody wants here, are in memory at once: a step by itself would turn U anew."""


@compiled
def read_states(
    grad: Any, hidden: Any, rows: int, m: int, V: Any, c: Any, values: Any, classes: Any, mask: Any, scale: Any
) -> Any:
    """The loss of the last k steps, and its gradient by the readout, zero elsewhere; nothing where k is 0."""
    k, n = len(scale), hidden.shape[2]
    if not k:
        return 0.0
    grad[:] = 0
    _, _, _, _, gV, gc = parts_of(grad, rows, m, n, len(c))
    by_state = np.empty((k, hidden.shape[1], n), hidden.dtype)
    return read_out(hidden[len(hidden) - k :], V, c, V, values, classes, mask, scale, by_state, gV, gc)


@compiled
def rnn_states(theta: Any, grad: Any, x: Any, h: Any, values: Any, classes: Any, mask: Any, scale: Any) -> Any:
    """The tanh cell: h (B, n) moved over the steps of x (T, B, m); the readout's gradient and loss where k > 0."""
    T, B, m = x.shape
    n, o = h.shape[1], outputs_of(len(theta), x.shape[2], h.shape[1], 1)
    W, U, b_ih, b_hh, V, c = parts_of(theta, n, m, n, o)
    states = np.empty((T + 1, B, n), x.dtype)
    states[0] = h
    rnn.forward(x, W, U, b_ih, b_hh, states)
    h[:] = states[T]
    return read_states(grad, states[1:], n, m, V, c, values, classes, mask, scale)


@compiled
def gru_states(theta: Any, grad: Any, x: Any, h: Any, values: Any, classes: Any, mask: Any, scale: Any) -> Any:
    """The gated recurrent unit, likewise."""
    T, B, m = x.shape
    n, o = h.shape[1], outputs_of(len(theta), x.shape[2], h.shape[1], 3)
    W, U, b_ih, b_hh, V, c = parts_of(theta, 3 * n, m, n, o)
    at_once = min(T, AT_ONCE)
    states, by_hidden = np.empty((T + 1, B, n), x.dtype), np.empty((at_once, B, 3 * n), x.dtype)
    by_input, update = np.empty((at_once, B, n), x.dtype), np.empty((at_once, B, n), x.dtype)
    states[0] = h
    for t in range(0, T, AT_ONCE):
        k = min(T - t, AT_ONCE)
        gru.forward(x[t : t + k], W, U, b_ih, b_hh, states[t : t + k + 1], by_hidden[:k], by_input[:k], update[:k])
    h[:] = states[T]
    return read_states(grad, states[1:], 3 * n, m, V, c, values, classes, mask, scale)


@compiled
def lstm_states(
    theta: Any, grad: Any, x: Any, h: Any, cell: Any, values: Any, classes: Any, mask: Any, scale: Any
) -> Any:
    """Long short-term memory, likewise."""
    T, B, m = x.shape
    n, o = h.shape[1], outputs_of(len(theta), x.shape[2], h.shape[1], 4)
    W, U, b_ih, b_hh, V, c = parts_of(theta, 4 * n, m, n, o)
    at_once = min(T, AT_ONCE)
    states, cells = np.empty((T + 1, B, n), x.dtype), np.empty((at_once + 1, B, n), x.dtype)
    slopes, keep = np.empty((at_once, B, 4 * n), x.dtype), np.empty((at_once, B, n), x.dtype)
    shown = np.empty((at_once, B, n), x.dtype)
    states[0], cells[0] = h, cell
    for t in range(0, T, AT_ONCE):
        k = min(T - t, AT_ONCE)
        lstm.forward(
            x[t : t + k], W, U, b_ih, b_hh, states[t : t + k + 1], cells[: k + 1], slopes[:k], keep[:k], shown[:k]
        )
        cells[0] = cells[k]
    h[:], cell[:] = states[T], cells[0]
    return read_states(grad, states[1:], 4 * n, m, V, c, values, classes, mask, scale)
