"""RTRL on stacked layers: the influence in blocks is the dense one, and is taken wherever it can be."""

import pytest
import torch
from naive_cells import SPECS
from problems import together
from test_cell_kinds import apart, estimate, make

from throughtime.algorithms.influence import DenseInfluence
from throughtime.algorithms.layered_influence import StackedInfluence, layer_by_layer, stack_of
from throughtime.algorithms.rtrl import RTRL
from throughtime.networks import ClosedLoop, Network, Stacked, make_network

MORE = [spec for spec in SPECS if "layers" in spec]


def of_rows(influence, network, credit):
    """ΔL/Δθ by name for a credit at h_t, of whatever influence it is."""
    found = influence.by_name(influence.gradient(credit))
    return {name: found[name] for name, _ in network.cell.named_parameters(prefix="cell")}


@together("steps", [1, 2, 5])
@pytest.mark.parametrize("spec", [*MORE, "lstm(layers=3)", "gru(layers=4)", "rtu(layers=3)"])
def test_after_so_many_steps_it_is_the_dense_one(spec, steps):
    size, draws = 3, torch.Generator().manual_seed(5)
    network = make_network(spec, input_size=2, hidden_size=4, output_size=2, seed=3, dtype=torch.float64)
    layered = layer_by_layer(network)
    blocks, dense = StackedInfluence(stack_of(network), size), DenseInfluence(network, size)
    state = network.initial_state(size)
    for x in torch.randn(steps, size, 2, generator=draws, dtype=torch.float64):
        blocks.advance(state, layered.linearize(x, state))
        local = network.linearize(x, state)
        dense.advance(state, local)
        state = local.state
    credit = torch.randn(state[0].shape, dtype=state[0].dtype, generator=draws)
    assert apart(of_rows(blocks, network, credit), of_rows(dense, network, credit)) < 1e-12


@pytest.mark.parametrize("spec", MORE)
def test_it_takes_less_memory(spec):
    network, batch = make(spec)
    blocks, dense = StackedInfluence(stack_of(network), batch.size), DenseInfluence(network, batch.size)
    tensors = [*(one.matrix for one in blocks.own), *blocks.lower]
    assert sum(one.numel() for one in tensors) < 0.8 * dense.matrix.numel()


def carried(network, batch):
    """The influence that RTRL hands on."""
    (*_, last) = RTRL(update_every=None).updates(network, batch)
    return last.carry[1]


@pytest.mark.parametrize("spec", MORE)
def test_rtrl_has_it_on_layers(spec):
    network, batch = make(spec)
    assert isinstance(carried(network, batch), StackedInfluence)


def test_rtrl_starts_as_the_network_does():
    class Ones(Network):
        def initial_state(self, batch_size):
            return tuple(torch.ones_like(part) for part in super().initial_state(batch_size))

    network, batch = make("rnn(layers=2)")
    network = Ones(network.cell, network.readout)
    assert apart(estimate("rtrl", network, batch), estimate("full", network, batch)) < 1e-12


def test_one_layer_is_a_stack_too():
    network, batch = make("gru(sparsity=0.5)")
    exact = estimate("full", network, batch)
    network = Network(Stacked([network.cell]), network.readout)
    for name in ("rtrl", "layerwise_rtrl"):
        assert apart(estimate(name, network, batch), exact) < 1e-12


def test_rtrl_has_a_dense_one_where_a_step_is_not_the_layers_own():
    class Other(Network):
        def step(self, input, state):
            return super().step(2 * input, state)

    network, batch = make("rnn(layers=2)")
    assert isinstance(carried(Other(network.cell, network.readout), batch), DenseInfluence)


def test_rtrl_has_a_dense_one_where_the_output_is_fed_back_to_the_first_layer():
    network, batch = make("rnn(layers=2)")
    loop = ClosedLoop(network.cell, torch.nn.Linear(network.cell.hidden_size, 2, dtype=torch.float64))
    assert isinstance(carried(loop, batch), DenseInfluence)


def test_a_carry_is_not_written_to():
    network, batch = make("elstm(layers=3)")
    algorithm = RTRL(update_every=None)
    (first,) = algorithm.updates(network, batch)
    gradients = []
    for _ in range(2):
        (_,) = algorithm.updates(network, batch, first.carry)
        gradients.append({name: parameter.grad.clone() for name, parameter in network.named_parameters()})
    assert apart(*gradients) == 0
