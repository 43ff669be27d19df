"""Dense Jacobians are the structured ones, block by block, and forward mode runs on either."""

import pytest
import torch

from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.algorithms.influence import DenseInfluence, StructuredInfluence, make_influence
from throughtime.networks import ClosedLoop, Network, Recurrent, drive, make_network
from throughtime.networks.dense import linearize_densely
from throughtime.tasks import Batch
from throughtime.tasks.losses import cross_entropy, squared_error

T, B, M, N, O = 6, 3, 4, 5, 2  # noqa: E741
each_cell = pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])


class Hidden(Recurrent):
    """A cell whose structure does not show."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.input_size, self.hidden_size = inner, inner.input_size, inner.hidden_size

    def initial_state(self, batch_size):
        return self.inner.initial_state(batch_size)

    def step(self, input, state):
        return self.inner.step(input, state)


def generator():
    return torch.Generator().manual_seed(0)


def make(cell):
    return make_network(cell, input_size=M, hidden_size=N, output_size=O, seed=0, dtype=torch.float64)


def at_some_state(cell):
    """A network, an input (B, m), and a state that is not zero."""
    network = make(cell)
    parts = network.cell.state_parts
    state = tuple(torch.randn(B, N, generator=generator(), dtype=torch.float64) + part for part in range(parts))
    return network, torch.randn(B, M, generator=generator(), dtype=torch.float64), state


def make_batch(loss=squared_error):
    inputs = torch.randn(T, B, M, generator=generator(), dtype=torch.float64)
    targets = torch.randn(T, B, O, generator=generator(), dtype=torch.float64)
    return Batch(inputs, targets if loss is squared_error else targets.argmax(dim=-1), loss)


def driven(batch):
    truth = torch.rand(T, B, generator=generator(), dtype=torch.float64)
    return Batch(drive(batch.inputs, truth), batch.targets, batch.loss)


def worst(found, expected):
    """The largest relative error; the names may differ by where the cell was put."""
    pairs = zip(found.values(), expected.values(), strict=True)
    return max(float((one - other).norm() / other.norm()) for one, other in pairs)


def compare(network, batch):
    full = estimate_gradient(make_algorithm("full"), network, batch)
    return worst(estimate_gradient(make_algorithm("rtrl"), network, batch), full)


@each_cell
def test_the_state_after_the_step_is_the_steps(cell):
    network, x, state = at_some_state(cell)
    found = linearize_densely(network, x, state).state
    torch.testing.assert_close(found, network.step(x, state), rtol=1e-12, atol=1e-12)


@each_cell
def test_the_hidden_parts_columns_are_the_transition(cell):
    network, x, state = at_some_state(cell)
    found, expected = linearize_densely(network, x, state), network.linearize(x, state)
    torch.testing.assert_close(found.by_state[:, :, :N], expected.transition, rtol=1e-11, atol=1e-12)


def test_the_memory_cells_columns_are_diagonal():
    network, x, state = at_some_state("lstm")
    found, expected = linearize_densely(network, x, state), network.linearize(x, state)
    blocks = torch.cat([torch.diag_embed(expected.by_state[part, 1]) for part in range(2)], dim=1)
    torch.testing.assert_close(found.by_state[:, :, N:], blocks, rtol=1e-11, atol=1e-12)


@each_cell
def test_from_zero_influence_the_immediate_jacobian_is_the_structured_gradient(cell):
    """After one step M is the immediate Jacobian alone, so both kinds of influence give the same gradient."""
    network, x, state = at_some_state(cell)
    structured, dense = make_influence(network, B), DenseInfluence(network, B)
    structured.advance(state, network.linearize(x, state))
    dense.advance(state, linearize_densely(network, x, state))
    by_hidden = torch.randn(B, N, generator=generator(), dtype=torch.float64)
    found, expected = (one.by_name(one.gradient(by_hidden)) for one in (dense, structured))
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-11, atol=1e-12)


@each_cell
def test_nothing_keeps_a_graph(cell):
    network, x, state = at_some_state(cell)
    found = linearize_densely(network, x, state)
    tensors = [*found.state, found.by_state, *found.by_parameters.values()]
    assert not any(tensor.requires_grad for tensor in tensors)


def test_a_cell_is_structured_and_another_recurrence_is_not():
    network = make("gru")
    assert isinstance(make_influence(network, B), StructuredInfluence)
    assert isinstance(make_influence(Network(Hidden(network.cell), network.readout), B), DenseInfluence)


@each_cell
def test_forward_mode_is_exact_without_the_structure(cell):
    network = make(cell)
    assert compare(Network(Hidden(network.cell), network.readout), make_batch()) < 1e-9


@each_cell
def test_forward_mode_is_the_same_with_and_without_the_structure(cell):
    network, batch, algorithm = make(cell), make_batch(), make_algorithm("rtrl")
    hidden = Network(Hidden(network.cell), network.readout)
    assert worst(estimate_gradient(algorithm, hidden, batch), estimate_gradient(algorithm, network, batch)) < 1e-9


@each_cell
def test_forward_mode_is_exact_in_a_closed_loop_without_the_structure(cell):
    network = make(cell)
    assert compare(ClosedLoop(Hidden(network.cell), network.readout), driven(make_batch())) < 1e-9


@each_cell
def test_forward_mode_is_exact_where_symbols_are_fed_back_without_the_structure(cell):
    network = make(cell)
    loop = ClosedLoop(Hidden(network.cell), network.readout, symbolic=True)
    assert compare(loop, driven(make_batch(cross_entropy))) < 1e-9
