"""Exact algorithms on every kind of cell: leaky, sparse, diagonal, stacked, against the cell written down once more."""

import copy
import math

import pytest
import torch
from naive_cells import DIAGONAL, SPECS, loss_of, losses_of, start, step
from problems import together

from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.algorithms.influence import make_influence
from throughtime.forcings import make_forcing
from throughtime.networks import ClosedLoop, make_network
from throughtime.runners.training.measure import carry_bytes, count_updates
from throughtime.tasks import Batch
from throughtime.tasks.losses import cross_entropy, squared_error

T, m, o = 7, 2, 2
each_spec = pytest.mark.parametrize("spec", SPECS)


def make(spec, size=3, *, masked=True, length=T, inputs=m):
    draws = torch.Generator().manual_seed(5)
    sizes = {"input_size": inputs, "hidden_size": SPECS[spec], "output_size": o}
    network = make_network(spec, **sizes, seed=3, dtype=torch.float64)
    x, y = (torch.randn(length, size, k, generator=draws, dtype=torch.float64) for k in (inputs, o))
    mask = None
    if masked:
        mask = torch.rand(length, size, generator=draws) < 0.6
        mask[2] = False
        mask[-1, 0] = True
    return network, Batch(x, y, squared_error, mask)


def estimate(algorithm, network, batch):
    return estimate_gradient(make_algorithm(algorithm), network, batch, generator=torch.Generator().manual_seed(0))


def expected_of(network, batch, spec):
    names, parameters = zip(*network.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss_of(network, batch, spec), parameters), strict=True))


def apart(found, expected):
    difference = sum(float((found[name] - expected[name]).square().sum()) for name in expected)
    return (difference / sum(float(one.square().sum()) for one in expected.values())) ** 0.5


@together("size", [1, 3])
@each_spec
@pytest.mark.parametrize(
    "algorithm", ["full", "truncated(k1=3, k2=7)", "online", "rtrl(update_every=3)", "stochastic(length=7)"]
)
def test_exact_algorithms_give_the_plain_loops_gradient(spec, size, algorithm):
    network, batch = make(spec, size)
    assert apart(estimate(algorithm, network, batch), expected_of(network, batch, spec)) < 1e-11


@each_spec
def test_a_walk_cut_short_gives_another(spec):
    network, batch = make(spec)
    assert apart(estimate("truncated(k1=2, k2=2)", network, batch), expected_of(network, batch, spec)) > 1e-4


@each_spec
def test_over_two_batches_as_over_one(spec):
    """The gradient of the second batch's loss reaches through the carried influence to the first batch's start."""
    network, whole = make(spec, masked=False, length=8)
    first, second = (Batch(whole.inputs[a:b], whole.targets[a:b], squared_error) for a, b in ((0, 5), (5, 8)))
    rtrl, carry = make_algorithm("rtrl"), None
    for update in rtrl.updates(network, first):
        carry = update.carry
    found = estimate_gradient(rtrl, network, second, carry)
    names, parameters = zip(*network.named_parameters(), strict=True)
    losses = losses_of(network, whole, spec, dict(network.named_parameters()))
    expected = torch.autograd.grad(losses[5:].sum() / second.total, parameters)
    assert apart(found, dict(zip(names, expected, strict=True))) < 1e-11


@each_spec
def test_updating_as_it_goes(spec):
    """An SGD step after every step: the naive loop keeps each step's own parameters in one graph."""
    network, batch = make(spec, masked=False, length=12)
    rate, twin = 0.05, copy.deepcopy(network)
    for _ in make_algorithm("rtrl").updates(network, batch):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter -= rate * parameter.grad
    # RTRL's influence is that of one perturbation of all past steps' parameters: they share one leaf, moved by values.
    names = [name for name, _ in twin.named_parameters()]
    leaf = {name: torch.zeros_like(parameter, requires_grad=True) for name, parameter in twin.named_parameters()}
    now = {name: parameter.detach().clone() for name, parameter in twin.named_parameters()}
    states = start(twin, batch.size)
    for t, x in enumerate(batch.inputs):
        p = {name: now[name] + leaf[name] for name in names}
        states = step(twin, spec, p, x, states)
        outputs = states[-1][0] @ p["readout.weight"].T + p["readout.bias"]
        loss = batch.window(t, t + 1).mean_loss(outputs[None])
        grads = torch.autograd.grad(loss, [leaf[name] for name in names], retain_graph=True)
        now = {name: now[name] - rate * grad for name, grad in zip(names, grads, strict=True)}
    assert apart({name: p.detach() for name, p in network.named_parameters()}, now) < 1e-12


@each_spec
@together("forcing", ["free", "generalized(alpha=0.4)"])
@together("symbols", [False, True])
def test_a_closed_loop_is_exact(spec, forcing, symbols):
    network, batch = make(spec, inputs=3)
    if symbols:
        batch = Batch(batch.inputs, batch.targets.argmax(dim=2), cross_entropy, batch.mask)
    forced = make_forcing(forcing)
    network = forced.begin(network, "symbol" if symbols else "real", seed=0)
    batch = forced.drive(batch, network, progress=0.5, generator=torch.Generator().manual_seed(0))
    state, outputs = network.initial_state(batch.size), []
    for x in batch.inputs:
        state = network.step(x, state)
        outputs.append(network.readout(state[0]))
    names, parameters = zip(*network.named_parameters(), strict=True)
    expected = torch.autograd.grad(batch.mean_loss(torch.stack(outputs)), parameters)
    for algorithm in ("full", "rtrl"):
        assert apart(estimate(algorithm, network, batch), dict(zip(names, expected, strict=True))) < 1e-11


@pytest.mark.parametrize("spec", ["lru", "elstm", "leaky(leak=0.3, sparsity=0.5)", "lstm(layers=2)"])
def test_uoro_is_unbiased(spec):
    """A batch of copies of one sequence has the mean of as many draws, and so known errors a few batches tell."""
    network, batch = make(spec, size=1, masked=False, length=4)
    copies = Batch(batch.inputs.repeat(1, 200, 1), batch.targets.repeat(1, 200, 1), squared_error)
    draws = torch.Generator().manual_seed(0)
    uoro, expected = make_algorithm("uoro"), expected_of(network, batch, spec)
    found = [estimate_gradient(uoro, network, copies, generator=draws) for _ in range(16)]
    for name, exact in expected.items():
        means = torch.stack([one[name] for one in found])
        error = means.std(dim=0) / len(found) ** 0.5
        assert ((means.mean(dim=0) - exact).abs() <= 6 * error + 1e-12).all(), name


class TestMemoryOfDiagonalCells:
    """What `rtrl` carries is R numbers for each of the cell's parameters and sequence: O(B P)."""

    @staticmethod
    def sized(spec, units, size=4):
        network = make_network(spec, input_size=4, hidden_size=units, output_size=1, seed=0)
        draws = torch.Generator().manual_seed(0)
        x, y = (torch.randn(6, size, k, generator=draws) for k in (4, 1))
        return network, Batch(x, y, squared_error)

    @pytest.mark.parametrize("spec", DIAGONAL)
    def test_numbers_of_the_influence(self, spec):
        network, _ = self.sized(spec, 16)
        P = sum(parameter.numel() for parameter in network.cell.parameters())
        columns = {"lru": 2 * 8 * (2 * 4 + 3), "rtu": 2 * 8 * (2 * 4 + 2), "elstm": 16 * (2 * 5 + 2)}[spec]
        assert make_influence(network, 3).matrix.numel() == 3 * columns
        assert columns <= 2 * P

    @pytest.mark.parametrize("spec", DIAGONAL)
    @pytest.mark.parametrize("what", ["peak", "carry"])
    def test_measured_bytes_grow_as_the_parameters(self, spec, what):
        sizes, found = (64, 256), []
        for units in sizes:
            network, batch = self.sized(spec, units)
            rtrl, carry = make_algorithm("rtrl"), None
            for update in rtrl.updates(network, batch):
                carry = update.carry
            found.append(count_updates(rtrl, network, batch).peak_bytes if what == "peak" else carry_bytes(carry))
        assert math.log(found[1] / found[0], 4) == pytest.approx(1, abs=0.05)

    @pytest.mark.parametrize("spec", DIAGONAL)
    def test_and_not_with_the_length(self, spec):
        network, batch = self.sized(spec, 32)
        long = Batch(batch.inputs.repeat(4, 1, 1), batch.targets.repeat(4, 1, 1), squared_error)
        short, more = (count_updates(make_algorithm("rtrl"), network, one).peak_bytes for one in (batch, long))
        assert more <= 1.01 * short

    def test_a_loop_that_has_a_derivative_is_dense(self):
        network, _ = self.sized("lru", 4)
        loop = ClosedLoop(network.cell, network.readout)
        P = sum(parameter.numel() for parameter in loop.parameters())
        assert make_influence(loop, 2).matrix.shape == (2, 4, P)
