"""A cell's local Jacobians, as `linearize` tells them, against autograd's."""

import torch
from torch import Tensor, nn

from throughtime.networks import Cell, Linearization, State

from .cell_data import SEQUENCES, agree, make_cell, make_data
from .refuted import Refuted


def linearize_equals_autograd(cls: type[Cell]) -> str:
    """`linearize` gives the step, and local Jacobians from which those by the old state and by every parameter follow.
    Look at: `derivatives` where it is written by hand; `input_blocks` and `hidden_blocks`, which say what feeds a gate;
    and parameters besides weight_ih_l0, weight_hh_l0, bias_ih_l0 and bias_hh_l0: the structure has no place for them.
    """
    worst = 0.0
    for size in (1, SEQUENCES):
        cell = make_cell(cls)
        inputs, state = make_data(cell, 1, size)
        local = cell.linearize(inputs[0], state)
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


def _check_form(cell: Cell, local: Linearization, size: int) -> None:
    S, G, n = cell.state_parts, len(cell.input_blocks), cell.hidden_size
    expected = {"by_state": (S, S, size, n), "by_gate": (S, G, size, n), "transition": (size, S * n, n)}
    for name, shape in expected.items():
        found = getattr(local, name)
        if found.shape != shape:
            raise Refuted(f"linearize's {name} is {tuple(found.shape)} for {shape}")
        if found.requires_grad:
            raise Refuted(f"linearize's {name} keeps a graph")
    if any(part.requires_grad for part in local.state):
        raise Refuted("linearize's state keeps a graph")


class _Step(nn.Module):
    """`functional_call` calls a module's forward; here it is one step of one sequence, (S n,)."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor, old: Tensor) -> Tensor:
        parts = tuple(part[None] for part in old.split(self.cell.hidden_size))
        return torch.cat([part[0] for part in self.cell.step(x, parts)])


def _jacobians(cell: Cell, x: Tensor, old: State) -> tuple[Tensor, dict[str, Tensor]]:
    """Of one sequence's step, by reverse-mode autograd: (S n, S n), and (S n, θ's shape) by each parameter."""
    step = _Step(cell)
    parameters = {name: parameter.detach() for name, parameter in step.named_parameters()}

    def advance(parameters: dict[str, Tensor], old: Tensor) -> Tensor:
        return torch.func.functional_call(step, parameters, (x, old))  # type: ignore[no-any-return]

    flat = torch.cat([part[0] for part in old])
    by_parameters, by_state = torch.func.jacrev(advance, argnums=(0, 1))(parameters, flat)
    return by_state, {name.removeprefix("cell."): slope for name, slope in by_parameters.items()}


def _rebuilt_by_state(cell: Cell, local: Linearization, b: int) -> Tensor:
    """The old hidden part acts by `transition`, the others unit by unit."""
    S, n = cell.state_parts, cell.hidden_size
    whole = local.transition.new_zeros(S * n, S * n)
    whole[:, :n] = local.transition[b]
    for new in range(S):
        for part in range(1, S):
            whole[new * n : (new + 1) * n, part * n : (part + 1) * n] = local.by_state[new, part, b].diag()
    return whole


def _rebuilt_by_parameter(cell: Cell, local: Linearization, name: str, b: int, x: Tensor, h: Tensor) -> Tensor:
    """Row i of gate g moves unit i alone, by φ_z[g, i] · (x, h, 1)."""
    S, n = cell.state_parts, cell.hidden_size
    one = x.new_ones(1)
    seen = {"weight_ih_l0": x, "bias_ih_l0": one, "weight_hh_l0": h, "bias_hh_l0": one}.get(name)
    if seen is None:
        raise Refuted(f"the parameter {name} is none that linearize tells anything of")
    parameter = cell.get_parameter(name)
    whole = x.new_zeros(S, n, len(parameter), len(seen))
    for gate, block in enumerate(cell.input_blocks if "ih" in name else cell.hidden_blocks):
        if block is not None:
            for i in range(n):
                whole[:, i, block * n + i] += local.by_gate[:, gate, b, i, None] * seen
    return whole.reshape(S * n, *parameter.shape)
