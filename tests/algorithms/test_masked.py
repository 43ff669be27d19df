"""What the mask leaves out can't matter: not its targets, not the outputs there, whatever the loss makes of them."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import relative_error
from problems import Case, make_problem, together

from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.forcings import make_forcing
from throughtime.networks import ClosedLoop, drive, make_network
from throughtime.tasks import Batch, make_task
from throughtime.tasks.losses import cross_entropy, squared_error

EXACT = ["full", "rtrl", "rtrl(update_every=None)", "truncated(k1=2, k2=7)", "online", "stochastic(length=7)"]
OTHERS = ["truncated(k1=2, k2=3)", "stochastic(length=3, draws=2)", "readout_only", "uoro", "snap", "ok(rank=2)"]
T, B, o = 7, 3, 2


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def distance(outputs, targets):
    """A loss with an infinite slope where an output meets its target."""
    return (outputs - targets).square().sum(dim=-1).sqrt()


def reciprocal(outputs, targets):
    """A loss that is infinite where an output meets its target."""
    return 1 / (outputs - targets).square().sum(dim=-1)


def log_likelihood(outputs, targets):
    """A loss that is not a number for negative targets, and infinite for none."""
    return (targets.log() - outputs).square().mean(dim=-1)


def network_and_batch(loss, mask, *, dtype=torch.float64, classes=False):
    network = make_network("gru", input_size=2, hidden_size=3, output_size=o, seed=0, dtype=dtype)
    inputs = torch.randn(T, B, 2, generator=draws(1), dtype=torch.float64).to(dtype)
    targets = torch.rand(T, B, o, generator=draws(2), dtype=torch.float64).to(dtype) + 0.5
    targets = torch.randint(o, (T, B), generator=draws(2)) if classes else targets
    return network, Batch(inputs, targets, loss, mask)


def spoiled(batch, value):
    """The same batch with another target wherever none counts."""
    targets = batch.targets.clone()
    targets[~batch.mask] = value
    return replace(batch, targets=targets)


def estimates(network, batch, spec):
    return estimate_gradient(make_algorithm(spec), network, batch, generator=draws(3))


masks = st.lists(st.booleans(), min_size=T * B, max_size=T * B).map(lambda bits: torch.tensor(bits).reshape(T, B))
SOME = torch.rand(T, B, generator=draws(9)) < 0.5


@pytest.mark.parametrize("value", [1e25, float("inf"), float("nan"), 0.0, -1.0])
@pytest.mark.parametrize("loss", [squared_error, distance, reciprocal, log_likelihood])
@settings(max_examples=30)
@given(mask=masks)
def test_losses_and_slopes_are_those_of_what_counts(loss, value, mask):
    _, batch = network_and_batch(loss, mask, dtype=torch.float32)
    outputs = torch.randn(T, B, o, generator=draws(4), requires_grad=True)
    found = spoiled(batch, value).losses(outputs)
    counted = loss(outputs[mask][None], batch.targets[mask][None])[0]
    assert torch.equal(found[mask], counted)
    assert not found[~mask].any()
    slope, expected = (torch.autograd.grad(losses.sum(), outputs)[0] for losses in (found, counted))
    assert torch.equal(slope, expected)


@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled")
@pytest.mark.parametrize("loss", [squared_error, distance, reciprocal])
@given(mask=masks)
def test_an_output_that_meets_its_target_where_it_does_not_count(loss, mask):
    _, batch = network_and_batch(loss, mask)
    outputs = torch.randn(T, B, o, generator=draws(4), dtype=torch.float64)
    outputs[~mask] = batch.targets[~mask]
    outputs.requires_grad_()
    with torch.autograd.detect_anomaly(check_nan=True):
        (slope,) = torch.autograd.grad(batch.mean_loss(outputs), outputs)
    assert bool(slope.isfinite().all())
    assert not slope[~mask].any()


@together("bad", [float("inf"), float("nan"), 1e30])
def test_outputs_that_do_not_count_may_be_anything(bad):
    _, batch = network_and_batch(squared_error, SOME, dtype=torch.float32)
    outputs = torch.randn(T, B, o, generator=draws(4))
    outputs[~SOME] = bad
    outputs.requires_grad_()
    loss = batch.mean_loss(outputs)
    (slope,) = torch.autograd.grad(loss, outputs)
    assert bool(loss.isfinite())
    assert bool(slope.isfinite().all())


@together("wrong", [-100, -1, o, 999])
def test_classes_that_do_not_count_may_be_none(wrong):
    network, batch = network_and_batch(cross_entropy, SOME, classes=True)
    for spec in EXACT + OTHERS:
        expected, found = (estimates(network, one, spec) for one in (batch, spoiled(batch, wrong)))
        assert all(torch.equal(found[name], expected[name]) for name in expected), spec


@pytest.mark.parametrize("spec", EXACT + OTHERS)
@together("value", [1e25, float("inf"), float("nan")])
@together("loss", [squared_error, distance, log_likelihood])
def test_every_algorithm_ignores_them(spec, value, loss):
    network, batch = network_and_batch(loss, SOME, dtype=torch.float32)
    expected, found = (estimates(network, one, spec) for one in (batch, spoiled(batch, value)))
    assert all(bool(gradient.isfinite().all()) for gradient in found.values())
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@given(mask=masks)
def test_exact_algorithms_agree_whatever_stands_there(mask):
    problem = make_problem(Case("gru", "masked"), mask=mask)
    expected = problem.naive().full()
    network, batch = problem.network, spoiled(problem.batch, float("inf"))
    for spec in EXACT:
        if mask.any():
            assert relative_error(estimates(network, batch, spec), expected) < 1e-9, spec


def test_naive_code_ignores_them_too():
    problem = make_problem(Case("gru", "masked"))
    expected = problem.naive().full()
    found = replace(problem, batch=spoiled(problem.batch, float("nan"))).naive().full()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@together("forcing", ["free", "scheduled", "generalized", "professor"])
def test_in_a_closed_loop_as_well(forcing):
    """The truth that is fed must be finite; the targets that do not count need not."""
    task = make_task("sunspots(length=12)")
    sample = task.sample(3, generator=draws())
    batch = replace(sample, mask=torch.rand(12, 3, generator=draws(1)) < 0.5)
    found = []
    for one in (batch, spoiled(batch, 1e25), spoiled(batch, float("nan"))):
        made = task.make_network("gru", hidden_size=4, seed=0, dtype=torch.float32, device="cpu")
        drawn = make_forcing(forcing)
        network = drawn.begin(made, "real", seed=0)
        driven = drawn.drive(one, network, progress=0.5, generator=draws(2))
        found += [estimates(network, driven, spec) for spec in ("full", "truncated(k1=5, k2=6)")]
    for first, *others in (found[::2], found[1::2]):
        assert all(torch.equal(first[name], other[name]) for other in others for name in first)
        assert all(bool(gradient.isfinite().all()) for gradient in first.values())


@pytest.mark.parametrize("truth", [0.0, 1.0])
def test_what_is_not_fed_back_does_not_matter(truth):
    made = make_network("rnn", input_size=2, hidden_size=3, output_size=2, seed=0)
    loop = ClosedLoop(made.cell, made.readout)
    true, hidden = torch.full((1, 2), 0.5), torch.zeros(1, 3)
    if truth:
        with torch.no_grad():
            loop.readout.bias.fill_(torch.inf)
    else:
        true.fill_(torch.inf)
    (x,) = drive(true[None], torch.full((1, 1), truth))
    assert bool(loop.seen(x, hidden).isfinite().all())


def test_scores_ignore_them():
    for name in ("sunspots", "traffic", "two_lag", "adding", "digits", "text(judged=800, horizon=4)"):
        task = make_task(name)
        test = task.test()
        outputs = torch.randn(test.length, test.size, task.output_size, generator=draws())
        expected = task.score(outputs, test)
        if test.targets.is_floating_point():
            test = spoiled(test, float("nan"))
        assert task.score(torch.where(test.mask[..., None], outputs, torch.inf), test) == expected, name


def test_an_update_of_weight_nothing_adds_nothing():
    class Careless(type(make_algorithm("full"))):
        def updates(self, network, batch, carry=None, *, generator=None):
            for update in super().updates(network, batch, carry):
                yield update
                for parameter in network.parameters():
                    parameter.grad = torch.full_like(parameter, torch.inf)
                yield update._replace(weight=0.0)

    network, batch = network_and_batch(squared_error, SOME)
    expected, found = estimates(network, batch, "full"), estimate_gradient(Careless(), network, batch)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
