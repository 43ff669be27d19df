"""Reach: closed forms, truncated BPTT's bias, autograd, and the textbook's order."""

import math

import pytest
import torch

from throughtime.networks import make_network
from throughtime.runners.gradients.frames import measure_gradients, measure_reach
from throughtime.runners.training.reach import reach
from throughtime.tasks import Batch, make_task
from throughtime.tasks.losses import squared_error

from .known import A, by_a, leaky, ones


@pytest.mark.parametrize("a", [A, -0.5, 1.0, 1.1])
def test_a_scalar_reaches_back_by_its_powers(a):
    found = reach(leaky(a), ones(30, sequences=2))
    assert len(found.lags) == 30
    for lag, at in enumerate(found.lags):
        assert (at.mean, *at.quantiles) == pytest.approx((abs(a) ** lag,) * 4, abs=1e-12)
        assert at.gain == pytest.approx(abs(a) ** lag, abs=1e-12)
    assert found.rate == pytest.approx(math.log(abs(a)), abs=1e-9)


def test_what_lies_beyond_a_lag_is_what_truncation_misses():
    length = 25
    frame = measure_reach(leaky(), ones(length))
    whole = [by_a(A, length), *[sum(A**k for t in range(length) for k in range(t + 1)) / length] * 3]
    for lag in (0, 3, 10, length - 1):
        near = [by_a(A, length, lag + 1), *[sum(A**k for t in range(length) for k in range(t + 1)[: lag + 1])] * 3]
        near = [near[0], *(part / length for part in near[1:])]
        missing = math.dist(whole, near) / math.hypot(*whole)
        assert frame.loc[lag, "beyond"] == pytest.approx(missing, abs=1e-12)


def problem(cell, length=12, mask=False):
    task = make_task("two_lag", length=length)
    network = make_network(cell, input_size=1, hidden_size=5, output_size=2, seed=1, dtype=torch.float64)
    batch = task.sample(3, generator=torch.Generator().manual_seed(0)).to(dtype=torch.float64)
    if mask:
        kept = torch.rand(length, 3, generator=torch.Generator().manual_seed(1)) < 0.4
        kept[-1, 0], kept[4] = True, False
        batch = Batch(batch.inputs, batch.targets, batch.loss, kept)
    return network, batch


@pytest.mark.parametrize("mask", [False, True], ids=["every step", "masked"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_what_lies_beyond_a_lag_is_the_bias_of_truncated_bptt(cell, mask):
    network, batch = problem(cell, mask=mask)
    frame = measure_reach(network, batch)
    for lag in (0, 2, 6, 11):
        found = measure_gradients(f"truncated(k1=1, k2={lag + 1})", network, batch, draws=2)
        row = found[(found["group"] == "cell") & (found["figure"] == "relative bias")].iloc[0]
        assert frame.loc[lag, "beyond"] == pytest.approx(row["value"], abs=1e-12)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_norms_are_autograds(cell):
    network, batch = problem(cell, length=10)
    leaf = [part.requires_grad_() for part in network.initial_state(3)]
    states, hidden = [tuple(leaf)], []
    for x in batch.inputs:
        fresh = tuple(part + 0 for part in network.step(x, states[-1]))
        states.append(fresh)
        hidden.append(fresh[0])
    losses = batch.losses(network.readout(torch.stack(hidden)))
    norms = []
    for t in (8, 9):  # the others have no target
        slopes = torch.autograd.grad(losses[t].sum(), states[t - 1], retain_graph=True)  # after step t − 2: lag 2
        norms.append(torch.cat(slopes, dim=1).norm(dim=1))
    found = reach(network, batch).lags[2]
    assert found.mean == pytest.approx(float(torch.cat(norms).mean()), abs=1e-12)
    assert found.quantiles[1] == pytest.approx(float(torch.cat(norms).quantile(0.5)), abs=1e-12)


def test_the_lag_of_a_share_holds_from_there_on():
    found = reach(leaky(), ones(60))
    lag = found.lag_of(0.9)
    assert found.lags[lag].beyond <= 0.1 < found.lags[lag - 1].beyond
    assert found.lag_of(0.99) > lag
    assert measure_reach(leaky(), ones(60)).attrs["lag_90"] == lag
    assert reach(leaky(), ones(60), lags=3).lag_of(0.9) is None


def test_a_network_without_gradient_has_no_lag():
    network, batch = problem("rnn")
    with torch.no_grad():
        network.readout.weight.zero_()
    found = reach(network, batch)
    assert found.lag_of(0.9) is None
    assert math.isnan(found.rate)


def test_the_network_is_left_as_it_was():
    network, batch = problem("rnn")
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    network.train()
    reach(network.float(), batch.to(dtype=torch.float32), sequences=2)
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(before[name].float(), parameter) for name, parameter in network.named_parameters())


def noise(length):
    source = torch.Generator().manual_seed(0)
    inputs, targets = (torch.randn(length, 2, 1, generator=source, dtype=torch.float64) for _ in range(2))
    return Batch(0.1 * inputs, targets, squared_error)


def test_at_two_hundred_steps_the_textbooks_order_holds():
    """Flat: an orthogonal RNN. By powers of ten: a default RNN. Long: an LSTM that remembers. Between: a GRU."""

    def made(cell):
        return make_network(cell, input_size=1, hidden_size=24, output_size=1, seed=0, dtype=torch.float64)

    networks = {"default": made("rnn"), "orthogonal": made("rnn"), "lstm": made("lstm"), "gru": made("gru")}
    with torch.no_grad():
        cell = networks["orthogonal"].cell
        torch.nn.init.orthogonal_(cell.weight_hh_l0, generator=torch.Generator().manual_seed(0))
        cell.bias_ih_l0.zero_()
        cell.bias_hh_l0.zero_()
        networks["lstm"].cell.bias_ih_l0[24:48] += 1
    gains = {name: [at.gain for at in reach(one, noise(200)).lags] for name, one in networks.items()}
    print({name: (g[20], g[50], g[-1]) for name, g in gains.items()})
    assert gains["orthogonal"][199] > 1e-2
    assert gains["default"][199] < 1e-30
    for lag in (50, 199):
        assert gains["orthogonal"][lag] > gains["lstm"][lag] > gains["gru"][lag] > gains["default"][lag]
