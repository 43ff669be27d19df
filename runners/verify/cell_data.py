"""Cells to be verified, what they are given, and how their numbers are compared."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from throughtime.networks import (
    AnyCell,
    Cell,
    DenseLinearization,
    DiagonalCell,
    DiagonalLinearization,
    Linearization,
    State,
)
from throughtime.networks.dense import linearize_densely

from .agreement import ROUNDING
from .problems import draws
from .refuted import Refuted

INPUTS, UNITS, SEQUENCES = 3, 4, 3


Make = Callable[..., AnyCell]
"""A cell's class, or what else makes cells as it does: of a spec's parameters, say."""

Local = Linearization | DiagonalLinearization | DenseLinearization


def make_cell(cls: Make, *, seed: int = 1, dtype: torch.dtype = torch.float64) -> AnyCell:
    """A cell of the sizes above."""
    return cls(INPUTS, UNITS, generator=draws(seed), dtype=dtype)


def linearized(cell: AnyCell, input: Tensor, state: State) -> Local:
    """A step with its local Jacobians in the cell's own structure; dense ones of layers, which have none."""
    if isinstance(cell, Cell | DiagonalCell):
        return cell.linearize(input, state)
    return linearize_densely(cell, input, state)


def slopes_of(local: Local) -> dict[str, Tensor]:
    """The Jacobians by name, sequences first."""
    if isinstance(local, DenseLinearization):
        return {"by_state": local.by_state, **local.by_parameters}
    found = {"by_state": local.by_state, "by_gate": local.by_gate}
    found |= {"by_unit": local.by_unit} if isinstance(local, DiagonalLinearization) else {}
    found = {name: slope.movedim(2, 0) for name, slope in found.items()}
    return found | ({"transition": local.transition} if isinstance(local, Linearization) else {})


def make_data(cell: AnyCell, length: int, size: int) -> tuple[Tensor, State]:
    """Inputs and a state that is not zero, float64; the first sequences are the same for every size."""
    generator = draws(2)
    inputs = torch.randn(length, SEQUENCES, INPUTS, generator=generator, dtype=torch.float64)[:, :size]
    parts = torch.randn(cell.state_parts, SEQUENCES, cell.hidden_size, generator=generator, dtype=torch.float64)
    return inputs.clone(), tuple(parts[:, :size].clone().unbind())


def flat(ran: tuple[Tensor, State]) -> list[Tensor]:
    """Hidden states and the state after them."""
    return [ran[0], *ran[1]]


def double(tensors: Iterable[Tensor]) -> list[Tensor]:
    """On the CPU, in float64."""
    return [tensor.cpu().double() for tensor in tensors]


@torch.no_grad()
def distance_of(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """How far two lists of tensors are from each other, relatively to the larger."""
    difference = sum(float((one - other).square().sum()) for one, other in zip(found, expected, strict=True))
    sizes = [sum(float(one.square().sum()) for one in tensors) for tensors in (found, expected)]
    return float((difference / max(*sizes, 1e-300)) ** 0.5)


@torch.no_grad()
def agree(found: Sequence[Tensor], expected: Sequence[Tensor], what: str, within: float = ROUNDING) -> float:
    """How far two lists of tensors are apart, relatively; `Refuted` where that is too far or their shapes differ."""
    shapes = [[tuple(tensor.shape) for tensor in tensors] for tensors in (found, expected)]
    if shapes[0] != shapes[1]:
        raise Refuted(f"shapes {shapes[0]} for {shapes[1]}, {what}")
    apart = distance_of(found, expected)
    if not apart <= within:
        raise Refuted(f"{apart:.2g} away from {what}, relatively")
    return apart
