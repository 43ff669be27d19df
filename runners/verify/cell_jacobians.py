"""A cell's local Jacobians, as `linearize` tells them, against autograd's."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from throughtime.networks import (
    AnyCell,
    Cell,
    DenseLinearization,
    DiagonalCell,
    DiagonalLinearization,
    State,
)

from .cell_data import SEQUENCES, Local, Make, agree, linearized, make_cell, make_data, slopes_of
from .refuted import Refuted


def linearize_equals_autograd(cls: Make) -> str:
    """`linearize` gives the step, and local Jacobians from which those by the old state and by every parameter follow.
    Look at: `derivatives` where it is written by hand; `input_blocks` and `hidden_blocks`, which say what feeds a gate;
    and parameters besides those that the structure knows: weight_ih_l0, weight_hh_l0 and biases, or, of a diagonal
    cell, weight_ih_l0, bias_ih_l0 and `unit_parameters`.
    """
    worst = 0.0
    for size in (1, SEQUENCES):
        cell = make_cell(cls)
        inputs, state = make_data(cell, 1, size)
        local = linearized(cell, inputs[0], state)
        _check_form(cell, local, size)
        worst = max(worst, agree(local.state, cell.step(inputs[0], state), "step's state"))
        for b in range(size):
            x, old = inputs[0, b : b + 1], tuple(part[b : b + 1] for part in state)
            by_state, by_parameters = _jacobians(cell, x, old)
            rebuilt = _rebuilt_by_state(cell, local, b)
            worst = max(worst, agree([rebuilt], [by_state], "autograd's Jacobian by the old state"))
            for name, expected in by_parameters.items():
                rebuilt = _rebuilt_by_parameter(cell, local, name, b, x[0], old[0][0])
                worst = max(worst, agree([rebuilt], [expected], f"autograd's Jacobian by {name}"))
    return f"equal within {worst:.1g}, by the state and by {len(by_parameters)} parameters"


def _check_form(cell: AnyCell, local: Local, size: int) -> None:
    expected: dict[str, tuple[int, ...]] = {}  # sequences first, as `slopes_of` has them
    if isinstance(cell, Cell):
        S, G, n = cell.state_parts, len(cell.input_blocks), cell.hidden_size
        expected = {"by_state": (size, S, S, n), "by_gate": (size, S, G, n), "transition": (size, S * n, n)}
    elif isinstance(cell, DiagonalCell):
        R, G, K, u = cell.planes, cell.gates, len(cell.unit_parameters), cell.units
        expected = {"by_state": (size, R, R, u), "by_gate": (size, R, G, u), "by_unit": (size, R, K, u)}
    found = slopes_of(local)
    for name, shape in expected.items():
        if found[name].shape != shape:
            raise Refuted(f"linearize's {name} is {tuple(found[name].shape)} for {shape}, sequences first")
    for name, slope in found.items():
        if slope.requires_grad:
            raise Refuted(f"linearize's {name} keeps a graph")
    if any(part.requires_grad for part in local.state):
        raise Refuted("linearize's state keeps a graph")


class _Step(nn.Module):
    """`functional_call` calls a module's forward; here it is one step of one sequence, (S n,)."""

    def __init__(self, cell: AnyCell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor, old: Tensor) -> Tensor:
        parts = tuple(part[None] for part in old.split(self.cell.hidden_size))
        return torch.cat([part[0] for part in self.cell.step(x, parts)])


def _jacobians(cell: AnyCell, x: Tensor, old: State) -> tuple[Tensor, dict[str, Tensor]]:
    """Of one sequence's step, by reverse-mode autograd: (S n, S n), and (S n, θ's shape) by each parameter."""
    step = _Step(cell)
    parameters = {name: parameter.detach() for name, parameter in step.named_parameters()}

    def advance(parameters: dict[str, Tensor], old: Tensor) -> Tensor:
        return torch.func.functional_call(step, parameters, (x, old))  # type: ignore[no-any-return]

    flat = torch.cat([part[0] for part in old])
    by_parameters, by_state = torch.func.jacrev(advance, argnums=(0, 1))(parameters, flat)
    return by_state, {name.removeprefix("cell."): slope for name, slope in by_parameters.items()}


def _rebuilt_by_state(cell: AnyCell, local: Local, b: int) -> Tensor:
    """The old hidden part acts by `transition`, the others unit by unit, and so do all planes of a diagonal cell."""
    if isinstance(local, DenseLinearization):
        return local.by_state[b]
    if isinstance(local, DiagonalLinearization):
        return torch.cat([torch.cat([slope.diag() for slope in row], dim=1) for row in local.by_state[:, :, b]])
    S, n = cell.state_parts, cell.hidden_size
    whole = local.transition.new_zeros(S * n, S * n)
    whole[:, :n] = local.transition[b]
    for new in range(S):
        for part in range(1, S):
            whole[new * n : (new + 1) * n, part * n : (part + 1) * n] = local.by_state[new, part, b].diag()
    return whole


def _rebuilt_by_parameter(cell: AnyCell, local: Local, name: str, b: int, x: Tensor, h: Tensor) -> Tensor:
    """Row i of gate g moves unit i alone, by φ_z[g, i] · (x, h, 1); a unit's own parameter by φ_p[i]."""
    parameter, one = cell.get_parameter(name), x.new_ones(1)
    if isinstance(local, DenseLinearization):
        return local.by_parameters[name][b].reshape(-1, *parameter.shape)
    blocks: Sequence[int | None]
    seen = {"weight_ih_l0": x, "bias_ih_l0": one, "weight_hh_l0": h, "bias_hh_l0": one}.get(name)
    if isinstance(cell, DiagonalCell) and isinstance(local, DiagonalLinearization):
        own = name.removesuffix("_l0")
        if own in cell.unit_parameters:
            slopes = local.by_unit[:, cell.unit_parameters.index(own), b]
            return torch.cat([slope.diag() for slope in slopes])
        blocks, n, S, mask = range(cell.gates), cell.units, cell.planes, None
    else:
        assert isinstance(cell, Cell)
        blocks = cell.input_blocks if "ih" in name else cell.hidden_blocks
        n, S, mask = cell.hidden_size, cell.state_parts, cell.mask if name == "weight_hh_l0" else None
    if seen is None:
        raise Refuted(f"the parameter {name} is none that linearize tells anything of")
    whole = x.new_zeros(S, n, len(parameter), len(seen))
    for gate, block in enumerate(blocks):
        if block is not None:
            for i in range(n):
                whole[:, i, block * n + i] += local.by_gate[:, gate, b, i, None] * seen
    return (whole if mask is None else whole * mask).reshape(S * n, *parameter.shape)
