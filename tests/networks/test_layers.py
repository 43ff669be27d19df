"""Stacked cells: torch.nn's layers with the same parameters, under the same names."""

import copy

import pytest
import torch
from torch import nn

from throughtime.networks import CELLS, AnyCell, Stacked, make_network
from throughtime.networks.dense import linearize_densely
from throughtime.networks.flat import flat_of

T, B, m, n = 5, 3, 2, 4
each_cell = pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def made(spec):
    return CELLS.maker(spec)(m, n, generator=draws(1), dtype=torch.float64)


def data(cell):
    inputs = torch.randn(T, B, m, generator=draws(2), dtype=torch.float64)
    shapes = [part.shape for part in cell.initial_state(B)]
    return inputs, tuple(
        torch.randn(shape, generator=draws(3 + k), dtype=torch.float64) for k, shape in enumerate(shapes)
    )


def twin_of(name, layers=2):
    return getattr(nn, name.upper())(m, n, num_layers=layers, dtype=torch.float64)


@each_cell
@pytest.mark.parametrize("layers", [2, 3])
def test_it_is_torchs_with_the_same_state_dict(cell, layers):
    ours, theirs = made(f"{cell}(layers={layers})"), twin_of(cell, layers)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    inputs, state = data(ours)
    parts = len(ours.initial_state(1)) // layers
    first = [torch.stack([one[k] for one in ours.by_layer(state)]) for k in range(parts)]
    hidden, end = theirs(inputs, tuple(first) if parts == 2 else first[0])
    found, after = ours.unroll(inputs, state)
    torch.testing.assert_close(found, hidden)
    for layer, one in enumerate(ours.by_layer(after)):
        expected = [part[layer] for part in (end if parts == 2 else (end,))]
        torch.testing.assert_close(list(one), expected)
    torch.testing.assert_close(after[0], found[-1])


@each_cell
def test_gradients_are_torchs(cell):
    ours, theirs = made(f"{cell}(layers=2)"), twin_of(cell)
    theirs.load_state_dict(ours.state_dict())
    inputs = data(ours)[0]
    for module, hidden in ((ours, ours.unroll(inputs, ours.initial_state(B))[0]), (theirs, theirs(inputs)[0])):
        module.zero_grad()
        (hidden * torch.linspace(-1, 2, hidden.numel(), dtype=torch.float64).view_as(hidden)).sum().backward()
    expected = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name].grad)


@each_cell
def test_a_state_dict_of_torch_loads(cell):
    theirs = twin_of(cell)
    ours = made(f"{cell}(layers=2)")
    ours.load_state_dict(theirs.state_dict())
    inputs = data(ours)[0]
    torch.testing.assert_close(ours.unroll(inputs, ours.initial_state(B))[0], theirs(inputs)[0])


def test_names_of_every_kind_of_tensor():
    cell = made("leaky(sparsity=0.5, layers=2)")
    assert [name for name, _ in cell.named_buffers()] == ["mask_hh_l0", "mask_hh_l1"]
    assert list(dict(made("lru(layers=2)").named_parameters()))[-4:] == [
        "weight_ih_l1",
        "nu_l1",
        "theta_l1",
        "gamma_l1",
    ]


class Nested(AnyCell):
    """Another's cell, of no structure: its parameters have names without a layer's number, and one a module's."""

    state_parts = 1

    def __init__(self, input_size, hidden_size, *, generator=None, dtype=torch.float32):
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.gain = nn.Parameter(torch.rand(hidden_size, generator=generator, dtype=torch.float64).to(dtype))
        self.map = nn.utils.skip_init(nn.Linear, input_size, hidden_size, bias=False, dtype=dtype)
        with torch.no_grad():
            self.map.weight.copy_(torch.rand(self.map.weight.shape, generator=generator, dtype=torch.float64))

    def step(self, input, state):
        return ((self.gain * state[0] + self.map(input)).tanh(),)


def test_names_without_a_layers_number_are_given_one():
    layers = [
        Nested(m, n, dtype=torch.float64, generator=draws(1)),
        Nested(n, n, dtype=torch.float64, generator=draws(2)),
    ]
    twins = copy.deepcopy(layers)
    cell = Stacked(layers)
    assert list(cell.state_dict()) == ["gain", "map_weight", "gain_l1", "map_weight_l1"]
    inputs, state = data(cell)
    lower = twins[0].step(inputs[0], state[1:])
    assert torch.equal(cell.step(inputs[0], state)[0], twins[1].step(lower[0], state[:1])[0])


def test_layers_start_apart():
    cell = made("gru(layers=2)")
    assert not torch.equal(cell.weight_hh_l0, cell.weight_hh_l1)


def test_one_layer_is_no_stack():
    assert not isinstance(made("gru(layers=1)"), Stacked)


def test_parameters_that_stand_in_for_its_own_are_used():
    cell = made("elstm(layers=2)")
    inputs, state = data(cell)
    other = {name: 2 * parameter.detach() for name, parameter in cell.named_parameters()}
    before = cell.step(inputs[0], state)
    local = linearize_densely(cell, inputs[0], state)
    doubled = copy.deepcopy(cell)
    doubled.load_state_dict(other)
    wrapped = nn.Module()
    wrapped.cell, wrapped.forward = cell, lambda: cell.step(inputs[0], state)
    found = torch.func.functional_call(wrapped, {f"cell.{name}": value for name, value in other.items()}, ())
    torch.testing.assert_close(found, doubled.step(inputs[0], state))
    torch.testing.assert_close(local.state, tuple(part.detach() for part in before))
    torch.testing.assert_close(cell.step(inputs[0], state), before)


def test_a_copy_has_parameters_of_its_own():
    network = make_network("gru(layers=2)", input_size=m, hidden_size=n, output_size=1, seed=0)
    other = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    inputs = torch.ones(T, B, m)
    assert not other.unroll(inputs)[0].any()
    assert network.unroll(inputs)[0].all()
    assert flat_of(network) is not None


def test_layers_have_nothing_outside_of_their_block():
    cell = made("rnn(layers=2)")
    with cell.layers() as layers:
        assert layers[1].weight_hh_l0 is cell.weight_hh_l1
    assert layers[1].weight_hh_l0 is None
    assert sum(1 for _ in cell.parameters()) == 8
