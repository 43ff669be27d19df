"""Full BPTT, online(depth) and RTRL as a JAX user writes them: `jax.jit` over `lax.scan`, clipping and Adam by optax.

A whole sequence's updates are one compiled call. A cell is a function of its parameters, a state and an input; the
parameters are a dictionary: W (m, G n), U (n, G n) and b (G n) of the cell, R (n, o) and c (o) of the readout; a GRU
also has a (n), the bias of the candidate's hidden half. The update's optimizer is an argument, so that the check of
the gradients runs the very loop whose time is taken.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from throughtime.networks import Network

from .jitted import Loop, Peer, full, mean_loss, updated

Params = dict[str, Any]


def rnn(p: Params, state: tuple[Any, ...], x: Any) -> tuple[Any, ...]:
    """The tanh RNN's step."""
    return (jnp.tanh(x @ p["W"] + state[0] @ p["U"] + p["b"]),)


def gru(p: Params, state: tuple[Any, ...], x: Any) -> tuple[Any, ...]:
    """The GRU's step."""
    (h,) = state
    from_input, from_hidden = jnp.split(x @ p["W"] + p["b"], 3, axis=-1), jnp.split(h @ p["U"], 3, axis=-1)
    r, u = (jax.nn.sigmoid(from_input[k] + from_hidden[k]) for k in range(2))
    candidate = jnp.tanh(from_input[2] + r * (from_hidden[2] + p["a"]))
    return ((1 - u) * candidate + u * h,)


def lstm(p: Params, state: tuple[Any, ...], x: Any) -> tuple[Any, ...]:
    """The LSTM's step; the state is (h, c)."""
    h, c = state
    i, f, g, o = jnp.split(x @ p["W"] + h @ p["U"] + p["b"], 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


CELLS = {"rnn": rnn, "gru": gru, "lstm": lstm}


def zeros(cell: str, p: Params, batch_size: int) -> tuple[Any, ...]:
    """The state before a sequence."""
    return (jnp.zeros((batch_size, len(p["U"]))),) * (2 if cell == "lstm" else 1)


def full_loss(p: Params, x: Any, y: Any, *, cell: str) -> Any:
    """The mean loss of a sequence."""

    def step(state: tuple[Any, ...], now: Any) -> tuple[tuple[Any, ...], Any]:
        state = CELLS[cell](p, state, now)
        return state, state[0]

    _, hidden = lax.scan(step, zeros(cell, p, x.shape[1]), x)
    return mean_loss(hidden @ p["R"] + p["c"], y)


def online(depth: int, cell: str, optimizer: Any) -> Loop:
    """An update a step, by the step's own loss back through the last `depth` steps, from the state stored there."""

    def window_loss(p: Params, state: tuple[Any, ...], xs: Any, real: Any, y: Any) -> tuple[Any, tuple[Any, ...]]:
        def step(state: tuple[Any, ...], now: tuple[Any, Any]) -> tuple[tuple[Any, ...], None]:
            x, there = now  # before the sequence's first step there is none
            return tuple(
                jnp.where(there, new, old) for new, old in zip(CELLS[cell](p, state, x), state, strict=True)
            ), None

        state, _ = lax.scan(step, state, (xs, real))
        return mean_loss(state[0] @ p["R"] + p["c"], y), state

    def sequence(p: Params, moments: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
        before = jnp.concatenate([jnp.zeros((depth - 1, *x.shape[1:])), x])
        stored = [jnp.zeros((len(x) + depth, *part.shape)) for part in zeros(cell, p, x.shape[1])]

        def step(carry: Any, t: Any) -> tuple[Any, Any]:
            p, moments, stored = carry
            xs, real = lax.dynamic_slice_in_dim(before, t, depth), t + jnp.arange(depth) >= depth - 1
            state = tuple(part[t] for part in stored)  # of `depth` steps ago
            found = jax.value_and_grad(window_loss, has_aux=True)(p, state, xs, real, y[t])
            (value, state), gradient = found
            stored = [part.at[t + depth].set(new) for part, new in zip(stored, state, strict=True)]
            return (*updated(optimizer, gradient, moments, p), stored), value

        (p, moments, _), losses = lax.scan(step, (p, moments, stored), jnp.arange(len(x)))
        return p, moments, losses.mean()

    return sequence


def rtrl(optimizer: Any) -> Loop:
    """An update a step of the tanh RNN, by the influence matrix M = ∂h/∂(W, U, b), (B, n, n (m + n + 1))."""

    def readout_loss(readout: tuple[Any, Any], h: Any, y: Any) -> Any:
        return mean_loss(h @ readout[0] + readout[1], y)

    def sequence(p: Params, moments: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
        (_, batch_size, m), n = x.shape, len(p["U"])

        def step(carry: Any, now: Any) -> tuple[Any, Any]:
            (p, moments, h, M), (xt, yt) = carry, now
            seen = jnp.concatenate([xt, h, jnp.ones((batch_size, 1))], axis=1)
            (h,) = rnn(p, (h,), xt)
            slope = 1 - h * h
            immediate = jnp.einsum("bi,ij,bk->bijk", slope, jnp.eye(n), seen).reshape(M.shape)
            M = jnp.einsum("bij,bjp->bip", slope[:, :, None] * p["U"].T, M) + immediate
            value, (readout, by_h) = jax.value_and_grad(readout_loss, (0, 1))((p["R"], p["c"]), h, yt)
            rows = jnp.einsum("bi,bip->p", by_h, M).reshape(n, m + n + 1)
            gradient = {"W": rows[:, :m].T, "U": rows[:, m:-1].T, "b": rows[:, -1], "R": readout[0], "c": readout[1]}
            return (*updated(optimizer, gradient, moments, p), h, M), value

        start = (p, moments, jnp.zeros((batch_size, n)), jnp.zeros((batch_size, n, n * (m + n + 1))))
        (p, moments, _, _), losses = lax.scan(step, start, (x, y))
        return p, moments, losses.mean()

    return sequence


def jax_peer(algorithm: str, depth: int, network: Network, cell: str) -> Peer:
    """An algorithm by its bare name."""
    loops: dict[str, Callable[[Any], Loop]] = {
        "full": partial(full, partial(full_loss, cell=cell)),
        "online": partial(online, depth, cell),
        "rtrl": rtrl,
    }
    return Peer("JAX", parameters(network, cell), loops[algorithm], named)


def parameters(network: Network, cell: str) -> Params:
    """Those of one of our networks."""
    ours = {name: value.detach().numpy() for name, value in network.named_parameters()}
    n, b, extra = ours["cell.weight_hh_l0"].shape[1], ours["cell.bias_ih_l0"].copy(), ours["cell.bias_hh_l0"]
    summed = 2 * n if cell == "gru" else len(b)
    b[:summed] += extra[:summed]
    arrays = {"W": ours["cell.weight_ih_l0"].T, "U": ours["cell.weight_hh_l0"].T, "b": b}
    arrays |= {"R": ours["readout.weight"].T, "c": ours["readout.bias"]}
    if cell == "gru":
        arrays["a"] = extra[summed:]
    return {name: jnp.array(array) for name, array in arrays.items()}


def named(gradients: Params) -> dict[str, np.ndarray]:
    """Gradients by these parameters under the names of ours."""
    g = {name: np.asarray(value) for name, value in gradients.items()}
    b = g["b"]
    return {
        "cell.weight_ih_l0": g["W"].T,
        "cell.weight_hh_l0": g["U"].T,
        "cell.bias_ih_l0": b,
        "cell.bias_hh_l0": np.concatenate([b[: 2 * len(b) // 3], g["a"]]) if "a" in g else b,
        "readout.weight": g["R"].T,
        "readout.bias": g["c"],
    }
