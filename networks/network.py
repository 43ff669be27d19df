"""A network: a recurrent cell and a linear readout of its hidden state.

y_t = V h_t + c
"""

import math

import torch
from torch import Tensor, nn

from throughtime.parts.errors import BadInput
from throughtime.parts.registry import Registry

from .base import Cell, Linearization, Recurrent, State
from .dense import DenseLinearization, linearize_densely

CELLS: Registry[Cell] = Registry(
    "cell",
    Cell,  # type: ignore[type-abstract]
    "throughtime.networks",
    group="throughtime.cells",
)


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

    @property
    def structured(self) -> bool:
        """Whether `linearize` returns a cell's structured Jacobians; if not, dense ones of the whole state."""
        return isinstance(self.cell, Cell)

    def initial_state(self, batch_size: int) -> State:
        """The state before a sequence: zeros, S tensors (batch_size, n)."""
        return self.cell.initial_state(batch_size)

    def unroll(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """A whole window, differentiable: inputs (T, B, m) to outputs (T, B, o) and the state after it."""
        hidden, state = self.hidden(inputs, state)
        return self.readout(hidden), state

    def hidden(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """As `unroll`, but the hidden states (T, B, n) in place of the outputs."""
        return self.cell.unroll(inputs, state or self.initial_state(inputs.shape[1]))

    def step(self, input: Tensor, state: State) -> State:
        """One step, differentiable by autograd: input (B, m), the new state returned; `readout` gives its output."""
        return self.cell.step(input, state)

    def linearize(self, input: Tensor, state: State) -> Linearization | DenseLinearization:
        """One step with its local Jacobians, for forward-mode algorithms: a `Cell`'s structured ones, or dense ones."""
        if isinstance(self.cell, Cell):
            return self.cell.linearize(input, state)
        return linearize_densely(self, input, state)


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
        cell: ``"rnn"``, ``"lstm"``, ``"gru"``.
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
    made = CELLS.get(cell)(input_size, hidden_size, generator=generator, dtype=dtype)
    # Without skip_init the layer would first draw from torch's global generator.
    readout = nn.utils.skip_init(nn.Linear, hidden_size, output_size, dtype=dtype)
    bound = 1 / math.sqrt(hidden_size)
    with torch.no_grad():
        for parameter in readout.parameters():
            draw = torch.empty(parameter.shape, dtype=torch.float64).uniform_(-bound, bound, generator=generator)
            parameter.copy_(draw)
    return Network(made, readout).to(device)
