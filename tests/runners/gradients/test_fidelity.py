"""Fidelity: closed forms, exact algorithms, noise of a known size, enumerated draws, and defects in their groups."""

import math
from dataclasses import replace

import pytest
import torch

from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.networks import make_network
from throughtime.parts import BadInput
from throughtime.runners import measure_gradients
from throughtime.tasks import make_task

from .defective import MissingFactor, Noisy, Scaled, StaleState
from .known import A, by_a, leaky, ones

CELLS = ["rnn", "lstm", "gru"]


def problem(cell, length=12, size=3):
    task = make_task("two_lag", length=length)
    network = make_network(cell, input_size=1, hidden_size=4, output_size=2, seed=1, dtype=torch.float64)
    return network, task.sample(size, generator=torch.Generator().manual_seed(0)).to(dtype=torch.float64)


def figures(*of, **options):
    """By group and figure: value and error."""
    frame = measure_gradients(*of, **options)
    frame = frame[frame["against"] == "batch"]
    return {(row.group, row.figure): (row.value, row.error) for row in frame.itertuples()}


@pytest.mark.parametrize("k2", [1, 2, 5, 19, 20])
def test_the_bias_of_every_truncation_is_known(k2):
    found = figures(f"truncated(k1=1, k2={k2})", leaky(), ones(20))
    missing = by_a(A, 20) - by_a(A, 20, k2)
    assert found["recurrent", "bias"] == (pytest.approx(missing, abs=1e-9), 0)
    assert found["recurrent", "relative bias"][0] == pytest.approx(missing / by_a(A, 20), abs=1e-9)
    assert found["recurrent", "scale"][0] == pytest.approx(by_a(A, 20, k2) / by_a(A, 20), abs=1e-9)
    assert found["recurrent", "mean squared error"][0] == pytest.approx(missing**2, abs=1e-9)


@pytest.mark.parametrize("algorithm", ["full", "rtrl", "truncated(k1=3, k2=12)", "online(depth=12)"])
@pytest.mark.parametrize("cell", CELLS)
def test_exact_algorithms_have_no_bias(cell, algorithm):
    for (_, figure), (value, error) in figures(algorithm, *problem(cell)).items():
        assert error == 0 or figure == "signal to noise"
        if figure in ("relative bias", "relative variance"):
            assert value < 1e-12
        if figure in ("cosine", "sign agreement", "norm ratio", "scale"):
            assert value == pytest.approx(1, abs=1e-12)


def test_truncations_bias_falls_to_zero_as_the_window_grows():
    biases = [
        figures(f"truncated(k1=1, k2={k2})", *problem("rnn", size=1))["cell", "relative bias"][0]
        for k2 in (1, 4, 8, 12)
    ]
    assert biases == sorted(biases, reverse=True)
    assert biases[0] > 0.05
    assert biases[-1] < 1e-12


def test_noise_of_a_known_size():
    network, batch = problem("rnn")
    size = sum(parameter.numel() for parameter in network.parameters())
    exact = torch.cat([g.flatten() for g in estimate_gradient(make_algorithm("full"), network, batch).values()])
    found = figures(Noisy(b=0.02, s=0.1), network, batch, draws=600)
    bias, error = found["all", "bias"]
    assert error == pytest.approx(0.1 * math.sqrt(size / 600), rel=0.05)
    assert abs(bias - 0.02 * math.sqrt(size)) < error
    variance, error = found["all", "variance"]
    assert abs(variance - 0.01 * size) < 4 * error
    assert error == pytest.approx(0.01 * math.sqrt(2 * size) * math.sqrt(2 / 600), rel=0.2)  # of pairs' χ²
    mse, error = found["all", "mean squared error"]
    assert abs(mse - (0.01 + 0.0004) * size) < 4 * error
    assert mse == pytest.approx(bias**2 + variance, rel=1e-9)
    snr, error = found["all", "signal to noise"]
    assert abs(snr - float((exact + 0.02).norm()) / (0.1 * math.sqrt(size))) < 4 * error


def enumerated(network, batch, length, monkeypatch):
    """The mean recurrent gradient of `stochastic(length=…)` over all windows, which are drawn with equal odds."""
    algorithm, gradients = make_algorithm("stochastic", length=length), []
    for start in range(batch.length - length + 1):
        with monkeypatch.context() as fixed:
            fixed.setattr(torch, "randint", lambda *of, start=start, **options: torch.tensor(start))
            gradients.append(estimate_gradient(algorithm, network, batch)["cell.weight_hh_l0"])
    return torch.stack(gradients).mean(dim=0)


def test_uoro_is_unbiased_and_its_error_falls_with_the_draws():
    few, many = (figures("uoro", *problem("rnn"), draws=draws) for draws in (100, 900))
    for group in ("all", "recurrent", "input", "bias", "readout"):
        bias, error = many[group, "bias"]
        assert bias <= 4 * error + 1e-12
        scale, error = many[group, "scale"]
        assert abs(scale - 1) <= max(4 * error, 1e-9)
    assert few["all", "bias"][1] / many["all", "bias"][1] == pytest.approx(3, rel=0.15)  # variance goes as 1/draws
    assert many["cell", "relative variance"][0] > 0
    variance, error = few["all", "variance"]
    assert abs(variance - many["all", "variance"][0]) < 4 * error


def test_a_random_windows_bias_is_that_of_all_its_windows(monkeypatch):
    network, batch = problem('rnn(init="orthogonal", gain=1.0)')  # one that remembers: elsewhere little is cut off
    exact = estimate_gradient(make_algorithm("full"), network, batch)["cell.weight_hh_l0"]
    enumerated_bias = float((enumerated(network, batch, 3, monkeypatch) - exact).norm())
    bias, error = figures("stochastic(length=3)", network, batch, draws=800)["recurrent", "bias"]
    assert abs(bias - enumerated_bias) < 4 * error
    assert enumerated_bias > 4 * error  # which a bias of zero would not pass


def groups_with(found, figure="relative bias", beyond=1e-9):
    return {group for (group, name), (value, _) in found.items() if name == figure and value > beyond}


def test_a_scale_shows_in_its_group():
    found = figures(Scaled(), *problem("gru"))
    assert groups_with(found) == {"all", "readout"}
    assert found["readout", "relative bias"][0] == pytest.approx(0.1)
    assert [found["readout", name][0] for name in ("norm ratio", "scale")] == pytest.approx([0.9, 0.9])
    assert found["readout", "cosine"][0] == pytest.approx(1)


def test_a_stale_state_shows_in_its_group():
    found = figures(StaleState(), *problem("rnn"))
    assert groups_with(found) == {"all", "cell", "recurrent"}
    assert found["recurrent", "cosine"][0] < 0.999


def test_a_missing_factor_of_one_gate_shows_in_its_group():
    found = figures(MissingFactor(), *problem("lstm"))
    assert groups_with(found) == {"all", "cell", "input", "recurrent", "bias", "gate f"}
    assert found["gate f", "norm ratio"][0] == pytest.approx(2)


def test_many_batches_bring_the_noise_of_the_data():
    network, _ = problem("rnn")
    task, source = make_task("two_lag", length=12), torch.Generator().manual_seed(3)
    batches = [task.sample(4, generator=source).to(dtype=torch.float64) for _ in range(40)]
    frame = measure_gradients("rtrl", network, batches).set_index(["against", "group", "figure"])
    value = frame["value"]
    assert value["batch", "all", "variance"] < 1e-20
    assert value["expectation", "all", "relative variance"] > 1e-2
    assert value["expectation", "all", "relative bias"] < 1e-12
    assert 0 < value["expectation", "all", "cosine"] < 1
    assert frame["draws"]["expectation", "all", "bias"] == 40


def test_a_bias_over_many_batches_is_not_hidden_by_their_noise():
    network, batch = problem("rnn", size=40)
    batches = [replace(batch, inputs=batch.inputs[:, i : i + 1], targets=batch.targets[:, i : i + 1],
                       mask=batch.mask[:, i : i + 1]) for i in range(40)]  # fmt: skip
    frame = measure_gradients("truncated(k1=12, k2=12)", network, batches)
    cut = measure_gradients("truncated(k1=4, k2=4)", network, batches)
    whole = figures("truncated(k1=4, k2=4)", network, batch)["all", "bias"][0]
    for found, bias in ((frame, 0), (cut, whole)):
        row = found[(found["against"] == "expectation") & (found["group"] == "all") & (found["figure"] == "bias")]
        assert abs(row["value"].iloc[0] - bias) <= 4 * row["error"].iloc[0] + 1e-12
        assert row["error"].iloc[0] < max(bias, 1e-12)


def test_what_draws_nothing_is_asked_twice():
    assert set(measure_gradients("full", *problem("rnn"), draws=1000)["draws"]) == {2}
    assert set(measure_gradients("stochastic(length=6)", *problem("rnn"), draws=7)["draws"]) == {7}


def test_the_network_is_left_as_it_was_and_a_seed_repeats():
    network, batch = problem("gru")
    network.train()
    one, other = (measure_gradients("uoro", network, batch, draws=3) for _ in range(2))
    assert one.equals(other)
    assert not one.equals(measure_gradients("uoro", network, batch, draws=3, seed=1))
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize(("draws", "batches"), [(1, 1), (5, 0)])
def test_one_draw_tells_no_variance(draws, batches):
    network, batch = problem("rnn")
    with pytest.raises(BadInput, match=f"two draws or more, of one batch or more; got {draws} of {batches}"):
        measure_gradients("full", network, [batch] * batches, draws=draws)
