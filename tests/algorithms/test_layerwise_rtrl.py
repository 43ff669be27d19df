"""Layer by layer RTRL: rtrl with one layer, and with two what is left where credit crosses layers within a step."""

import pytest
import torch
from naive_cells import SPECS, start, step
from problems import together
from test_cell_kinds import apart, estimate, expected_of, make

from throughtime.algorithms import make_algorithm
from throughtime.networks import Network, Recurrent
from throughtime.tasks import Batch
from throughtime.tasks.losses import squared_error

ONE = [spec for spec in SPECS if "layers" not in spec]
MORE = [spec for spec in SPECS if "layers" in spec]
RATE = 0.1


@pytest.mark.parametrize("spec", ONE)
def test_with_one_layer_it_is_rtrl(spec):
    network, batch = make(spec)
    found, expected = (
        estimate(name, network, batch) for name in ("layerwise_rtrl(update_every=2)", "rtrl(update_every=2)")
    )
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("spec", MORE)
def test_with_more_it_is_biased_in_the_lower_layers_alone(spec):
    network, batch = make(spec)
    found, expected = estimate("layerwise_rtrl", network, batch), expected_of(network, batch, spec)
    top = f"_l{sum(name.startswith('weight_ih') for name, _ in network.cell.named_parameters()) - 1}"
    for name, exact in expected.items():
        if name.endswith(top) or name.startswith("readout"):
            assert apart({name: found[name]}, {name: exact}) < 1e-11, name
    assert apart(found, expected) > 1e-3


@pytest.mark.parametrize("spec", MORE)
def test_over_one_step_it_is_exact(spec):
    network, batch = make(spec, masked=False, length=1)
    assert apart(estimate("layerwise_rtrl", network, batch), expected_of(network, batch, spec)) < 1e-12


@together("size", [1, 3])
@pytest.mark.parametrize("spec", MORE)
def test_it_is_autograd_with_every_layers_past_input_taken_as_given(spec, size):
    """Of step t's loss: each layer is run again over its recorded inputs up to t, whose last alone has a gradient."""
    network, batch = make(spec, size)
    p = dict(network.named_parameters())
    names = list(p)
    states, seen = start(network, size), []
    with torch.no_grad():
        for x in batch.inputs:
            states = step(network, spec, p, x, states)
            seen.append([x, *(state[0] for state in states)])
    total = {name: torch.zeros_like(value) for name, value in p.items()}
    for t in range(batch.length):
        if not batch.counts[t]:
            continue
        now = batch.inputs[t]
        for layer in range(len(states)):
            mine = start(network, size)[layer]
            for s in range(t + 1):
                mine = _one_layer(network, spec, p, layer, seen[s][layer] if s < t else now, mine)
            now = mine[0]
        loss = (
            batch.window(t, t + 1).losses((now @ p["readout.weight"].T + p["readout.bias"])[None]).sum() / batch.total
        )
        for name, slope in zip(names, torch.autograd.grad(loss, list(p.values()), allow_unused=True), strict=True):
            total[name] += 0 if slope is None else slope
    assert apart(estimate("layerwise_rtrl(update_every=None)", network, batch), total) < 1e-11


def _one_layer(network, spec, p, layer, x, state):
    shifted = {name.replace(f"_l{layer}", "_l0"): value for name, value in p.items() if name.endswith(f"_l{layer}")}
    return step(_Layer(network, layer), spec, shifted, x, [state])[0]


class _Layer:
    """A network of one layer, as far as `step` looks at it."""

    def __init__(self, network, layer):
        self.cell = self
        self.parameters = [
            n.replace(f"_l{layer}", "_l0") for n, _ in network.cell.named_parameters() if n.endswith(f"_l{layer}")
        ]
        self.buffers = [("mask_hh_l0", b) for n, b in network.cell.named_buffers() if n.endswith(f"_l{layer}")]

    def named_parameters(self):
        return [(name, None) for name in self.parameters]

    def named_buffers(self):
        return self.buffers


@pytest.mark.parametrize("spec", MORE)
def test_descent_over_20_steps_ends_where_a_naive_loops_does(spec):
    """As above, each past step at the parameters of then: of them all, the same ε is added to every step's."""
    (network, batch), (other, _) = (make(spec, length=20) for _ in range(2))
    for _ in make_algorithm("layerwise_rtrl").updates(network, batch):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter -= RATE * parameter.grad
    theta = {name: value.detach().clone() for name, value in other.named_parameters()}
    states, seen, then = start(other, len(batch.inputs[0])), [], []
    for t, x in enumerate(batch.inputs):
        then.append(theta)
        states = step(other, spec, theta, x, states)
        seen.append([x, *(state[0] for state in states)])
        if not batch.counts[t]:
            continue
        epsilon = {name: torch.zeros_like(value, requires_grad=True) for name, value in theta.items()}
        moved = [{name: value + epsilon[name] for name, value in past.items()} for past in then]
        now = x
        for layer in range(len(states)):
            mine = start(other, len(x))[layer]
            for s in range(t + 1):
                mine = _one_layer(other, spec, moved[s], layer, seen[s][layer] if s < t else now, mine)
            now = mine[0]
        outputs = now @ moved[t]["readout.weight"].T + moved[t]["readout.bias"]
        loss = batch.window(t, t + 1).losses(outputs[None]).sum() / batch.counts[t]
        slopes = torch.autograd.grad(loss, list(epsilon.values()), allow_unused=True)
        theta = {
            name: value if slope is None else value - RATE * slope
            for (name, value), slope in zip(theta.items(), slopes, strict=True)
        }
    assert apart({name: value.detach() for name, value in network.named_parameters()}, theta) < 1e-9


@pytest.mark.parametrize("spec", MORE)
def test_in_two_batches_as_in_one(spec):
    network, whole = make(spec, masked=False, length=8)
    algorithm, total, carry = make_algorithm("layerwise_rtrl"), {}, None
    for a, b in ((0, 5), (5, 8)):
        part = Batch(whole.inputs[a:b], whole.targets[a:b], squared_error)
        for update in algorithm.updates(network, part, carry):
            carry = update.carry
            for name, parameter in network.named_parameters():
                total[name] = total.get(name, 0) + parameter.grad / 8
    assert apart(total, estimate("layerwise_rtrl", network, whole)) < 1e-12


def test_it_refuses_a_step_around_the_layers():
    class Other(Network):
        def step(self, input, state):
            return super().step(2 * input, state)

    network, _ = make("rnn(layers=2)")
    assert not make_algorithm("layerwise_rtrl").refuses(network)
    reason = make_algorithm("layerwise_rtrl").refuses(Other(network.cell, network.readout))
    assert reason.startswith("Other may have a start or a step of its own around the layers")


def test_it_takes_what_has_no_layers_as_rtrl_does():
    class Halves(Recurrent):
        def __init__(self):
            super().__init__()
            self.input_size, self.hidden_size = 2, 2
            self.rate = torch.nn.Parameter(torch.tensor([0.5, 0.7], dtype=torch.float64))

        def initial_state(self, batch_size):
            return (self.rate.new_zeros(batch_size, 2),)

        def step(self, input, state):
            return ((self.rate * state[0] + input).tanh(),)

    network, batch = make("rnn(layers=2)")
    network = Network(Halves(), torch.nn.Linear(2, 2, dtype=torch.float64))
    found, expected = (estimate(name, network, batch) for name in ("layerwise_rtrl", "rtrl"))
    assert all(torch.equal(found[name], expected[name]) for name in expected)
