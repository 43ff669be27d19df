"""Closed loops: a part of the input is the network's own last output, a real number, mixed with the truth.

x (T, B, m + 1) ends with the truth's share α, as `networks.closed_loop.drive` makes it; the o features before it are
the true outputs. The cell's derivatives are kept for every step, φ_s (T, S, S, B, n) and φ_z (T, S, G, B, n), so all
but the step forward is the same for every cell; states are (T + 1, S, B, n), the first of them before the window.
"""

from typing import Any

import numpy as np

from throughtime.networks.compiled import gru, lstm, rnn
from throughtime.networks.compiled.build import compiled
from throughtime.networks.compiled.products import times

from .layout import GRU, LSTM, NO_BLOCK, RNN, fill_block, outputs_of, parts_of
from .states import read_states
from .windows import read_out


@compiled
def mix(x: Any, h: Any, V: Any, c: Any, seen: Any) -> None:
    """What the cell is given, (B, m), filled: from x (B, m + 1) and the hidden state before the step, (B, n).

    Where it is the one or the other it is chosen and not mixed: what is not given must not matter.
    """
    m, o = seen.shape[1], len(c)
    for b in range(len(x)):
        seen[b] = x[b, :m]
        truth = x[b, m]
        if truth == 1:
            continue
        for k in range(o):
            own = c[k]
            for i in range(h.shape[1]):
                own += V[k, i] * h[b, i]
            place = m - o + k
            if truth == 0:
                seen[b, place] = own
            else:
                seen[b, place] = truth * seen[b, place] + (1 - truth) * own


@compiled
def walk_back(
    x: Any, W: Any, U: Any, V: Any, of_input: Any, of_hidden: Any, seen: Any, states: Any, by_state: Any, by_gate: Any,
    by_output: Any, credit: Any, of_theta: Any,
) -> None:  # fmt: skip
    """The gradient of a window: of_theta is gW, gU, gb_ih, gb_hh, filled, and gV, gc, added to.

    by_output (k, B, n) is ∂L/∂h_t by the losses of the last k steps; credit (S, B, n) or (0, B, n) as in `windows`.
    """
    gW, gU, gb_ih, gb_hh, gV, gc = of_theta
    (T, S, G, B, n), m, o = by_gate.shape, seen.shape[2], len(gc)
    first, number = T - len(by_output), x.dtype.type
    delta, through = np.empty((G, T, B, n), x.dtype), np.empty((B, n), x.dtype)
    total, kept = np.zeros((S, B, n), x.dtype), np.empty(S, x.dtype)
    if len(credit):
        total[:] = credit
    hidden = np.empty((T, B, n), x.dtype)
    for t in range(T - 1, -1, -1):
        hidden[t] = states[t, 0]
        if t >= first:
            total[0] += by_output[t - first]
        for b in range(B):
            for i in range(n):
                for g in range(G):
                    slope = number(0)
                    for p in range(S):
                        slope += total[p, b, i] * by_gate[t, p, g, b, i]
                    delta[g, t, b, i] = slope
                for q in range(S):
                    slope = number(0)
                    for p in range(S):
                        slope += total[p, b, i] * by_state[t, p, q, b, i]
                    kept[q] = slope
                for q in range(S):
                    total[q, b, i] = kept[q]
        for g in range(G):
            if of_hidden[g] != NO_BLOCK:
                times(delta[g, t], U[of_hidden[g] * n : (of_hidden[g] + 1) * n], through)
                total[0] += through
        for b in range(B):
            own = number(1) - x[t, b, m]
            if own == 0:
                continue
            for k in range(o):
                slope = number(0)
                for g in range(G):
                    if of_input[g] != NO_BLOCK:
                        for i in range(n):
                            slope += delta[g, t, b, i] * W[of_input[g] * n + i, m - o + k]
                slope *= own
                gc[k] += slope
                for i in range(n):
                    total[0, b, i] += slope * V[k, i]
                    gV[k, i] += slope * hidden[t, b, i]
    if len(credit):
        credit[:] = total
    for g in range(G):
        flat = delta[g].reshape(T * B, n)
        fill_block(flat, seen.reshape(T * B, m), of_input[g], gW, gb_ih)
        fill_block(flat, hidden.reshape(T * B, n), of_hidden[g], gU, gb_hh)


@compiled
def _room(x: Any, n: int, S: int, G: int, kept: int) -> Any:
    """For a window's states, and for what the cell saw, φ_s and φ_z: of all steps, or of the last one."""
    T, B, width = x.shape
    return (
        np.empty((kept, B, width - 1), x.dtype), np.empty((T + 1, S, B, n), x.dtype),
        np.empty((kept, S, S, B, n), x.dtype),
        np.empty((kept, S, G, B, n), x.dtype),
    )  # fmt: skip


@compiled
def _hidden(states: Any) -> Any:
    """h_1 … h_T, (T, B, n), in one piece."""
    T, _, B, n = states.shape
    hidden = np.empty((T - 1, B, n), states.dtype)
    for t in range(T - 1):
        hidden[t] = states[t + 1, 0]
    return hidden


@compiled
def finish(
    theta: Any, grad: Any, rows: int, x: Any, of_input: Any, of_hidden: Any, seen: Any, states: Any, by_state: Any,
    by_gate: Any, credit: Any, values: Any, classes: Any, mask: Any, scale: Any,
) -> Any:  # fmt: skip
    """The loss of a window's last k steps, and the gradient of every parameter, filled."""
    k, n, m = len(scale), states.shape[3], seen.shape[2]
    o = outputs_of(len(theta), m, n, rows // n)
    W, U, _, _, V, c = parts_of(theta, rows, m, n, o)
    of_theta = parts_of(grad, rows, m, n, o)
    hidden = _hidden(states)
    by_output = np.empty((k, x.shape[1], n), x.dtype)
    last = hidden[len(hidden) - k :]
    loss = read_out(last, V, c, V, values, classes, mask, scale, by_output, of_theta[4], of_theta[5])
    walk_back(x, W, U, V, of_input, of_hidden, seen, states, by_state, by_gate, by_output, credit, of_theta)
    return loss


@compiled
def rnn_forward(theta: Any, x: Any, o: int, seen: Any, states: Any, by_state: Any, by_gate: Any) -> None:
    """The tanh cell: all but the first of the states, what it saw, and its derivatives where there is room, filled."""
    n, m = states.shape[3], seen.shape[2]
    W, U, b_ih, b_hh, V, c = parts_of(theta, n, m, n, o)
    for t in range(len(x)):
        k = t % len(seen)
        mix(x[t], states[t, 0], V, c, seen[k])
        rnn.local(seen[k], W, U, b_ih, b_hh, states[t], states[t + 1], by_state[k], by_gate[k])


@compiled
def gru_forward(theta: Any, x: Any, o: int, seen: Any, states: Any, by_state: Any, by_gate: Any) -> None:
    """The gated recurrent unit, likewise."""
    n, m = states.shape[3], seen.shape[2]
    W, U, b_ih, b_hh, V, c = parts_of(theta, 3 * n, m, n, o)
    for t in range(len(x)):
        k = t % len(seen)
        mix(x[t], states[t, 0], V, c, seen[k])
        gru.local(seen[k], W, U, b_ih, b_hh, states[t], states[t + 1], by_state[k], by_gate[k])


@compiled
def lstm_forward(theta: Any, x: Any, o: int, seen: Any, states: Any, by_state: Any, by_gate: Any) -> None:
    """Long short-term memory, likewise."""
    n, m = states.shape[3], seen.shape[2]
    W, U, b_ih, b_hh, V, c = parts_of(theta, 4 * n, m, n, o)
    for t in range(len(x)):
        k = t % len(seen)
        mix(x[t], states[t, 0], V, c, seen[k])
        lstm.local(seen[k], W, U, b_ih, b_hh, states[t], states[t + 1], by_state[k], by_gate[k])


@compiled
def rnn_window(
    theta: Any, grad: Any, x: Any, h: Any, credit: Any, values: Any, classes: Any, mask: Any, scale: Any
) -> Any:
    """The tanh cell, see `windows.rnn_window`."""
    n = h.shape[1]
    seen, states, by_state, by_gate = _room(x, n, 1, 1, len(x))
    states[0, 0] = h
    rnn_forward(theta, x, outputs_of(len(theta), seen.shape[2], n, 1), seen, states, by_state, by_gate)
    h[:] = states[-1, 0]
    return finish(
        theta, grad, n, x, RNN[0], RNN[1], seen, states, by_state, by_gate, credit, values, classes, mask, scale
    )  # fmt: skip


@compiled
def gru_window(
    theta: Any, grad: Any, x: Any, h: Any, credit: Any, values: Any, classes: Any, mask: Any, scale: Any
) -> Any:
    """The gated recurrent unit, likewise."""
    n = h.shape[1]
    seen, states, by_state, by_gate = _room(x, n, 1, 4, len(x))
    states[0, 0] = h
    gru_forward(theta, x, outputs_of(len(theta), seen.shape[2], n, 3), seen, states, by_state, by_gate)
    h[:] = states[-1, 0]
    return finish(
        theta, grad, 3 * n, x, GRU[0], GRU[1], seen, states, by_state, by_gate, credit, values, classes, mask, scale
    )  # fmt: skip


@compiled
def lstm_window(
    theta: Any, grad: Any, x: Any, h: Any, cell: Any, credit: Any, values: Any, classes: Any, mask: Any, scale: Any
) -> Any:
    """Long short-term memory, likewise."""
    n = h.shape[1]
    seen, states, by_state, by_gate = _room(x, n, 2, 4, len(x))
    states[0, 0], states[0, 1] = h, cell
    lstm_forward(theta, x, outputs_of(len(theta), seen.shape[2], n, 4), seen, states, by_state, by_gate)
    h[:], cell[:] = states[-1, 0], states[-1, 1]
    return finish(
        theta, grad, 4 * n, x, LSTM[0], LSTM[1], seen, states, by_state, by_gate, credit, values, classes, mask, scale
    )  # fmt: skip


@compiled
def rnn_states(theta: Any, grad: Any, x: Any, h: Any, values: Any, classes: Any, mask: Any, scale: Any) -> Any:
    """The tanh cell, see `states.rnn_states`."""
    n = h.shape[1]
    seen, states, by_state, by_gate = _room(x, n, 1, 1, 1)
    states[0, 0] = h
    m, o = seen.shape[2], outputs_of(len(theta), seen.shape[2], n, 1)
    rnn_forward(theta, x, o, seen, states, by_state, by_gate)
    h[:] = states[-1, 0]
    _, _, _, _, V, c = parts_of(theta, n, m, n, o)
    return read_states(grad, _hidden(states), n, m, V, c, values, classes, mask, scale)


@compiled
def gru_states(theta: Any, grad: Any, x: Any, h: Any, values: Any, classes: Any, mask: Any, scale: Any) -> Any:
    """The gated recurrent unit, likewise."""
    n = h.shape[1]
    seen, states, by_state, by_gate = _room(x, n, 1, 4, 1)
    states[0, 0] = h
    m, o = seen.shape[2], outputs_of(len(theta), seen.shape[2], n, 3)
    gru_forward(theta, x, o, seen, states, by_state, by_gate)
    h[:] = states[-1, 0]
    _, _, _, _, V, c = parts_of(theta, 3 * n, m, n, o)
    return read_states(grad, _hidden(states), 3 * n, m, V, c, values, classes, mask, scale)


@compiled
def lstm_states(
    theta: Any, grad: Any, x: Any, h: Any, cell: Any, values: Any, classes: Any, mask: Any, scale: Any
) -> Any:
    """Long short-term memory, likewise."""
    n = h.shape[1]
    seen, states, by_state, by_gate = _room(x, n, 2, 4, 1)
    states[0, 0], states[0, 1] = h, cell
    m, o = seen.shape[2], outputs_of(len(theta), seen.shape[2], n, 4)
    lstm_forward(theta, x, o, seen, states, by_state, by_gate)
    h[:], cell[:] = states[-1, 0], states[-1, 1]
    _, _, _, _, V, c = parts_of(theta, 4 * n, m, n, o)
    return read_states(grad, _hidden(states), 4 * n, m, V, c, values, classes, mask, scale)
