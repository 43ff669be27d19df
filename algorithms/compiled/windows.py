"""A window at once: states, losses, and the gradient of every parameter, as one call for each cell.

Parameters and gradients are vectors in the order of ``network.parameters()``. credit (S, B, n) is what the state after
the window is worth beyond it, the gradient that arrives there, and afterwards the one that leaves by the state before
the window; of a window that nothing arrives at it is empty, (0, B, n).
"""

from typing import Any

import numpy as np

from throughtime.networks.compiled import gru, lstm, rnn
from throughtime.networks.compiled.build import compiled
from throughtime.networks.compiled.products import add_products, times, times_transposed

from .layout import outputs_of, parts_of
from .losses import slopes


@compiled
def read_out(
    states: Any, V: Any, c: Any, back: Any,
    values: Any, classes: Any, mask: Any, scale: Any, by_state: Any, gV: Any, gc: Any,
) -> Any:  # fmt: skip
    """The loss at the states' outputs, and its gradient by the readout and by the states.

    states are the last (k, B, n); by_state (k, B, n), gV and gc are filled.
    """
    k, B, n = states.shape
    o = len(c)
    if not k:
        gV[:], gc[:] = 0, 0
        return 0.0
    hidden, outputs = states.reshape(k * B, n), np.empty((k, B, o), states.dtype)
    flat = outputs.reshape(k * B, o)
    times_transposed(hidden, V, flat)
    flat += c
    loss = slopes(outputs, values, classes, mask, scale)
    add_products(flat, hidden, gV)
    gc[:] = 0
    for r in range(k * B):
        gc += flat[r]
    times(flat, back, by_state.reshape(k * B, n))
    return loss


@compiled
def rnn_window(
    theta: Any, grad: Any, x: Any, h: Any, credit: Any, values: Any, classes: Any, mask: Any, scale: Any
) -> Any:
    """The tanh cell: grad filled, h (B, n) moved to the window's end, and the loss of its last k steps returned."""
    T, B, m = x.shape
    n, k, o = h.shape[1], len(scale), outputs_of(len(theta), x.shape[2], h.shape[1], 1)
    W, U, b_ih, b_hh, V, c = parts_of(theta, n, m, n, o)
    gW, gU, gb_ih, gb_hh, gV, gc = parts_of(grad, n, m, n, o)
    states, delta = np.empty((T + 1, B, n), x.dtype), np.empty((T, B, n), x.dtype)
    states[0] = h
    rnn.forward(x, W, U, b_ih, b_hh, states)
    loss = read_out(states[T + 1 - k :], V, c, V, values, classes, mask, scale, delta[T - k :], gV, gc)
    if len(credit):
        if k:
            delta[T - 1] += credit[0]
        else:
            delta[T - 1] = credit[0]
        rnn.backward(x, U, states, delta, max(k, 1), gW, gU, gb_ih, gb_hh)
        times(delta[0], U, credit[0])
    else:
        rnn.backward(x, U, states, delta, k, gW, gU, gb_ih, gb_hh)
    h[:] = states[T]
    return loss


@compiled
def gru_window(
    theta: Any, grad: Any, x: Any, h: Any, credit: Any, values: Any, classes: Any, mask: Any, scale: Any
) -> Any:
    """The gated recurrent unit, likewise."""
    T, B, m = x.shape
    n, k, o = h.shape[1], len(scale), outputs_of(len(theta), x.shape[2], h.shape[1], 3)
    W, U, b_ih, b_hh, V, c = parts_of(theta, 3 * n, m, n, o)
    gW, gU, gb_ih, gb_hh, gV, gc = parts_of(grad, 3 * n, m, n, o)
    states, by_hidden = np.empty((T + 1, B, n), x.dtype), np.empty((T, B, 3 * n), x.dtype)
    by_input, update = np.empty((T, B, n), x.dtype), np.empty((T, B, n), x.dtype)
    by_state = np.empty((k, B, n), x.dtype)
    states[0] = h
    gru.forward(x, W, U, b_ih, b_hh, states, by_hidden, by_input, update)
    loss = read_out(states[T + 1 - k :], V, c, V, values, classes, mask, scale, by_state, gV, gc)
    gru.backward(x, U, states, by_hidden, by_input, update, by_state, credit, gW, gU, gb_ih, gb_hh)
    h[:] = states[T]
    return loss


@compiled
def lstm_window(
    theta: Any, grad: Any, x: Any, h: Any, cell: Any, credit: Any, values: Any, classes: Any, mask: Any, scale: Any
) -> Any:
    """Long short-term memory, likewise; its second state part (B, n) moves too."""
    T, B, m = x.shape
    n, k, o = h.shape[1], len(scale), outputs_of(len(theta), x.shape[2], h.shape[1], 4)
    W, U, b_ih, b_hh, V, c = parts_of(theta, 4 * n, m, n, o)
    gW, gU, gb_ih, gb_hh, gV, gc = parts_of(grad, 4 * n, m, n, o)
    states, cells = np.empty((T + 1, B, n), x.dtype), np.empty((T + 1, B, n), x.dtype)
    gates, keep, shown = (
        np.empty((T, B, 4 * n), x.dtype),
        np.empty((T, B, n), x.dtype),
        np.empty((T, B, n), x.dtype),
    )
    by_state = np.empty((k, B, n), x.dtype)
    states[0], cells[0] = h, cell
    lstm.forward(x, W, U, b_ih, b_hh, states, cells, gates, keep, shown)
    loss = read_out(states[T + 1 - k :], V, c, V, values, classes, mask, scale, by_state, gV, gc)
    lstm.backward(x, U, states, gates, keep, shown, by_state, credit, gW, gU, gb_ih, gb_hh)
    h[:], cell[:] = states[T], cells[T]
    return loss
