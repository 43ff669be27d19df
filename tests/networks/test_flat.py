"""All parameters as one vector: views, values, and what takes them out of it."""

import copy

import pytest
import torch
from torch import nn

from throughtime.networks import ClosedLoop, make_network
from throughtime.networks.flat import flat_of, flatten


@pytest.fixture
def network():
    return make_network("gru", input_size=2, hidden_size=3, output_size=2, seed=0)


def vector(module):
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def test_a_network_is_made_flat(network):
    flat = flat_of(network)
    assert flat is not None
    assert torch.equal(flat.values, vector(network))
    with torch.no_grad():
        flat.values.mul_(2)
    assert torch.equal(flat.values, vector(network))


def test_flattening_keeps_values_and_parameters():
    module = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before, parameters = vector(module), list(module.parameters())
    flat = flatten(module)
    assert torch.equal(flat.values, before)
    assert all(one is other for one, other in zip(parameters, module.parameters(), strict=True))
    assert flatten(module) is flat


def test_gradients_are_shown_and_gathered(network):
    flat = flat_of(network)
    flat.gradients.copy_(torch.arange(len(flat.gradients)))
    flat.show_gradients()
    assert torch.equal(torch.cat([p.grad.flatten() for p in network.parameters()]), flat.gradients)
    first, second, *_ = network.parameters()
    first.grad, second.grad = torch.ones_like(first), None
    assert torch.equal(flat.gather_gradients()[: first.numel()], torch.ones(first.numel()))
    assert not flat.gradients[first.numel() : first.numel() + second.numel()].any()


def test_a_network_around_the_same_parts_shares_the_vector(network):
    loop = ClosedLoop(network.cell, network.readout)
    assert flat_of(loop).values.data_ptr() == flat_of(network).values.data_ptr()


def exchange(network):
    other = make_network("gru", input_size=2, hidden_size=3, output_size=2, seed=1)
    network.cell = other.cell


def move(network):
    network.readout.bias.data = network.readout.bias.data.clone()


def add(network):
    network.spare = nn.Parameter(torch.ones(2))


def convert(network):
    network.double()


@pytest.mark.parametrize("change", [exchange, move, add, convert])
def test_what_is_no_longer_one_vector_is_none(network, change):
    change(network)
    assert flat_of(network) is None
    values = vector(network)
    assert torch.equal(flatten(network).values, values)
    assert torch.equal(vector(network), values)


def test_what_was_moved_rejoins_with_its_new_values(network):
    flat = flat_of(network)
    network.readout.bias.data = torch.full((2,), 7.0)
    assert not flat.holds
    flat.rejoin()
    assert flat.holds
    assert torch.equal(flat.values[-2:], torch.full((2,), 7.0))


def test_a_copy_has_parameters_of_its_own(network):
    twin = copy.deepcopy(network)
    before = vector(network)
    with torch.no_grad():
        flatten(twin).values.zero_()
    assert torch.equal(vector(network), before)


def test_neighbours_by_chance_are_no_vector():
    memory, module = bytearray(24), nn.Module()
    module.one = nn.Parameter(torch.frombuffer(memory, dtype=torch.float32, count=4))
    module.two = nn.Parameter(torch.frombuffer(memory, dtype=torch.float32, count=2, offset=16))
    assert module.one.data_ptr() + 16 == module.two.data_ptr()
    assert flat_of(module) is None


def test_without_parameters_there_is_no_vector():
    assert flat_of(nn.Module()) is None


def test_several_types_are_an_error():
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double())
    with pytest.raises(ValueError, match="not of one type on one device"):
        flatten(module)
