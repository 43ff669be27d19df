"""Each cell's step loop, unrolled kernel, torch.nn twin and structured Jacobians are one and the same function."""

import pytest
import torch

from throughtime.networks import CELLS, Cell

NAMES = ["rnn", "lstm", "gru"]
T, B, m, n = 6, 3, 2, 4
PARAMETERS = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
each_cell = pytest.mark.parametrize("name", NAMES)
each_dtype = pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)], ids=["float64", "float32"]
)
each_batch = pytest.mark.parametrize("batch", [1, 3], ids=["batch1", "batch3"])


def make_cell(name: str, dtype: torch.dtype = torch.float64, hidden_size: int = n) -> Cell:
    return CELLS.get(name)(m, hidden_size, generator=torch.Generator().manual_seed(1), dtype=dtype)


def make_data(cell: Cell, batch: int = B, dtype: torch.dtype = torch.float64) -> tuple:
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(T, batch, m, generator=generator, dtype=torch.float64).to(dtype)
    shape = (batch, cell.hidden_size)
    parts = [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for _ in range(cell.state_parts)]
    return inputs, tuple(parts)


def nn_twin(cell: Cell, name: str) -> torch.nn.Module:
    module = getattr(torch.nn, name.upper())(m, cell.hidden_size, dtype=cell.weight_hh_l0.dtype)
    module.load_state_dict(cell.state_dict())
    return module


def nn_forward(module: torch.nn.Module, inputs: torch.Tensor, state: tuple) -> tuple[torch.Tensor, tuple]:
    parts = tuple(part[None] for part in state)
    hidden, end = module(inputs, parts if len(parts) == 2 else parts[0])
    return hidden, tuple(part[0] for part in (end if len(parts) == 2 else (end,)))


def loop(cell: Cell, inputs: torch.Tensor, state: tuple) -> tuple[torch.Tensor, tuple]:
    hidden = []
    for x in inputs:
        state = cell.step(x, state)
        hidden.append(state[0])
    return torch.stack(hidden), state


def close(found, expected, tolerance: float) -> None:
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


@each_dtype
@each_batch
@each_cell
def test_unroll_equals_the_step_loop(name, batch, dtype, tolerance):
    cell = make_cell(name, dtype)
    data = make_data(cell, batch, dtype)
    close(cell.unroll(*data), loop(cell, *data), tolerance)


@each_dtype
@each_batch
@each_cell
def test_unroll_equals_torch_nn(name, batch, dtype, tolerance):
    cell = make_cell(name, dtype)
    data = make_data(cell, batch, dtype)
    close(cell.unroll(*data), nn_forward(nn_twin(cell, name), *data), tolerance)


@each_dtype
@each_cell
def test_step_equals_torch_nn(name, dtype, tolerance):
    cell = make_cell(name, dtype)
    inputs, state = make_data(cell, dtype=dtype)
    close(cell.step(inputs[0], state), nn_forward(nn_twin(cell, name), inputs[:1], state)[1], tolerance)


@each_dtype
@each_cell
def test_unroll_without_autograd_gives_the_same(name, dtype, tolerance):
    cell = make_cell(name, dtype)
    data = make_data(cell, dtype=dtype)
    with torch.no_grad():
        found = cell.unroll(*data)
    close(found, loop(cell, *data), tolerance)


@each_cell
def test_unroll_of_one_step_is_a_step(name):
    cell = make_cell(name)
    inputs, state = make_data(cell)
    close(cell.unroll(inputs[:1], state)[1], cell.step(inputs[0], state), 1e-12)


@each_cell
def test_unroll_in_two_windows_is_one(name):
    cell = make_cell(name)
    inputs, state = make_data(cell)
    hidden, middle = cell.unroll(inputs[:2], state)
    rest, end = cell.unroll(inputs[2:], middle)
    close((torch.cat([hidden, rest]), end), cell.unroll(inputs, state), 1e-12)


@each_cell
def test_unroll_leaves_inputs_and_state(name):
    cell = make_cell(name)
    inputs, state = make_data(cell)
    before = [tensor.clone() for tensor in (inputs, *state)]
    cell.unroll(inputs, state)[0].sum().backward()
    assert all(map(torch.equal, before, (inputs, *state)))


@pytest.mark.parametrize("ends", ["hidden", "state", "both"])
@each_cell
def test_gradients_of_unroll_equal_those_of_the_step_loop(name, ends):
    """By every parameter, the inputs and the initial state, from the hidden states, the last state, or both."""
    cell = make_cell(name)
    inputs, state = make_data(cell)
    leaves = [*cell.parameters(), inputs.requires_grad_(), *(part.requires_grad_() for part in state)]
    gradients = []
    for run in (cell.unroll, lambda *data: loop(cell, *data)):
        hidden, end = run(inputs, state)
        tensors = {"hidden": [hidden], "state": list(end), "both": [hidden, *end]}[ends]
        weights = [torch.linspace(-1, 2, tensor.numel(), dtype=tensor.dtype).view_as(tensor) for tensor in tensors]
        total = sum((weight * tensor).sum() for weight, tensor in zip(weights, tensors, strict=True))
        gradients.append(torch.autograd.grad(total, leaves))
    close(*gradients, 1e-10)


@each_cell
def test_state_dict_of_torch_nn_loads(name):
    torch_module = getattr(torch.nn, name.upper())(m, n)
    cell = make_cell(name, torch.float32)
    cell.load_state_dict(torch_module.state_dict())
    data = make_data(cell, dtype=torch.float32)
    close(cell.unroll(*data), nn_forward(torch_module, *data), 1e-5)


@each_cell
def test_state_dict_loads_into_torch_nn(name):
    cell = make_cell(name, torch.float32)
    module = getattr(torch.nn, name.upper())(m, n)
    module.load_state_dict(cell.state_dict())
    assert all(torch.equal(cell.state_dict()[key], value) for key, value in module.state_dict().items())


@each_cell
def test_parameters_have_torch_nn_names_and_shapes(name):
    ours = {key: value.shape for key, value in make_cell(name).named_parameters()}
    assert ours == {key: value.shape for key, value in getattr(torch.nn, name.upper())(m, n).named_parameters()}


@each_cell
def test_parameters_are_drawn_within_torch_nn_bounds(name):
    values = torch.cat([parameter.detach().flatten() for parameter in make_cell(name, hidden_size=25).parameters()])
    assert 0.18 < float(values.abs().max()) <= 0.2
    assert abs(float(values.mean())) < 0.02


@each_cell
def test_initial_state_is_zero(name):
    cell = make_cell(name)
    state = cell.initial_state(5)
    assert [part.shape for part in state] == [(5, n)] * cell.state_parts
    assert not any(bool(part.any()) for part in state)


@each_batch
@each_cell
def test_linearize_returns_the_step(name, batch):
    cell = make_cell(name)
    inputs, state = make_data(cell, batch)
    close(cell.linearize(inputs[0], state).state, cell.step(inputs[0], state), 1e-12)


@each_cell
def test_linearize_keeps_no_graph(name):
    cell = make_cell(name)
    inputs, state = make_data(cell)
    local = cell.linearize(inputs[0], state)
    assert not any(t.requires_grad for t in (*local.state, local.by_state, local.by_gate, local.transition))


@each_cell
def test_linearize_has_the_stated_shapes(name):
    cell = make_cell(name)
    inputs, state = make_data(cell)
    local, S, G = cell.linearize(inputs[0], state), cell.state_parts, len(cell.input_blocks)
    shapes = tuple(local.by_state.shape), tuple(local.by_gate.shape), tuple(local.transition.shape)
    assert shapes == ((S, S, B, n), (S, G, B, n), (B, S * n, n))


def dense_state_jacobian(cell: Cell, x: torch.Tensor, state: tuple) -> torch.Tensor:
    """∂(all new parts)/∂(all old parts) of one sequence, (S n, S n), by reverse-mode autograd over `step`."""

    def flat(values: torch.Tensor) -> torch.Tensor:
        new = cell.step(x[None], tuple(part[None] for part in values.split(n)))
        return torch.cat([part[0] for part in new])

    return torch.func.jacrev(flat)(torch.cat(state))


@each_batch
@each_cell
def test_linearize_rebuilds_the_state_jacobian(name, batch):
    cell = make_cell(name)
    inputs, state = make_data(cell, batch)
    local, S = cell.linearize(inputs[0], state), cell.state_parts
    for b in range(batch):
        rebuilt = torch.zeros(S * n, S * n, dtype=torch.float64)
        rebuilt[:, :n] = local.transition[b]
        for new in range(S):
            for old in range(1, S):
                rebuilt[new * n : (new + 1) * n, old * n : (old + 1) * n] = local.by_state[new, old, b].diag()
        close(rebuilt, dense_state_jacobian(cell, inputs[0, b], tuple(part[b] for part in state)), 1e-12)


@pytest.mark.parametrize("parameter", PARAMETERS)
@each_cell
def test_linearize_rebuilds_the_parameter_jacobians(name, parameter):
    """Row i of gate g moves unit i alone, by φ_z[g, i] · (x, h, 1)."""
    cell = make_cell(name)
    inputs, state = make_data(cell)
    local, S = cell.linearize(inputs[0], state), cell.state_parts
    values = {key: value.detach() for key, value in cell.named_parameters()}
    blocks = cell.input_blocks if "ih" in parameter else cell.hidden_blocks
    for b in range(B):
        seen = {"weight_ih_l0": inputs[0, b], "weight_hh_l0": state[0][b]}.get(parameter, torch.ones(1).double())
        rebuilt = torch.zeros(S, n, len(values[parameter]), len(seen), dtype=torch.float64)
        for gate, block in enumerate(blocks):
            if block is not None:
                for i in range(n):
                    rebuilt[:, i, block * n + i] += local.by_gate[:, gate, b, i, None] * seen

        def new_state(value: torch.Tensor, b: int = b) -> torch.Tensor:
            old = tuple(part[b : b + 1] for part in state)
            return torch.func.functional_call(StepOf(cell), {f"cell.{parameter}": value}, (inputs[0, b : b + 1], old))

        expected = torch.func.jacrev(new_state)(values[parameter])
        close(rebuilt.view(expected.shape), expected, 1e-12)


class StepOf(torch.nn.Module):
    """A cell whose forward is one step of one sequence, (S, n)."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: torch.Tensor, state: tuple) -> torch.Tensor:
        return torch.cat(self.cell.step(x, state))


# torch's own forward mode scripts a few decompositions at its first use.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
@pytest.mark.parametrize("which", [0, 1, 2], ids=["state", "by_state", "by_gate"])
@each_cell
def test_derivatives_by_hand_equal_the_generic_ones(name, which):
    cell = make_cell(name)
    inputs, state = make_data(cell)
    z = cell.preactivations(inputs[0], state[0])
    assert type(cell).derivatives is not Cell.derivatives
    with torch.no_grad():
        close(cell.derivatives(state, z)[which], Cell.derivatives(cell, state, z)[which], 1e-12)


def test_cells_are_found_by_name():
    assert set(NAMES) <= set(CELLS.names())
