"""The states after some steps without gradient, and the readout's gradient at them."""

from typing import Any

import numpy as np

from throughtime.networks.compiled import gru, lstm, rnn
from throughtime.networks.compiled.build import compiled

from .layout import outputs_of, parts_of
from .windows import read_out


@compiled
def _read(
    grad: Any, hidden: Any, rows: int, m: int, V: Any, c: Any, values: Any, classes: Any, mask: Any, scale: Any
) -> Any:
    """The loss of the last k steps, and its gradient by the readout, zero elsewhere; nothing where k is 0."""
    k, n = len(scale), hidden.shape[2]
    if not k:
        return 0.0
    grad[:] = 0
    _, _, _, _, gV, gc = parts_of(grad, rows, m, n, len(c))
    by_state = np.empty((k, hidden.shape[1], n), hidden.dtype)
    return read_out(hidden[len(hidden) - k :], V, c, values, classes, mask, scale, by_state, gV, gc)


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
    return _read(grad, states[1:], n, m, V, c, values, classes, mask, scale)


@compiled
def gru_states(theta: Any, grad: Any, x: Any, h: Any, values: Any, classes: Any, mask: Any, scale: Any) -> Any:
    """The gated recurrent unit, likewise."""
    T, B, m = x.shape
    n, o = h.shape[1], outputs_of(len(theta), x.shape[2], h.shape[1], 3)
    W, U, b_ih, b_hh, V, c = parts_of(theta, 3 * n, m, n, o)
    states, by_hidden = np.empty((T + 1, B, n), x.dtype), np.empty((1, B, 3 * n), x.dtype)
    by_input, update = np.empty((1, B, n), x.dtype), np.empty((1, B, n), x.dtype)
    states[0] = h
    for t in range(T):
        gru.forward(x[t : t + 1], W, U, b_ih, b_hh, states[t : t + 2], by_hidden, by_input, update)
    h[:] = states[T]
    return _read(grad, states[1:], 3 * n, m, V, c, values, classes, mask, scale)


@compiled
def lstm_states(
    theta: Any, grad: Any, x: Any, h: Any, cell: Any, values: Any, classes: Any, mask: Any, scale: Any
) -> Any:
    """Long short-term memory, likewise."""
    T, B, m = x.shape
    n, o = h.shape[1], outputs_of(len(theta), x.shape[2], h.shape[1], 4)
    W, U, b_ih, b_hh, V, c = parts_of(theta, 4 * n, m, n, o)
    states, cells = np.empty((T + 1, B, n), x.dtype), np.empty((2, B, n), x.dtype)
    slopes, keep, shown = np.empty((1, B, 4 * n), x.dtype), np.empty((1, B, n), x.dtype), np.empty((1, B, n), x.dtype)
    states[0], cells[0] = h, cell
    for t in range(T):
        lstm.forward(x[t : t + 1], W, U, b_ih, b_hh, states[t : t + 2], cells, slopes, keep, shown)
        cells[0] = cells[1]
    h[:], cell[:] = states[T], cells[0]
    return _read(grad, states[1:], 4 * n, m, V, c, values, classes, mask, scale)
