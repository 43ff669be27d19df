"""A subclass's own step counts everywhere: no kernel, slope by hand or structure of its parent is believed instead."""

import pytest
import torch
from torch import nn

from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.networks import CELLS, Network, Recurrent
from throughtime.networks.closed_loop import ClosedLoop, drive
from throughtime.parts import BadInput
from throughtime.tasks import Batch
from throughtime.tasks.influence_balancing import Linear
from throughtime.tasks.losses import squared_error

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # φ's slopes
PARENTS = {name: CELLS.get(name) for name in ("rnn", "lstm", "gru")}
T, B, m, n, o = 5, 3, 2, 4, 2


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def squashed(parent):
    """Another φ."""

    class Squashed(parent):
        def activate(self, state, z):
            h, *rest = super().activate(state, z)
            return h.sin() * 0.5, *rest

    return Squashed


def scaled(parent):
    """Other pre-activations."""

    class Scaled(parent):
        def preactivations(self, input, hidden):
            return [2 * z for z in super().preactivations(input, hidden)]

    return Scaled


def leaking(parent):
    """Another step."""

    class Leaking(parent):
        def step(self, input, state):
            return tuple(0.5 * new + 0.5 * old for new, old in zip(super().step(input, state), state, strict=True))

    return Leaking


def grandchild(parent):
    """Another φ two generations up, and nothing here."""

    class Inherits(squashed(parent)):
        pass

    return Inherits


def mixed_in(parent):
    """Another φ from the side."""

    class Half:
        def activate(self, state, z):
            h, *rest = super().activate(state, z)
            return h / 2, *rest

    class Mixed(Half, parent):
        pass

    return Mixed


CHANGES = [squashed, scaled, leaking, grandchild, mixed_in]
each_change = pytest.mark.parametrize("change", CHANGES)
each_parent = pytest.mark.parametrize("parent", PARENTS.values(), ids=PARENTS.keys())


def data():
    inputs = torch.randn(T, B, m, generator=draws(1), dtype=torch.float64)
    return Batch(inputs, torch.randn(T, B, o, generator=draws(2), dtype=torch.float64), squared_error)


def network_of(cls):
    return Network(cls(m, n, generator=draws(3), dtype=torch.float64), nn.Linear(n, o, dtype=torch.float64))


def by_steps(cell, inputs):
    hidden, state = [], cell.initial_state(inputs.shape[1])
    for x in inputs:
        state = cell.step(x, state)
        hidden.append(state[0])
    return torch.stack(hidden)


def stepwise_gradient(network, batch):
    loss = batch.mean_loss(network.readout(by_steps(network.cell, batch.inputs)))
    names, parameters = zip(*network.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))


@each_parent
@each_change
def test_a_window_is_its_steps(parent, change):
    cell, plain = (cls(m, n, generator=draws(3), dtype=torch.float64) for cls in (change(parent), parent))
    inputs = data().inputs
    found = cell.unroll(inputs, cell.initial_state(B))[0]
    assert torch.allclose(found, by_steps(cell, inputs), rtol=1e-12)
    assert not torch.allclose(found, by_steps(plain, inputs), rtol=1e-3)


@each_parent
@each_change
@pytest.mark.parametrize("spec", ["full", "truncated(k1=1, k2=5)", "rtrl", "stochastic(length=5)"])
def test_exact_algorithms_agree(parent, change, spec):
    network, batch = network_of(change(parent)), data()
    expected = stepwise_gradient(network, batch)
    found = estimate_gradient(make_algorithm(spec), network, batch, generator=draws())
    for name, right in expected.items():
        assert torch.allclose(found[name], right, rtol=1e-9, atol=1e-14), name


@each_parent
def test_a_shortcut_that_is_written_beside_the_step_is_believed(parent):
    class Trusted(parent):
        activate = squashed(parent).activate
        unroll = parent.unroll
        derivatives = parent.derivatives

    assert Trusted.unroll is parent.unroll
    assert Trusted.derivatives is parent.derivatives
    assert parent.unroll is not Recurrent.unroll


@each_parent
def test_a_linearize_of_its_own_is_used(parent):
    calls = []

    class Watched(parent):
        def linearize(self, input, state):
            calls.append(len(input))
            return super().linearize(input, state)

    network, batch = network_of(Watched), data()
    assert Watched.unroll is parent.unroll
    assert network.structured
    found = estimate_gradient(make_algorithm("rtrl"), network, batch)
    assert calls == [B] * T
    for name, right in stepwise_gradient(network, batch).items():
        assert torch.allclose(found[name], right, rtol=1e-9)


@each_parent
@pytest.mark.parametrize(("change", "structured"), [(squashed, True), (leaking, False), (scaled, False)])
def test_only_another_step_takes_the_structure(parent, change, structured):
    network = network_of(change(parent))
    assert network.structured is structured
    if not structured:
        with pytest.raises(BadInput, match=r"has a step of its own, and Cell\.linearize is not that step's"):
            network.cell.linearize(data().inputs[0], network.initial_state(B))


def test_a_closed_loop_around_another_step_is_dense():
    cell = leaking(PARENTS["gru"])(m, n, generator=draws(3), dtype=torch.float64)
    loop = ClosedLoop(cell, nn.Linear(n, o, dtype=torch.float64))
    batch = data()
    driven = Batch(drive(batch.inputs, torch.zeros(T, B)), batch.targets, batch.loss)
    full, rtrl = (estimate_gradient(make_algorithm(spec), loop, driven) for spec in ("full", "rtrl"))
    assert all(torch.allclose(full[name], rtrl[name], rtol=1e-9) for name in full)


def test_a_recurrence_with_another_step_leaves_its_parents_window():
    class Damped(Linear):
        def step(self, input, state):
            return (0.9 * super().step(input, state)[0],)

    cell = Damped(dtype=torch.float64)
    inputs = torch.zeros(4, 1, 1, dtype=torch.float64)
    assert torch.allclose(cell.unroll(inputs, cell.initial_state(1))[0], by_steps(cell, inputs))


def test_a_network_with_another_step_is_that_step_for_all_algorithms():
    class Damped(Network):
        def step(self, input, state):
            return tuple(0.5 * part for part in self.cell.step(3 * input, state))

    cell = PARENTS["rnn"](m, n, generator=draws(3), dtype=torch.float64)
    network, batch = Damped(cell, nn.Linear(n, o, dtype=torch.float64)), data()
    state, outputs = network.initial_state(B), []
    for x in batch.inputs:
        state = network.step(x, state)
        outputs.append(network.readout(state[0]))
    expected = torch.autograd.grad(batch.mean_loss(torch.stack(outputs)), list(network.parameters()))
    assert not network.structured
    for spec in ("full", "rtrl"):
        found = estimate_gradient(make_algorithm(spec), network, batch)
        for (name, _), right in zip(network.named_parameters(), expected, strict=True):
            assert torch.allclose(found[name], right, rtol=1e-9), (spec, name)
