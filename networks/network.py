"""A network: a recurrent cell and a linear readout of its hidden state.

y_t = V h_t + c
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from throughtime.parts.defaults import fresh_defaults
from throughtime.parts.errors import BadInput

from .base import Cell, Linearization, Recurrent, State
from .dense import DenseLinearization, linearize_densely
from .diagonal import DiagonalCell, DiagonalLinearization
from .flat import flatten
from .registry import CELLS
from .shortcuts import overtaken, step_by_step


class Network(nn.Module):
    """What every algorithm trains. Parameters are named ``cell.weight_hh_l0``, ``readout.weight``, and so on.

    Args:
        cell: the recurrent cell.
        readout: the map from the hidden state (B, n) to the output (B, o), linear but where a task brings its own.
    """

    def __init__(self, cell: Recurrent, readout: nn.Module) -> None:
        super().__init__()
        self.cell = cell
        self.readout = readout

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Of a subclass with another step a window is its steps, and a step's Jacobians are dense, unless it has both
        of its own.
        """
        super().__init_subclass__(**kwargs)
        if overtaken(cls, "input_sizes", "step", "hidden"):
            cls.input_sizes = property(lambda self: ())  # type: ignore[assignment, method-assign]
        if overtaken(cls, "hidden", "step"):
            cls.hidden = _hidden_step_by_step  # type: ignore[method-assign]
        if overtaken(cls, "linearize", "step"):
            cls.linearize = linearize_densely  # type: ignore[method-assign, assignment]
            cls.structured = property(lambda self: False)  # type: ignore[assignment, method-assign]
            cls.diagonal = property(lambda self: False)  # type: ignore[assignment, method-assign]

    @property
    def input_sizes(self) -> tuple[int, ...]:
        """The features that a step's input may have; empty where what is put around the cell alone knows."""
        return (self.cell.input_size,)

    def check(self, inputs: Tensor, state: State | None = None) -> None:
        """`BadInput` says what is wrong with a window's inputs, or the state before it, if their sizes don't fit."""
        sizes = self.input_sizes
        if inputs.dim() != 3 or 0 in inputs.shape[:2] or (sizes and inputs.shape[2] not in sizes):
            features = " or ".join(map(str, sizes)) or "m"
            raise BadInput(
                f"a window's inputs are (T, B, m), time first: one step and one sequence or more, {features} features; "
                f"got {tuple(inputs.shape)}"
            )
        if state is not None and any(len(part) != inputs.shape[1] for part in state):
            raise BadInput(
                f"the state before the window is of {len(state[0])} sequences and the inputs (T, B, m) of B = "
                f"{inputs.shape[1]}, {tuple(inputs.shape)}: a stream keeps its batch size; leave a smaller last batch "
                f"out, or begin anew without a state or carry"
            )

    @property
    def structured(self) -> bool:
        """Whether `linearize` returns the structured Jacobians of a `Cell`."""
        return isinstance(self.cell, Cell) and self.cell.structured

    @property
    def diagonal(self) -> bool:
        """Whether it returns those of a `DiagonalCell`; if neither, dense ones of the whole state."""
        return isinstance(self.cell, DiagonalCell) and self.cell.structured

    def initial_state(self, batch_size: int) -> State:
        """The state before a sequence: zeros, S tensors (batch_size, n)."""
        return self.cell.initial_state(batch_size)

    def unroll(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """A whole window, differentiable: inputs (T, B, m) to outputs (T, B, o) and the state after it."""
        hidden, state = self.hidden(inputs, state)
        return self.readout(hidden), state

    def hidden(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """As `unroll`, but the hidden states (T, B, n) in place of the outputs."""
        self.check(inputs, state)
        return self.cell.unroll(inputs, state or self.initial_state(inputs.shape[1]))

    def step(self, input: Tensor, state: State) -> State:
        """One step, differentiable by autograd: input (B, m), the new state returned; `readout` gives its output."""
        return self.cell.step(input, state)

    def linearize(self, input: Tensor, state: State) -> Linearization | DiagonalLinearization | DenseLinearization:
        """One step with its local Jacobians, for forward-mode algorithms: in the cell's structure, or dense ones."""
        if isinstance(self.cell, Cell | DiagonalCell) and self.cell.structured:
            return self.cell.linearize(input, state)
        return linearize_densely(self, input, state)


def _hidden_step_by_step(self: Network, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """`Network.hidden` of a subclass with another step."""
    self.check(inputs, state)
    return step_by_step(self, inputs, state or self.initial_state(inputs.shape[1]))


@fresh_defaults()
def make_network(
    cell: str,
    *,
    input_size: int,
    hidden_size: int,
    output_size: int,
    seed: int,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
) -> Network:
    """A network whose parameters depend on the seed and the sizes alone.

    Args:
        cell: a spec: ``"rnn"``, ``"leaky(leak=0.1)"``, ``"gru(layers=2)"``.
        input_size: m.
        hidden_size: n.
        output_size: o.
        seed: the initial parameters' seed; float32 and float64 networks start from the same numbers.
        dtype: of all parameters.
        device: where the parameters live; they are drawn on the CPU, so every device starts alike.

    >>> make_network("lstm", input_size=2, hidden_size=8, output_size=1, seed=0).cell.weight_hh_l0.shape
    torch.Size([32, 8])
    """
    for name, size in (("input_size", input_size), ("hidden_size", hidden_size), ("output_size", output_size)):
        if size < 1:
            raise BadInput(f"{name} must be at least 1, got {size}")
    generator = torch.Generator().manual_seed(seed)
    made = CELLS.maker(cell)(input_size, hidden_size, generator=generator, dtype=dtype)
    # Without skip_init the layer would first draw from torch's global generator.
    readout = nn.utils.skip_init(nn.Linear, hidden_size, output_size, dtype=dtype)
    bound = 1 / math.sqrt(hidden_size)
    with torch.no_grad():
        for parameter in readout.parameters():
            draw = torch.empty(parameter.shape, dtype=torch.float64).uniform_(-bound, bound, generator=generator)
            parameter.copy_(draw)
    network = Network(made, readout).to(device)
    flatten(network)
    return network
