"""Sparse cells: a share of the recurrent weights is zero, and stays so whatever trains them."""

import pytest
import torch

from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.algorithms.compiled.choose import kernels_of
from throughtime.algorithms.influence import make_influence
from throughtime.networks import make_network
from throughtime.tasks import Batch
from throughtime.tasks.losses import squared_error

N = 8
CELLS = ["rnn", "leaky", "gru", "lstm"]
ALGORITHMS = [
    "full",
    "truncated(k1=2, k2=3)",
    "online(depth=2)",
    "stochastic(length=3)",
    "rtrl",
    "uoro",
    "readout_only",
]
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.1),
    "adam": lambda p: torch.optim.Adam(p, 0.05, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, 0.05, weight_decay=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.01, momentum=0.5),
}


def network_of(cell, sparsity=0.75, seed=0):
    sizes = {"input_size": 2, "hidden_size": N, "output_size": 1}
    return make_network(f"{cell}(sparsity={sparsity})", **sizes, seed=seed, dtype=torch.float64)


def batch_of(T=6, B=2):
    draws = torch.Generator().manual_seed(1)
    inputs, targets = (torch.randn(T, B, k, generator=draws, dtype=torch.float64) for k in (2, 1))
    return Batch(inputs, targets, squared_error)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("sparsity", "kept"), [(0.75, 2), (0.5, 4), (0.25, 6), (0.99, 1)])
def test_every_row_keeps_its_share(cell, sparsity, kept):
    weight = network_of(cell, sparsity).cell.weight_hh_l0
    assert set((weight != 0).sum(dim=1).tolist()) == {kept}


def test_the_mask_is_the_seeds():
    first, again, other = (network_of("gru", seed=seed).cell.mask for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert len({tuple(row) for row in first.tolist()}) > 8  # rows are drawn apart


def test_places_are_drawn_evenly():
    counts = sum(network_of("lstm", seed=seed).cell.mask.sum(dim=0) for seed in range(20))
    expected = 20 * 4 * N * 0.25
    assert (counts - expected).abs().max() < 6 * (expected * 0.75) ** 0.5


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("cell", CELLS)
def test_zeros_stay_zero_under_every_optimizer(cell, optimizer):
    network, batch = network_of(cell), batch_of()
    left_out = ~network.cell.mask
    before = network.cell.weight_hh_l0.detach().clone()
    stepper = OPTIMIZERS[optimizer](network.parameters())
    steps = 0
    while steps < 20:
        for algorithm in ("full", "rtrl(update_every=3)", "uoro"):
            for _ in make_algorithm(algorithm).updates(network, batch, generator=torch.Generator().manual_seed(steps)):
                stepper.step()
                steps += 1
    assert not network.cell.weight_hh_l0[left_out].any()
    assert (network.cell.weight_hh_l0 != before)[~left_out].all()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("cell", CELLS)
def test_what_is_left_out_has_no_gradient(cell, algorithm):
    """So that norms, clipping and cosines know nothing of it."""
    network = network_of(cell)
    draws = torch.Generator().manual_seed(0)
    gradient = estimate_gradient(make_algorithm(algorithm), network, batch_of(), generator=draws)["cell.weight_hh_l0"]
    assert not gradient[~network.cell.mask].any()
    assert algorithm == "readout_only" or gradient[network.cell.mask].any()


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_left_out_has_no_effect(cell):
    network, batch = network_of(cell), batch_of()
    expected = network.unroll(batch.inputs)[0]
    with torch.no_grad():
        network.cell.weight_hh_l0.masked_fill_(~network.cell.mask, 7.0)
    torch.testing.assert_close(network.unroll(batch.inputs)[0], expected)
    state = network.initial_state(batch.size)
    for x in batch.inputs:
        state = network.step(x, state)
    torch.testing.assert_close(network.readout(state[0]), expected[-1])


@pytest.mark.parametrize(
    ("cell", "gates", "parts", "blind"), [("rnn", 1, 1, 0), ("leaky", 1, 1, 0), ("lstm", 4, 2, 0), ("gru", 4, 1, 1)]
)
def test_the_influence_has_columns_for_what_is_left_alone(cell, gates, parts, blind):
    """The candidate's input half of the gru sees no h, its hidden half no x."""
    matrix = make_influence(network_of(cell), 3).matrix
    kept, m = N // 4, 2
    columns = N * (gates * (m + kept + 1) - blind * (m + kept))
    assert matrix.shape == (3, parts * N, columns)


def test_compiled_kernels_step_aside_for_a_mask_and_for_nothing_else():
    sizes = {"input_size": 2, "hidden_size": N, "output_size": 1, "seed": 0, "dtype": torch.float64}
    batch = batch_of()
    assert kernels_of(network_of("rnn"), batch) is None
    plain = kernels_of(make_network("lstm", **sizes), batch)
    for spec in ("rnn(init='orthogonal')", "gru(gain=0.5)", "lstm(forget_bias=1.0)"):
        assert (kernels_of(make_network(spec, **sizes), batch) is None) == (plain is None)
    for spec in ("leaky", "lru", "rnn(layers=2)"):
        assert kernels_of(make_network(spec, **sizes), batch) is None
