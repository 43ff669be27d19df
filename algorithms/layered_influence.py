"""The influence of stacked layers, block by block: a layer's parameters act on itself and on the layers above alone.

    M^{l,l}_t = A^l_t M^{l,l}_{t-1} + immediate
    M^{l,k}_t = A^l_t M^{l,k}_{t-1} + ∂s^l_t/∂h^{l-1}_t · (∂h^{l-1}_t/∂θ^k),     k < l

M^{l,k} = ∂s^l/∂θ^k. A layer's own block has the structure of its cell, and all that is handed on comes from the layers'
local Jacobians: nothing of it is taken by automatic differentiation.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from throughtime.networks import (
    AnyCell,
    Cell,
    ClosedLoop,
    DiagonalCell,
    DiagonalLinearization,
    Linearization,
    Network,
    Stacked,
    State,
)

from .diagonal_influence import DiagonalInfluence
from .influence import Influence, StructuredInfluence


@dataclass(frozen=True)
class LayeredLinearization:
    """One step of stacked layers and the local Jacobians of each, all detached; the first layer's first.

    Attributes:
        layers: each layer's own.
        state: the state after the step, of all layers.
    """

    layers: list[Linearization | DiagonalLinearization]
    state: State


class Layered(Network):
    """A network whose steps are linearized layer by layer."""

    def linearize(self, input: Tensor, state: State) -> Any:
        """One step with each layer's local Jacobians, a `LayeredLinearization`."""
        return _linearize(stack_of(self), input, state)


class LayeredLoop(ClosedLoop):
    """A closed loop whose steps are linearized layer by layer, its own output taken as given."""

    def linearize(self, input: Tensor, state: State) -> Any:
        """One step with each layer's local Jacobians, a `LayeredLinearization`."""
        with torch.no_grad():
            return _linearize(stack_of(self), self.seen(input, state[0]), state)


def stack_of(network: Network) -> Stacked:
    """A network's layers."""
    assert isinstance(network.cell, Stacked)
    return network.cell


def layer_by_layer(network: Network) -> Network:
    """The same network with the same parameters, to be linearized layer by layer; itself where that can't be done."""
    if isinstance(network.cell, Stacked) and not unlayered(network):
        if isinstance(network, ClosedLoop):
            return LayeredLoop(network.cell, network.readout, symbolic=network.symbolic)
        return Layered(network.cell, network.readout)
    return network


def unlayered(network: Network) -> str:
    """Why a network of stacked layers can't be linearized layer by layer; empty where it can."""
    if type(network) not in (Network, ClosedLoop):
        name = type(network).__name__
        return f"{name} may have a start or a step of its own around the layers, whose credit can't be told apart"
    with stack_of(network).layers() as layers:
        strange = [type(one).__name__ for one in layers if not one.structured]
    return f"{strange[0]} has a step of its own: its Jacobians are dense, and rtrl is as cheap" if strange else ""


class LayerwiseInfluence(Influence[Any]):
    """Each layer's own block alone; credit goes down through the layers of one step.

    Attributes:
        own: M^{l,l}, the first layer's first.
    """

    def __init__(self, cell: Stacked, batch_size: int) -> None:
        self.cell = cell
        with cell.layers() as layers:
            self.own = [_influence(layer, batch_size) for layer in layers]
        self._step: list[Linearization | DiagonalLinearization] = []

    def copy(self) -> "LayerwiseInfluence":
        other = copy(self)
        other.own = [one.copy() for one in self.own]
        return other

    @torch.no_grad()
    def advance(self, state: State, local: LayeredLinearization) -> None:
        for influence, old, one in zip(self.own, self.cell.by_layer(state), local.layers, strict=True):
            influence.advance(old, one)  # type: ignore[arg-type]  # a layer's influence is of its own kind
        self._step = local.layers

    @torch.no_grad()
    def gradient(self, by_hidden: Tensor) -> Tensor:
        columns = []
        with self.cell.layers() as layers:
            for layer, influence, local in reversed(list(zip(layers, self.own, self._step, strict=True))):
                columns.append(influence.gradient(by_hidden))
                if layer is not layers[0]:
                    by_hidden = _down(layer, local.by_gate, by_hidden)
        self._step = []  # a carry has no use for it
        return torch.cat(columns[::-1])

    def by_name(self, columns: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for number, (one, piece) in enumerate(zip(self.own, columns.split(list(map(_width, self.own))), strict=True)):
            found |= {self.cell.name_of(name, number): value for name, value in one.by_name(piece).items()}
        return found


class StackedInfluence(LayerwiseInfluence):
    """All blocks.

    Attributes:
        lower: of each layer but the first the influence of all layers below on it, (B, D, P) for their P columns.
    """

    def __init__(self, cell: Stacked, batch_size: int) -> None:
        super().__init__(cell, batch_size)
        _, *upper = cell.by_layer(cell.initial_state(batch_size))
        ends = accumulate(map(_width, self.own[:-1]))
        self.lower = [
            parts[0].new_zeros(batch_size, sum(part.shape[1] for part in parts), end)
            for parts, end in zip(upper, ends, strict=True)
        ]

    def copy(self) -> "StackedInfluence":
        return super().copy()  # type: ignore[return-value]  # whose blocks are replaced and never written to

    @torch.no_grad()
    def advance(self, state: State, local: LayeredLinearization) -> None:
        super().advance(state, local)
        self._step = []
        lower: list[Tensor] = []
        with self.cell.layers() as (_, *upper):
            for layer, old, below, one in zip(upper, self.lower, self.own[:-1], local.layers[1:], strict=True):
                by_input = _by_input(layer, one.by_gate)
                handed = [_handed(by_input, below)]
                if lower:
                    handed.insert(0, torch.bmm(by_input, lower[-1][:, : by_input.shape[2]]))
                lower.append(_moved(one, old).add_(torch.cat(handed, dim=2)))
        self.lower = lower

    @torch.no_grad()
    def gradient(self, by_hidden: Tensor) -> Tensor:
        n = by_hidden.shape[1]
        from_lower = [torch.bmm(by_hidden[:, None], last[:, :n]).sum(dim=(0, 1)) for last in self.lower[-1:]]
        return torch.cat([*from_lower, self.own[-1].gradient(by_hidden)])


def _influence(layer: AnyCell, batch_size: int) -> StructuredInfluence | DiagonalInfluence:
    if isinstance(layer, DiagonalCell):
        return DiagonalInfluence(layer, batch_size)
    assert isinstance(layer, Cell)
    return StructuredInfluence(None, layer, batch_size)


def _width(influence: StructuredInfluence | DiagonalInfluence) -> int:
    """The columns of a layer's own parameters."""
    return influence.matrix.shape[2:].numel()


@torch.no_grad()
def _linearize(cell: Stacked, x: Tensor, state: State) -> LayeredLinearization:
    found: list[Linearization | DiagonalLinearization] = []
    with cell.layers() as layers:
        for layer, old in zip(layers, cell.by_layer(state), strict=True):
            assert isinstance(layer, Cell | DiagonalCell)
            found.append(layer.linearize(x, old))
            x = found[-1].state[0]
    return LayeredLinearization(found, cell.joined([one.state for one in found]))


def _seeing_gates(layer: AnyCell) -> tuple[list[int], list[Tensor]]:
    """The gates that see the input, and of each the rows of W, (u, m)."""
    assert isinstance(layer, Cell | DiagonalCell)
    blocks: Sequence[int | None] = layer.input_blocks if isinstance(layer, Cell) else range(layer.gates)
    u = layer.units if isinstance(layer, DiagonalCell) else layer.hidden_size
    rows, seeing = layer.weight_ih_l0.split(u), [gate for gate, block in enumerate(blocks) if block is not None]
    return seeing, [rows[block] for block in blocks if block is not None]


def _by_input(layer: AnyCell, by_gate: Tensor) -> Tensor:
    """∂s_t/∂x_t = Σ_g φ_z[g] ∘ W_g, (B, D, m)."""
    gates, rows = _seeing_gates(layer)
    return torch.einsum("pgbi,gim->bpim", by_gate[:, gates], torch.stack(rows)).flatten(1, 2)


def _down(layer: AnyCell, by_gate: Tensor, credit: Tensor) -> Tensor:
    """∂ℓ/∂x_t = Σ_g W_gᵀ (φ_z[g] ∘ ∂ℓ/∂h_t), (B, m), of a diagonal layer over all planes of h."""
    gates, rows = _seeing_gates(layer)
    parts = credit.unflatten(1, (-1, by_gate.shape[-1])).transpose(0, 1)
    # Of a gated cell's state h is part 0 alone.
    by_z = (by_gate[: len(parts)] * parts[:, None]).sum(dim=0)
    terms = [by_z[gate] @ row for gate, row in zip(gates, rows, strict=True)]
    by_input: Tensor = sum(terms[1:], terms[0])
    return by_input


def _moved(local: Linearization | DiagonalLinearization, matrix: Tensor) -> Tensor:
    """∂s_t/∂s_{t-1} by a matrix (B, D, P)."""
    parts = matrix.unflatten(1, (len(local.by_state), -1))
    if isinstance(local, DiagonalLinearization):
        return torch.einsum("pqbi,bqic->bpic", local.by_state, parts).flatten(1, 2)
    moved = torch.bmm(local.transition, parts[:, 0])
    if len(local.by_state) > 1:
        moved += torch.einsum("pqbi,bqic->bpic", local.by_state[:, 1:], parts[:, 1:]).flatten(1, 2)
    return moved


def _handed(by_input: Tensor, below: StructuredInfluence | DiagonalInfluence) -> Tensor:
    """∂s^l_t/∂h^{l-1}_t by the lower layer's influence on itself: (B, D, P)."""
    if isinstance(below, StructuredInfluence):
        return torch.bmm(by_input, below.matrix[:, : by_input.shape[2]])
    planes = by_input.unflatten(2, (len(below.matrix), -1))
    return torch.einsum("bdpi,pbic->bdic", planes, below.matrix).flatten(2)
