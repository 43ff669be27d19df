"""The one plant that kernels know: a controller in a loop with the pendulum, a window at once.

To the algorithms the loop is one more cell: its state (B, n + 2) is h and the pendulum's angle and speed, its
parameters are W (·, 2), U, b_ih, b_hh, V (1, n) and c (1), and its targets are values (T, B, 3). What an action leads
to is here called its consequence: the pendulum's next position, and the cost. State 0 is the one before a window.
"""

import math
from typing import Any

import numpy as np

from throughtime.networks.compiled import gru, rnn
from throughtime.networks.compiled.build import compiled
from throughtime.networks.compiled.elementwise import tanh
from throughtime.networks.compiled.products import times
from throughtime.tasks.pendulum import GRAVITY, INTERVAL, LENGTH, LIMIT, MASS

from .layout import GRU, NO_BLOCK, RNN, fill_block, parts_of

PULL, PUSH = 3 * GRAVITY / (2 * LENGTH), 3 / (MASS * LENGTH**2)


@compiled
def consequence(h: Any, position: Any, V: Any, c: Any, moved: Any, torque: Any) -> None:
    """From h (B, n) and positions (B, 2) to those after one interval, moved (B, 2), and the torque (B): filled."""
    number = h.dtype.type
    pull, push, interval, limit = number(PULL), number(PUSH), number(INTERVAL), number(LIMIT)
    for b in range(len(h)):
        demand = c[0]
        for i in range(h.shape[1]):
            demand += V[0, i] * h[b, i]
        torque[b] = limit * tanh(demand / limit)
        moved[b, 1] = position[b, 1] + (pull * math.sin(position[b, 0]) + push * torque[b]) * interval
        moved[b, 0] = position[b, 0] + moved[b, 1] * interval


@compiled
def observe(x: Any, moved: Any, position: Any, seen: Any) -> None:
    """The pendulum is where it moved, (B, 2), or is put by x (B, 3); cosine and sine of its angle are seen, (B, 2)."""
    for b in range(len(x)):
        if x[b, 0] > 0:
            position[b] = x[b, 1:]
        else:
            position[b] = moved[b]
        seen[b, 0], seen[b, 1] = math.cos(position[b, 0]), math.sin(position[b, 0])


@compiled
def cost(moved: Any, torques: Any, values: Any, mask: Any, scale: Any, slopes: Any) -> float:
    """The loss Σ_t scale_t Σ_b ℓ_tb of consequences (k, B, 2) and (k, B), and its slopes by them, (k, B, 3): filled."""
    total, number = 0.0, moved.dtype.type
    for t in range(len(moved)):
        factor = number(scale[t])
        for b in range(moved.shape[1]):
            slope, goal = slopes[t, b], values[t, b]
            if mask.shape[0] and not mask[t, b]:
                slope[:] = 0
                continue
            angle, speed, torque = moved[t, b, 0] - goal[0], moved[t, b, 1] - goal[1], torques[t, b] - goal[2]
            half = math.sin(angle / 2)  # 1 − cos φ = 2 sin² (φ / 2), which loses nothing near upright
            total += scale[t] * (4 * half * half + 0.1 * speed * speed + 0.001 * torque * torque)
            slope[0] = factor * number(2) * math.sin(angle)
            slope[1], slope[2] = factor * number(0.2) * speed, factor * number(0.002) * torque
    return total


@compiled
def slopes_of_consequence(angle: Any, torque: Any, number: Any) -> Any:
    """Of the new speed by the angle before; of the torque by the demand. number: the type of both."""
    share = torque / number(LIMIT)
    return number(PULL * INTERVAL) * math.cos(angle), number(1) - share * share


@compiled
def back(to_angle: Any, to_speed: Any, to_torque: Any, angle: Any, torque: Any, number: Any) -> Any:
    """From ∂L/∂ of a consequence to those by the angle and the speed before it, and by the demand for torque."""
    by_angle, by_demand = slopes_of_consequence(angle, torque, number)
    to_speed += to_angle * number(INTERVAL)
    demand = (to_speed * number(PUSH * INTERVAL) + to_torque) * by_demand
    return to_angle + to_speed * by_angle, to_speed, demand


@compiled
def walk_back(
    x: Any, W: Any, U: Any, V: Any, of_input: Any, of_hidden: Any, states: Any, positions: Any, torques: Any,
    by_state: Any, by_gate: Any, slopes: Any, credit: Any, gW: Any, gU: Any, gb_ih: Any, gb_hh: Any, gV: Any, gc: Any,
) -> None:  # fmt: skip
    """Every gradient of a window of T steps is filled; credit (1, B, n + 2), or (0, …), as in `windows`.

    states (T + 1, B, n), positions (T + 1, B, 2), torques (T + 1, B); by_state (T, 1, 1, B, n) and by_gate
    (T, 1, G, B, n) are the cell's derivatives, slopes (T + 1, B, 3) those of the loss by the consequence of each state.
    """
    T, _, G, B, n = by_gate.shape
    delta, demand = np.empty((G, T, B, n), x.dtype), np.empty((T + 1, B), x.dtype)
    seen, through = np.empty((T, B, 2), x.dtype), np.empty((B, n), x.dtype)
    # The gradient by the state's two halves, and by where the action at it led: what the next state began from.
    by_h, by_position, led = np.zeros((B, n), x.dtype), np.zeros((B, 2), x.dtype), np.zeros((B, 2), x.dtype)
    if len(credit):
        by_h[:], by_position[:] = credit[0, :, :n], credit[0, :, n:]
    for t in range(T, -1, -1):
        for b in range(B):
            to_angle, to_speed = slopes[t, b, 0] + led[b, 0], slopes[t, b, 1] + led[b, 1]
            by_angle, by_speed, demand[t, b] = back(
                to_angle, to_speed, slopes[t, b, 2], positions[t, b, 0], torques[t, b], x.dtype.type
            )
            by_position[b, 0] += by_angle
            by_position[b, 1] += by_speed
            for i in range(n):
                by_h[b, i] += demand[t, b] * V[0, i]
        if t == 0:
            break
        for b in range(B):
            cosine, sine = math.cos(positions[t, b, 0]), math.sin(positions[t, b, 0])
            seen[t - 1, b, 0], seen[t - 1, b, 1] = cosine, sine
            for g in range(G):
                d, slope = delta[g, t - 1, b], by_gate[t - 1, 0, g, b]
                for i in range(n):
                    d[i] = by_h[b, i] * slope[i]
                if of_input[g] != NO_BLOCK:
                    rows = W[of_input[g] * n :]
                    for i in range(n):
                        by_position[b, 0] += d[i] * (cosine * rows[i, 1] - sine * rows[i, 0])
            for i in range(n):
                by_h[b, i] *= by_state[t - 1, 0, 0, b, i]
            if x[t - 1, b, 0] > 0:
                led[b] = 0
            else:
                led[b] = by_position[b]
        by_position[:] = 0
        for g in range(G):
            if of_hidden[g] != NO_BLOCK:
                times(delta[g, t - 1], U[of_hidden[g] * n : (of_hidden[g] + 1) * n], through)
                by_h += through
    if len(credit):
        credit[0, :, :n], credit[0, :, n:] = by_h, by_position
    hidden = states[:T].reshape(T * B, n)
    for g in range(G):
        flat = delta[g].reshape(T * B, n)
        fill_block(flat, seen.reshape(T * B, 2), of_input[g], gW, gb_ih)
        fill_block(flat, hidden, of_hidden[g], gU, gb_hh)
    fill_policy(demand, states, gV, gc)


@compiled
def fill_policy(demand: Any, states: Any, gV: Any, gc: Any) -> None:
    """The gradient of the policy, filled, by that of each demand (k, B) for torque, at states (k, B, n)."""
    gV[:], gc[:] = 0, 0
    for t in range(len(demand)):
        for b in range(demand.shape[1]):
            slope = demand[t, b]
            gc[0] += slope
            for i in range(gV.shape[1]):
                gV[0, i] += slope * states[t, b, i]


@compiled
def judge_window(
    states: Any, positions: Any, V: Any, c: Any, moved: Any, torques: Any, values: Any, mask: Any, scale: Any
) -> Any:
    """The loss of the last k steps, and its slopes (T + 1, B, 3), zero at other states; fills the last consequence."""
    T, B, k = len(states) - 1, states.shape[1], len(scale)
    slopes = np.zeros((T + 1, B, 3), states.dtype)
    consequence(states[T], positions[T], V, c, moved[T], torques[T])
    first = T + 1 - k
    return cost(moved[first:], torques[first:], values, mask, scale, slopes[first:]), slopes


@compiled
def rnn_forward(
    x: Any, W: Any, U: Any, b_ih: Any, b_hh: Any, V: Any, c: Any, h: Any, states: Any, positions: Any, moved: Any,
    torques: Any, by_state: Any, by_gate: Any,
) -> None:  # fmt: skip
    """The tanh cell: h (B, n + 2) moved over x (T, B, 3), and all else filled, but for the last consequence."""
    n, seen = states.shape[2], np.empty((x.shape[1], 2), x.dtype)
    states[0], positions[0] = h[:, :n], h[:, n:]
    for t in range(len(x)):
        consequence(states[t], positions[t], V, c, moved[t], torques[t])
        observe(x[t], moved[t], positions[t + 1], seen)
        k = t % len(by_gate)
        rnn.local(seen, W, U, b_ih, b_hh, states[t : t + 1], states[t + 1 : t + 2], by_state[k], by_gate[k])
    h[:, :n], h[:, n:] = states[-1], positions[-1]


@compiled
def gru_forward(
    x: Any, W: Any, U: Any, b_ih: Any, b_hh: Any, V: Any, c: Any, h: Any, states: Any, positions: Any, moved: Any,
    torques: Any, by_state: Any, by_gate: Any,
) -> None:  # fmt: skip
    """The gated recurrent unit, likewise."""
    n, seen = states.shape[2], np.empty((x.shape[1], 2), x.dtype)
    states[0], positions[0] = h[:, :n], h[:, n:]
    for t in range(len(x)):
        consequence(states[t], positions[t], V, c, moved[t], torques[t])
        observe(x[t], moved[t], positions[t + 1], seen)
        k = t % len(by_gate)
        gru.local(seen, W, U, b_ih, b_hh, states[t : t + 1], states[t + 1 : t + 2], by_state[k], by_gate[k])
    h[:, :n], h[:, n:] = states[-1], positions[-1]


@compiled
def room(x: Any, n: int, G: int, kept: int) -> Any:
    """For a window's states, positions, where they moved, and torques; and for φ_s and φ_z of all steps, or of one."""
    (T, B, _), kind = x.shape, x.dtype
    return (
        np.empty((T + 1, B, n), kind), np.empty((T + 1, B, 2), kind), np.empty((T + 1, B, 2), kind),
        np.empty((T + 1, B), kind), np.empty((kept, 1, 1, B, n), kind), np.empty((kept, 1, G, B, n), kind),
    )  # fmt: skip


@compiled
def rnn_window(
    theta: Any, grad: Any, x: Any, h: Any, credit: Any, values: Any, classes: Any, mask: Any, scale: Any
) -> Any:
    """The tanh cell, see `windows.rnn_window`."""
    n = h.shape[1] - 2
    W, U, b_ih, b_hh, V, c = parts_of(theta, n, 2, n, 1)
    gW, gU, gb_ih, gb_hh, gV, gc = parts_of(grad, n, 2, n, 1)
    states, positions, moved, torques, by_state, by_gate = room(x, n, 1, len(x))
    rnn_forward(x, W, U, b_ih, b_hh, V, c, h, states, positions, moved, torques, by_state, by_gate)
    loss, slopes = judge_window(states, positions, V, c, moved, torques, values, mask, scale)
    walk_back(
        x, W, U, V, RNN[0], RNN[1], states, positions, torques, by_state, by_gate, slopes, credit,
        gW, gU, gb_ih, gb_hh, gV, gc,
    )  # fmt: skip
    return loss


@compiled
def gru_window(
    theta: Any, grad: Any, x: Any, h: Any, credit: Any, values: Any, classes: Any, mask: Any, scale: Any
) -> Any:
    """The gated recurrent unit, likewise."""
    n = h.shape[1] - 2
    W, U, b_ih, b_hh, V, c = parts_of(theta, 3 * n, 2, n, 1)
    gW, gU, gb_ih, gb_hh, gV, gc = parts_of(grad, 3 * n, 2, n, 1)
    states, positions, moved, torques, by_state, by_gate = room(x, n, 4, len(x))
    gru_forward(x, W, U, b_ih, b_hh, V, c, h, states, positions, moved, torques, by_state, by_gate)
    loss, slopes = judge_window(states, positions, V, c, moved, torques, values, mask, scale)
    walk_back(
        x, W, U, V, GRU[0], GRU[1], states, positions, torques, by_state, by_gate, slopes, credit,
        gW, gU, gb_ih, gb_hh, gV, gc,
    )  # fmt: skip
    return loss


@compiled
def read(
    grad: Any, rows: int, states: Any, positions: Any, V: Any, c: Any, moved: Any, torques: Any,
    values: Any, mask: Any, scale: Any,
) -> Any:  # fmt: skip
    """The loss of the last k steps, and its gradient by the policy alone, zero elsewhere; nothing where k is 0."""
    k, n = len(scale), states.shape[2]
    if not k:
        return 0.0
    loss, slopes = judge_window(states, positions, V, c, moved, torques, values, mask, scale)
    _, _, _, _, gV, gc = parts_of(grad, rows, 2, n, 1)
    grad[:] = 0
    for t in range(len(states)):
        for b in range(states.shape[1]):
            slope = slopes[t, b]
            torques[t, b] = back(slope[0], slope[1], slope[2], positions[t, b, 0], torques[t, b], states.dtype.type)[2]
    fill_policy(torques, states, gV, gc)
    return loss


@compiled
def rnn_states(theta: Any, grad: Any, x: Any, h: Any, values: Any, classes: Any, mask: Any, scale: Any) -> Any:
    """The tanh cell, see `states.rnn_states`."""
    n = h.shape[1] - 2
    W, U, b_ih, b_hh, V, c = parts_of(theta, n, 2, n, 1)
    states, positions, moved, torques, by_state, by_gate = room(x, n, 1, 1)
    rnn_forward(x, W, U, b_ih, b_hh, V, c, h, states, positions, moved, torques, by_state, by_gate)
    return read(grad, n, states, positions, V, c, moved, torques, values, mask, scale)


@compiled
def gru_states(theta: Any, grad: Any, x: Any, h: Any, values: Any, classes: Any, mask: Any, scale: Any) -> Any:
    """The gated recurrent unit, likewise."""
    n = h.shape[1] - 2
    W, U, b_ih, b_hh, V, c = parts_of(theta, 3 * n, 2, n, 1)
    states, positions, moved, torques, by_state, by_gate = room(x, n, 4, 1)
    gru_forward(x, W, U, b_ih, b_hh, V, c, h, states, positions, moved, torques, by_state, by_gate)
    return read(grad, 3 * n, states, positions, V, c, moved, torques, values, mask, scale)
