"""Keras 3's recurrent layers on its JAX backend, with a dense readout and our parameters in them."""

import os
import tempfile
from functools import partial
from typing import Any
from unittest.mock import patch

import jax.numpy as jnp
import numpy as np

from throughtime.networks import Network

from .jitted import Peer, full, mean_loss

with tempfile.TemporaryDirectory() as home, patch.dict(os.environ, KERAS_BACKEND="jax", KERAS_HOME=home):
    import keras  # reads both once, and writes a file into its home

LAYERS = {"rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}


def keras_peer(network: Network, cell: str) -> Peer:
    """Full BPTT.

    Raises:
        RuntimeError: Keras was imported before, with another backend.
    """
    if keras.config.backend() != "jax":
        raise RuntimeError(f"Keras was imported with the backend {keras.config.backend()} in this process")
    ours = {name: value.detach().numpy() for name, value in network.named_parameters()}
    W, U, V = ours["cell.weight_ih_l0"], ours["cell.weight_hh_l0"], ours["readout.weight"]
    layer = LAYERS[cell](U.shape[1], return_sequences=True)
    model = keras.Sequential([keras.Input((None, W.shape[1])), layer, keras.layers.Dense(len(V))])
    biases = ours["cell.bias_ih_l0"], ours["cell.bias_hh_l0"]
    bias = np.stack([swapped(one, cell) for one in biases]) if cell == "gru" else sum(biases)
    model.set_weights([swapped(W.T, cell), swapped(U.T, cell), bias, V.T, ours["readout.bias"]])
    rest = [variable.value for variable in model.non_trainable_variables]

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        return mean_loss(model.stateless_call(parameters, rest, x)[0], y)

    parameters = [jnp.array(variable.value) for variable in model.trainable_variables]
    name = f"keras.layers.{LAYERS[cell].__name__}"
    return Peer(name, parameters, partial(full, loss), partial(named, cell=cell), batch_first=True)


def named(gradients: Any, *, cell: str) -> dict[str, np.ndarray]:
    """Gradients by Keras's parameters under the names of ours."""
    W, U, bias, V, c = (np.asarray(leaf) for leaf in gradients)
    by_input, by_hidden = bias if cell == "gru" else (bias, bias)
    return {
        "cell.weight_ih_l0": swapped(W, cell).T,
        "cell.weight_hh_l0": swapped(U, cell).T,
        "cell.bias_ih_l0": swapped(by_input, cell),
        "cell.bias_hh_l0": swapped(by_hidden, cell),
        "readout.weight": V.T,
        "readout.bias": c,
    }


def swapped(array: np.ndarray, cell: str) -> np.ndarray:
    """A GRU's columns with the first two gates in the other's place: torch's are r, u, n and Keras's u, r, n."""
    if cell != "gru":
        return array
    reset, update, candidate = np.split(array, 3, axis=-1)
    return np.concatenate([update, reset, candidate], axis=-1)
