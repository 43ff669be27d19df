"""One step of real-time recurrent learning in a loop with the pendulum: names as in `pendulum`, more in `rtrl`."""

import math
from typing import Any

import numpy as np

from throughtime.networks.compiled.build import compiled
from throughtime.networks.compiled.products import by_tiles
from throughtime.tasks.pendulum import INTERVAL

from .layout import GRU, NO_BLOCK, RNN, parts_of
from .pendulum import PUSH, back, gru_forward, judge_window, rnn_forward, room, slopes_of_consequence


@compiled
def advance(
    x: Any, W: Any, U: Any, V: Any, of_input: Any, of_hidden: Any, states: Any, positions: Any, torques: Any,
    by_state: Any, by_gate: Any, matrix: Any,
) -> None:  # fmt: skip
    """One step of RTRL: from M_{t-1}ᵀ (B, P, n + 2) to M_tᵀ in place, the parameters in their order."""
    _, _, G, B, n = by_gate.shape
    D, rows = n + 2, len(W)
    angle, speed = n, n + 1
    start_U = 2 * rows
    start_ih = start_U + rows * n
    start_hh, start_V = start_ih + rows, start_ih + 2 * rows
    number = x.dtype.type
    interval, push = number(INTERVAL), number(PUSH * INTERVAL)
    moves = np.zeros((2, D), x.dtype)  # ∂ of the new angle and speed by the old state
    transition, kept = np.empty((D, D), x.dtype), np.empty((matrix.shape[1], D), x.dtype)
    by_angle = np.empty(n, x.dtype)  # of the units, by the new angle that they see
    for b in range(B):
        now = matrix[b]
        free = not x[0, b, 0] > 0  # of NaN, too
        moves[:] = 0
        step = number(0)
        if free:
            pulled, by_demand = slopes_of_consequence(positions[0, b, 0], torques[0, b], number)
            step = push * by_demand
            for i in range(n):
                moves[1, i] = step * V[0, i]
            moves[1, angle], moves[1, speed] = pulled, 1
            moves[0] = moves[1] * interval
            moves[0, angle] += 1
        cosine, sine = math.cos(positions[1, b, 0]), math.sin(positions[1, b, 0])
        by_angle[:], transition[:] = 0, 0
        for g in range(G):
            slopes = by_gate[0, 0, g, b]
            for i in range(n):
                if of_input[g] != NO_BLOCK:
                    row = W[of_input[g] * n + i]
                    by_angle[i] += slopes[i] * (cosine * row[1] - sine * row[0])
                if of_hidden[g] != NO_BLOCK:
                    row = U[of_hidden[g] * n + i]
                    for j in range(n):
                        transition[j, i] += slopes[i] * row[j]
        for j in range(D):
            for i in range(n):
                transition[j, i] += by_angle[i] * moves[0, j]
            transition[j, angle], transition[j, speed] = moves[0, j], moves[1, j]
        for i in range(n):
            transition[i, i] += by_state[0, 0, 0, b, i]
        kept[:] = now
        by_tiles(kept, transition, now)
        for g in range(G):
            slopes = by_gate[0, 0, g, b]
            for i in range(n):
                if of_input[g] != NO_BLOCK:
                    k = of_input[g] * n + i
                    now[2 * k, i] += slopes[i] * cosine
                    now[2 * k + 1, i] += slopes[i] * sine
                    now[start_ih + k, i] += slopes[i]
                if of_hidden[g] != NO_BLOCK:
                    k = of_hidden[g] * n + i
                    for j in range(n):
                        now[start_U + k * n + j, i] += slopes[i] * states[0, b, j]
                    now[start_hh + k, i] += slopes[i]
        if free:  # by the policy: the demand for torque, and all that came of it
            for j in range(n + 1):
                feature = step * (states[0, b, j] if j < n else number(1))
                row = now[start_V + j]
                row[speed] += feature
                row[angle] += feature * interval
                for i in range(n):
                    row[i] += feature * interval * by_angle[i]


@compiled
def credit_step(
    grad: Any, rows: int, V: Any, c: Any, states: Any, positions: Any, moved: Any, torques: Any, matrix: Any,
    values: Any, mask: Any, scale: Any,
) -> Any:  # fmt: skip
    """A step's loss; its gradient ∂L/∂s_t · M_t, and the policy's own part, are added to grad."""
    if not len(scale):
        return 0.0
    loss, slopes = judge_window(states, positions, V, c, moved, torques, values, mask, scale)
    n = states.shape[2]
    _, _, _, _, gV, gc = parts_of(grad, rows, 2, n, 1)
    by_state, number = np.empty(n + 2, states.dtype), states.dtype.type
    for b in range(len(matrix)):
        slope = slopes[1, b]
        by_state[n], by_state[n + 1], demand = back(
            slope[0], slope[1], slope[2], positions[1, b, 0], torques[1, b], number
        )
        for i in range(n):
            by_state[i] = demand * V[0, i]
            gV[0, i] += demand * states[1, b, i]
        gc[0] += demand
        for p in range(len(grad)):
            row, total = matrix[b, p], number(0)
            for i in range(n + 2):
                total += row[i] * by_state[i]
            grad[p] += total
    return loss


@compiled
def rnn_step(
    theta: Any, grad: Any, x: Any, old: Any, new: Any, matrix: Any, values: Any, classes: Any, mask: Any, scale: Any
) -> Any:
    """The tanh cell: old to new states (1, B, n + 2), matrix (B, P, n + 2) in place; see `rtrl.rnn_step`."""
    B, n = len(x), old.shape[2] - 2
    W, U, b_ih, b_hh, V, c = parts_of(theta, n, 2, n, 1)
    window = x.reshape(1, B, 3)
    states, positions, moved, torques, by_state, by_gate = room(window, n, 1, 1)
    new[:] = old
    rnn_forward(window, W, U, b_ih, b_hh, V, c, new[0], states, positions, moved, torques, by_state, by_gate)
    advance(window, W, U, V, RNN[0], RNN[1], states, positions, torques, by_state, by_gate, matrix)
    return credit_step(grad, n, V, c, states, positions, moved, torques, matrix, values, mask, scale)


@compiled
def gru_step(
    theta: Any, grad: Any, x: Any, old: Any, new: Any, matrix: Any, values: Any, classes: Any, mask: Any, scale: Any
) -> Any:
    """The gated recurrent unit, likewise."""
    B, n = len(x), old.shape[2] - 2
    W, U, b_ih, b_hh, V, c = parts_of(theta, 3 * n, 2, n, 1)
    window = x.reshape(1, B, 3)
    states, positions, moved, torques, by_state, by_gate = room(window, n, 4, 1)
    new[:] = old
    gru_forward(window, W, U, b_ih, b_hh, V, c, new[0], states, positions, moved, torques, by_state, by_gate)
    advance(window, W, U, V, GRU[0], GRU[1], states, positions, torques, by_state, by_gate, matrix)
    return credit_step(grad, 3 * n, V, c, states, positions, moved, torques, matrix, values, mask, scale)
