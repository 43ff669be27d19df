"""Flax's recurrent layers, `flax.nnx.RNN` around its cells, with a linear readout and our parameters in them."""

from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from throughtime.networks import Network

from .jitted import Peer, full, mean_loss

CELLS = {"rnn": nnx.SimpleCell, "gru": nnx.GRUCell, "lstm": nnx.OptimizedLSTMCell}
BIASED = {"rnn": "dense_i", "gru": "dense_i", "lstm": "dense_h"}
"""Which of a cell's two products has the bias. The hidden half of a GRU's candidate has none."""


class Model(nnx.Module):  # type: ignore[misc]
    """A layer and a readout: inputs (T, B, m) to logits (T, B, o)."""

    def __init__(self, cell: str, m: int, n: int, o: int) -> None:
        draws = nnx.Rngs(0)
        self.layer = nnx.RNN(CELLS[cell](m, n, rngs=draws), time_major=True, rngs=draws)
        self.readout = nnx.Linear(n, o, rngs=draws)

    def __call__(self, x: Any) -> Any:
        start = jnp.zeros((x.shape[1], self.readout.in_features))  # else drawn, by a state that jit can't change
        pair = isinstance(self.layer.cell, nnx.OptimizedLSTMCell)
        return self.readout(self.layer(x, initial_carry=(start, start) if pair else start))


def flax_peer(network: Network, cell: str) -> Peer:
    """Full BPTT.

    Raises:
        ValueError: the network's GRU has a bias that Flax's has not.
    """
    ours = {name: value.detach().numpy() for name, value in network.named_parameters()}
    W, U, V = ours["cell.weight_ih_l0"], ours["cell.weight_hh_l0"], ours["readout.weight"]
    n = U.shape[1]
    if cell == "gru" and ours["cell.bias_hh_l0"][2 * n :].any():
        raise ValueError("Flax's GRU has no bias in its candidate's hidden half, and the network's is not zero")
    model = Model(cell, W.shape[1], n, len(V))
    layer, biased = model.layer.cell, getattr(model.layer.cell, BIASED[cell])
    layer.dense_i.kernel[...], layer.dense_h.kernel[...] = jnp.array(W.T), jnp.array(U.T)
    biased.bias[...] = jnp.array(ours["cell.bias_ih_l0"] + ours["cell.bias_hh_l0"])
    model.readout.kernel[...], model.readout.bias[...] = jnp.array(V.T), jnp.array(ours["readout.bias"])
    graph, parameters, rest = nnx.split(model, nnx.Param, ...)

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        return mean_loss(nnx.merge(graph, parameters, rest)(x), y)

    return Peer(f"flax.nnx.{CELLS[cell].__name__}", parameters, partial(full, loss), partial(named, cell=cell))


def named(gradients: Any, *, cell: str) -> dict[str, np.ndarray]:
    """Gradients by Flax's parameters under the names of ours."""
    layer, readout = gradients["layer"]["cell"], gradients["readout"]
    found = {
        "cell.weight_ih_l0": layer["dense_i"]["kernel"],
        "cell.weight_hh_l0": layer["dense_h"]["kernel"],
        "cell.bias_ih_l0": layer[BIASED[cell]]["bias"],
        "readout.weight": readout["kernel"],
        "readout.bias": readout["bias"],
    }
    return {name: np.asarray(value[...]).T for name, value in found.items()}
