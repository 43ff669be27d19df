"""Errors forward through time: full's gradient where nothing is forgotten, noise where much is, and never NaN."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import relative_error
from problems import CELLS, FORCINGS, LOSSES, Case, make_problem, shared_problem, together, train

from throughtime.algorithms import NoGradient, estimate_gradient, make_algorithm
from throughtime.networks import make_network
from throughtime.runners.suite.config import RunConfig
from throughtime.runners.training.measure import count_updates, gradient_quality
from throughtime.runners.training.train import Trainer
from throughtime.runners.training.workload import Workload
from throughtime.tasks import Batch
from throughtime.tasks.losses import squared_error

STEPS = 3  # of which two are solved: what rounding grows to in more depends on the weights


@together("loss", LOSSES)
@together("mask", ["unmasked", "masked", "lengths", "last"])
@together("forcing", ["teacher", *FORCINGS])
@together("cell", CELLS)
def test_it_is_full(cell, forcing, mask, loss):
    problem = shared_problem(Case(cell, mask, 2, loss, T=STEPS, m=3, forcing=forcing))
    assert relative_error(problem.estimate("forward_errors"), problem.twin.full()) <= 1e-9


@settings(max_examples=20)
@given(T=st.integers(1, 12), n=st.integers(1, 6), batch=st.integers(1, 3), seed=st.integers(0, 99))
def test_of_any_size_where_little_is_forgotten(T, n, batch, seed):
    problem = make_problem(Case("rnn", "masked", batch, T=T, n=n), seed=seed)
    remember(problem.network, seed)
    found = problem.estimate("forward_errors")
    assert relative_error(found, problem.estimate("full")) <= 1e-8


@torch.no_grad()
def remember(network, seed=0, scale=1.0):
    """Orthogonal recurrent weights, times a factor, and weak inputs, which keep tanh near its linear part."""
    draws = torch.Generator().manual_seed(seed)
    torch.nn.init.orthogonal_(network.cell.weight_hh_l0, generator=draws).mul_(scale)
    for parameter in (network.cell.weight_ih_l0, network.cell.bias_ih_l0, network.cell.bias_hh_l0):
        parameter.mul_(0.01)


def quality(scale, T, dtype):
    network = make_network("rnn", input_size=2, hidden_size=8, output_size=2, seed=0, dtype=torch.float64)
    remember(network, scale=scale)
    draws = torch.Generator().manual_seed(1)
    inputs, targets = (torch.randn(T, 4, 2, generator=draws, dtype=torch.float64) for _ in range(2))
    exact = estimate_gradient(make_algorithm("full"), network, Batch(inputs, targets, squared_error))
    batch = Batch(inputs.to(dtype), targets.to(dtype), squared_error)
    return gradient_quality(estimate_gradient(make_algorithm("forward_errors"), network.to(dtype), batch), exact)


def test_200_steps_of_an_orthogonal_network_in_both_precisions():
    assert quality(1.0, 200, torch.float64).relative_error <= 1e-9
    assert quality(1.0, 200, torch.float32).cosine >= 0.99


def test_errors_grow_as_the_inverse_of_what_is_left_of_a_state():
    """A tenth is forgotten at every step: after 100 steps more the error is (1/0.9)^100 = 38,000 times as large."""
    grown = quality(0.9, 200, torch.float64).relative_error / quality(0.9, 100, torch.float64).relative_error
    assert 1e3 <= grown <= 1e6


def test_a_network_that_forgets_half_at_every_step_leaves_noise():
    assert quality(0.5, 20, torch.float64).relative_error <= 1e-6
    assert abs(quality(0.5, 100, torch.float64).cosine) <= 0.9


@together("cell", CELLS)
def test_descent_over_20_batches_ends_where_a_naive_loops_does(cell):
    problem = make_problem(Case(cell, "masked", T=STEPS))
    naive = problem.naive()
    losses = [loss for _ in range(20) for loss in train(problem.updates("forward_errors"), problem.network, 0.1)]
    expected = []
    for _ in range(20):
        expected.append(naive.mean_loss(0, naive.T))
        naive.descend(naive.full(), 0.1)
    assert losses == pytest.approx(expected, rel=1e-8)
    assert relative_error(dict(problem.network.named_parameters()), naive.parameters) <= 1e-8


@together("dtype", [torch.float32, torch.float64])
@together("cell", CELLS)
def test_a_singular_step_is_told(cell, dtype):
    problem = make_problem(Case(cell))
    network, batch = problem.network.to(dtype), problem.batch.to(dtype=dtype)
    with torch.no_grad():
        for name in ("weight_ih_l0", "weight_hh_l0"):  # a unit that nothing reaches and that stays as it is
            getattr(network.cell, name).view(-1, 3, getattr(network.cell, name).shape[1])[:, 1] = 0
        network.cell.bias_ih_l0.view(-1, 3)[:, 1] = -1e4
        network.cell.weight_hh_l0[:, 1] = 0
    with pytest.raises(NoGradient, match=r"∂s/∂s of step 1 is singular in sequence 0 .* that walks back"):
        estimate_gradient(make_algorithm("forward_errors"), network, batch)


def test_errors_that_outgrow_their_numbers_are_told():
    problem = make_problem(Case("rnn", T=200))
    batch = problem.batch.to(dtype=torch.float32)
    with pytest.raises(NoGradient, match=r"the errors outgrew float32 by step \d+: they grow as fast as the network"):
        estimate_gradient(make_algorithm("forward_errors"), problem.network.float(), batch)


def test_a_run_ends_with_that_reason():
    config = RunConfig(
        task="two_lag(length=80)", cell="rnn", algorithm="forward_errors", hidden_size=4, optimizer="adam",
        learning_rate=0.01, clip_norm=1.0, budget={"steps": 800}, batch_size=2, evaluations=1, seed=0, purpose="report",
    )  # fmt: skip
    record = Trainer(config).run()
    assert record.status == "diverged"
    assert "the errors outgrew float32" in record.reason


def test_memory_does_not_grow_with_the_sequence():
    peaks = []
    for length in (8, 16):
        made = Workload("forward_errors", "rnn", length, 8, 4).prepare()
        remember(made.network)
        peaks.append(count_updates(made.algorithm, made.network, made.batch).peak_bytes)
    assert peaks[1] <= 1.02 * peaks[0]
