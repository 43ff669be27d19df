"""The influence matrix M_t = ∂s_t/∂θ of real-time recurrent learning, carried forward in time.

    M_t = A_t M_{t-1} + ∂s_t/∂θ|immediate,     A_t = ∂s_t/∂s_{t-1}

The gates are folded into A before it meets M, so a step is one batched product (S n × n)(n × P). The immediate term is
sparse: row i of gate g acts on unit i alone, so it is added along a diagonal of M and never built. Two buffers take
turns, and nothing else of M's size is allocated. In a closed loop the state depends on the readout too, ŷ = V h + c:
its columns' immediate term is ∂s_t/∂ŷ_{t-1} · (h_{t-1}, 1). Of a diagonal cell only what is not zero is carried, in
`DiagonalInfluence`; a network without a cell's structure has `DenseInfluence`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from itertools import groupby
from typing import Generic, TypeVar

import torch
from torch import Tensor

from throughtime.networks import (
    Cell,
    ClosedLoop,
    DenseLinearization,
    DiagonalCell,
    DiagonalLinearization,
    Linearization,
    Network,
    State,
)

Local = TypeVar("Local", Linearization, DiagonalLinearization, DenseLinearization)


class Influence(ABC, Generic[Local]):
    """∂s_t/∂θ for all parameters θ that the state depends on, zero at a sequence's start.

    Attributes:
        feedback: (o, n), by which the loss's slopes at the outputs reach the units; None: by the readout's weights.
    """

    feedback: Tensor | None = None

    @abstractmethod
    def copy(self) -> "Influence[Local]":
        """An independent copy."""

    @abstractmethod
    def advance(self, state: State, local: Local) -> None:
        """From M_{t-1} to M_t, by the state before the step and the network's linearization at it."""

    @abstractmethod
    def gradient(self, by_hidden: Tensor) -> Tensor:
        """∂L/∂h_t · ∂h_t/∂θ, summed over the batch: (P,), in the order of the matrix's columns.

        Args:
            by_hidden: ∂L/∂h_t, (B, n).
        """

    @abstractmethod
    def by_name(self, columns: Tensor) -> dict[str, Tensor]:
        """The columns (P,) of a gradient as the parameters that they belong to, by name, each in its shape."""


def make_influence(network: Network, batch_size: int) -> Influence:  # type: ignore[type-arg]
    """The influence matrix that fits the network's linearization."""
    if network.structured:
        assert isinstance(network.cell, Cell)
        return StructuredInfluence(network, network.cell, batch_size)
    if network.diagonal:
        from .diagonal_influence import DiagonalInfluence  # which is derived from `Influence`

        assert isinstance(network.cell, DiagonalCell)
        return DiagonalInfluence(network.cell, batch_size)
    return DenseInfluence(network, batch_size)


class StructuredInfluence(Influence[Linearization]):
    """Of a cell that is an elementwise map of affine pre-activations.

    The columns of a gate are its n rows of weights, each row for what the gate sees: x (m), h (n), and 1 for the bias.
    Of h a sparse cell's row has only those units that its weights are kept for, as many in every row.
    Where an output is fed back, o (n + 1) columns follow: the readout's rows, each for h and 1.

    Attributes:
        matrix: M_t, (B, S n, P).
    """

    def __init__(self, network: Network | None, cell: Cell, batch_size: int) -> None:
        self.cell = cell
        n, m, S = cell.hidden_size, cell.input_size, cell.state_parts
        gates = list(zip(cell.input_blocks, cell.hidden_blocks, strict=True))
        # For each row of U the units whose weights are kept, (blocks, n, k); None: all.
        self.kept = None if cell.mask is None else _places(cell.mask, cell.fan_in).view(-1, n, cell.fan_in)
        k = n if self.kept is None else cell.fan_in
        self.widths = [m * (i is not None) + k * (h is not None) + 1 for i, h in gates]
        # Neighbouring gates that see the same features are one view of the matrix.
        self.groups = [
            (*sees, len(list(same))) for sees, same in groupby((i is not None, h is not None) for i, h in gates)
        ]
        self.outputs = outputs_fed_back(network)
        P = n * sum(self.widths) + self.outputs * (n + 1)
        self.matrix = cell.weight_hh_l0.new_zeros(batch_size, S * n, P)
        self._spare: Tensor | None = None

    def copy(self) -> "StructuredInfluence":
        other = copy(self)
        other.matrix, other._spare = self.matrix.clone(), None
        return other

    @property
    def spare(self) -> Tensor:
        """The buffer that M_{t+1} is to be written to, as `matrix`; `turn` then makes it that."""
        if self._spare is None:
            self._spare = torch.empty_like(self.matrix)
        return self._spare

    def turn(self) -> None:
        """The spare buffer holds the matrix now."""
        self.matrix, self._spare = self.spare, self.matrix

    @torch.no_grad()
    def advance(self, state: State, local: Linearization) -> None:
        n, S = self.cell.hidden_size, self.cell.state_parts
        old, new = self.matrix, self.spare
        seen = torch.cat([local.input, state[0], state[0].new_ones(len(state[0]), 1)], dim=1)
        parts = new.split(n, dim=1)
        if S == 1:
            self.from_hidden(local.transition, old, new, add=False)
        else:
            _, first, *rest = range(S)
            for part, target in enumerate(parts):
                torch.mul(local.by_state[part, first][:, :, None], old[:, first * n : (first + 1) * n], out=target)
                for past in rest:
                    target.addcmul_(local.by_state[part, past][:, :, None], old[:, past * n : (past + 1) * n])
            self.from_hidden(local.transition, old[:, :n], new, add=True)
        for part, target in enumerate(parts):
            self._add_immediate(target, seen, local.by_gate[part])
        if local.by_output is not None:
            columns = new[:, :, -self.outputs * (n + 1) :].unflatten(2, (self.outputs, n + 1))
            columns.addcmul_(local.by_output[:, :, :, None], seen[:, None, None, -1 - n :])
        self.turn()

    def from_hidden(self, transition: Tensor, hidden: Tensor, out: Tensor, *, add: bool) -> None:
        """The old hidden part's influence (B, n, P) by the transition (B, S n, n), into out or added to it."""
        if add:
            out.baddbmm_(transition, hidden)
        else:
            torch.bmm(transition, hidden, out=out)

    def _add_immediate(self, target: Tensor, seen: Tensor, by_gate: Tensor) -> None:
        """target[b, i, (g, i, k)] += φ_z[g, b, i] · seen[b, k]: the diagonal i = i of each gate's columns."""
        n, m = self.cell.hidden_size, self.cell.input_size
        gate, column = 0, 0
        for sees_input, sees_hidden, gates in self.groups:
            if sees_hidden and self.kept is not None:
                features = self._kept_features(seen, range(gate, gate + gates), sees_input)
            else:
                one = seen if sees_hidden else torch.cat([seen[:, :m], seen[:, -1:]], dim=1)
                features = (one if sees_input else one[:, m:])[:, None, :, None]
            width = features.shape[2]
            block = target[:, :, column : column + gates * n * width].unflatten(2, (gates, n, width))
            diagonal = block.diagonal(dim1=1, dim2=3)  # (B, gates, width, n)
            slopes = by_gate[gate : gate + gates].transpose(0, 1)
            diagonal.addcmul_(features, slopes[:, :, None, :])
            gate, column = gate + gates, column + gates * n * width

    def _kept_features(self, seen: Tensor, gates: range, sees_input: bool) -> Tensor:
        """What the rows of some gates of a sparse cell see, each row what it has weights for: (B, gates, width, n)."""
        assert self.kept is not None
        n, m, size = self.cell.hidden_size, self.cell.input_size, len(seen)
        blocks = [block for gate in gates if (block := self.cell.hidden_blocks[gate]) is not None]
        hidden = seen[:, m : m + n][:, self.kept[blocks]].transpose(2, 3)
        ends = [seen[:, :m]] if sees_input else []
        alike = [part[:, None, :, None].expand(size, len(blocks), -1, n) for part in (*ends, seen[:, -1:])]
        return torch.cat([*alike[:-1], hidden, alike[-1]], dim=2)

    @torch.no_grad()
    def gradient(self, by_hidden: Tensor) -> Tensor:
        return torch.bmm(by_hidden[:, None], self.matrix[:, : self.cell.hidden_size]).sum(dim=(0, 1))

    @torch.no_grad()
    def by_name(self, columns: Tensor) -> dict[str, Tensor]:
        n, cell = self.cell.hidden_size, self.cell
        *gates, readout = columns.split([*(n * width for width in self.widths), self.outputs * (n + 1)])
        rows = [gate.view(n, width) for gate, width in zip(gates, self.widths, strict=True)]
        if self.kept is not None:
            rows = [self._spread(row, block) for row, block in zip(rows, cell.hidden_blocks, strict=True)]
        gradient = cell_gradients(cell, rows, mask=None)
        if self.outputs:
            readout = readout.view(self.outputs, n + 1)
            gradient |= {"readout.weight": readout[:, :n], "readout.bias": readout[:, n]}
        return gradient

    def _spread(self, row: Tensor, block: int | None) -> Tensor:
        """A gate's rows with a column for each of the n units, zero where a sparse cell has no weight."""
        if block is None:
            return row
        assert self.kept is not None
        kept = self.kept[block]
        before, hidden, bias = row.split([row.shape[1] - kept.shape[1] - 1, kept.shape[1], 1], dim=1)
        whole = hidden.new_zeros(len(row), self.cell.hidden_size).scatter_(1, kept, hidden)
        return torch.cat([before, whole, bias], dim=1)


def _places(mask: Tensor, number: int) -> Tensor:
    """Of each row of a mask the columns that are true, (rows, number), in order and without a word from the device."""
    return mask.byte().argsort(dim=1, descending=True, stable=True)[:, :number].clone()  # not a view of all columns


def cell_of(network: Network) -> Cell:
    """A structured network's cell."""
    assert isinstance(network.cell, Cell)
    return network.cell


def outputs_fed_back(network: Network | None) -> int:
    """The numbers of the output that is fed back and differentiated; 0 in an open loop: a choice has no derivative."""
    return network.readout.out_features if isinstance(network, ClosedLoop) and not network.symbolic else 0


def cell_gradients(cell: Cell, rows: Sequence[Tensor], mask: Tensor | None) -> dict[str, Tensor]:
    """The gradient of each of a cell's parameters, by name.

    Args:
        cell: whose parameters.
        rows: for each gate the gradient of its n rows of weights, each for what the gate sees: x (m), h (n), 1.
        mask: the cell's, where the rows hold numbers for weights that a sparse cell has not; None: nowhere.
    """
    m, n = cell.input_size, cell.hidden_size
    recurrent = by_block(rows, cell.hidden_blocks, slice(-1 - n, -1))
    return {
        "cell.weight_ih_l0": by_block(rows, cell.input_blocks, slice(m)),
        "cell.weight_hh_l0": recurrent if mask is None else recurrent * mask,
        "cell.bias_ih_l0": by_block(rows, cell.input_blocks, -1),
        "cell.bias_hh_l0": by_block(rows, cell.hidden_blocks, -1),
    }


def by_block(
    of_gates: Sequence[Tensor], blocks: tuple[int | None, ...], columns: slice | int | None = None, *, dim: int = 0
) -> Tensor:
    """What each gate has, or some of its columns, added up for each of a weight's blocks, one behind the other."""
    number = 1 + max(block for block in blocks if block is not None)
    of_block: list[list[Tensor]] = [[] for _ in range(number)]
    for gate, block in zip(of_gates, blocks, strict=True):
        if block is not None:
            of_block[block].append(gate if columns is None else gate[:, columns])
    # A copy even of a single block: no two parameters may share their gradient's memory.
    return torch.cat([sum(gates[1:], gates[0]) for gates in of_block], dim=dim)


class DenseInfluence(Influence[DenseLinearization]):
    """Of any recurrence: (B, D, P) for a state of D numbers and all P parameters of the network."""

    def __init__(self, network: Network, batch_size: int) -> None:
        self.shapes = {name: parameter.shape for name, parameter in network.named_parameters()}
        state = network.initial_state(batch_size)
        size = sum(part.shape[1] for part in state)
        self.matrix = state[0].new_zeros(batch_size, size, sum(shape.numel() for shape in self.shapes.values()))

    def copy(self) -> "DenseInfluence":
        other = copy(self)
        other.matrix = self.matrix.clone()
        return other

    @torch.no_grad()
    def advance(self, state: State, local: DenseLinearization) -> None:
        immediate = torch.cat([local.by_parameters[name] for name in self.shapes], dim=2)
        self.matrix = torch.baddbmm(immediate, local.by_state, self.matrix)

    @torch.no_grad()
    def gradient(self, by_hidden: Tensor) -> Tensor:
        return torch.bmm(by_hidden[:, None], self.matrix[:, : by_hidden.shape[1]]).sum(dim=(0, 1))

    def by_name(self, columns: Tensor) -> dict[str, Tensor]:
        pieces = columns.split([shape.numel() for shape in self.shapes.values()])
        return {name: piece.view(shape) for (name, shape), piece in zip(self.shapes.items(), pieces, strict=True)}
