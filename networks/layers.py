"""Cells on top of each other: the second is given the first one's hidden state of the same step, and so on.

Parameters are named as torch.nn names a recurrent layer's, ``weight_ih_l0``, ``weight_ih_l1``, …, so that a state_dict
of ``torch.nn.LSTM(num_layers=2)`` loads. No dropout.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from .base import AnyCell, State


class Stacked(AnyCell):
    """Layers of cells as one recurrence, whose local Jacobians are dense: an upper layer sees all of a lower one.

    The state has the parts of every layer, those of the last layer first, for part 0 is what the readout sees.

    Args:
        layers: from the one that is given the inputs to the one that the readout sees. Their parameters and buffers
            become this module's; they themselves are left without, but in a block of `layers`.
    """

    def __init__(self, layers: Sequence[AnyCell]) -> None:
        super().__init__()
        self.input_size, self.hidden_size = layers[0].input_size, layers[-1].hidden_size
        self.parts = [layer.state_parts for layer in layers]
        self.state_parts = sum(self.parts)
        self._layers = tuple(layers)  # in a tuple torch does not take them for children, whose names would be longer
        self._places: list[tuple[dict[str, Any], str, str]] = []
        for number, layer in enumerate(layers):
            for path, module in layer.named_modules():
                for store in (module._parameters, module._buffers):
                    for name in [name for name, value in store.items() if value is not None]:
                        self._adopt(store, name, _renamed(path, name, number))

    def _adopt(self, store: dict[str, Any], name: str, here: str) -> None:
        """Take one of a layer's tensors."""
        value = store[name]
        if isinstance(value, nn.Parameter):
            self.register_parameter(here, value)
        else:
            self.register_buffer(here, value)
        self._places.append((store, name, here))
        store[name] = None

    @contextmanager
    def layers(self) -> Iterator[tuple[AnyCell, ...]]:
        """In this block the layers are cells of their own, with this module's parameters as they are now.

        They are looked up anew each time: torch.func puts others in their place.
        """
        for store, name, here in self._places:
            store[name] = getattr(self, here)
        for layer in self._layers:
            for module in layer.modules():
                module.training = self.training
        try:
            yield self._layers
        finally:
            for store, name, _ in self._places:
                store[name] = None

    def by_layer(self, state: State) -> list[State]:
        """Each layer's state, the first layer's first."""
        found, end = [], len(state)
        for parts in self.parts:
            found.append(tuple(state[end - parts : end]))
            end -= parts
        return found

    def joined(self, states: Sequence[State]) -> State:
        """The state made of each layer's, the first layer's first."""
        return tuple(part for state in reversed(states) for part in state)

    def initial_state(self, batch_size: int) -> State:
        """Each layer's own."""
        with self.layers() as layers:
            return self.joined([layer.initial_state(batch_size) for layer in layers])

    def step(self, input: Tensor, state: State) -> State:
        """One step of every layer."""
        seen, states = input, []
        with self.layers() as layers:
            for layer, old in zip(layers, self.by_layer(state), strict=True):
                states.append(layer.step(seen, old))
                seen = states[-1][0]
        return self.joined(states)

    def unroll(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """The whole window layer by layer, each by the fastest kernel that it has."""
        states = []
        with self.layers() as layers:
            for layer, old in zip(layers, self.by_layer(state), strict=True):
                inputs, new = layer.unroll(inputs, old)
                states.append(new)
        return inputs, self.joined(states)

    @staticmethod
    def name_of(name: str, number: int) -> str:
        """What a parameter of a network's cell is called where the cell is layer `number`: ``cell.weight_hh_l1``."""
        return f"cell.{_renamed('', name.removeprefix('cell.'), number)}"


def _renamed(path: str, name: str, number: int) -> str:
    """``weight_hh_l0`` of layer 1 is ``weight_hh_l1``; a name without a layer's number is given one, but in layer 0."""
    whole = f"{path}.{name}".strip(".").replace(".", "_")
    if whole.endswith("_l0"):
        return f"{whole.removesuffix('_l0')}_l{number}"
    return f"{whole}_l{number}" if number else whole
