"""Blocked RTRL: the exact gradient of every block, by the influence carried from block to block."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import relative_error
from problems import (
    CASES,
    CELLS,
    FORCINGS,
    Case,
    estimate,
    full_gradient,
    make_problem,
    record,
    shared_problem,
    together,
    train,
)
from torch import nn

from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.networks import Network, Recurrent

RATE = 0.3


@together("case", CASES)
def test_it_is_full(case):
    for block in (1, 3, 7, 20):
        assert relative_error(estimate(case, f"blocked_rtrl(block={block})"), full_gradient(case)) <= 1e-9, block


@settings(max_examples=20)
@given(
    cell=st.sampled_from(CELLS),
    T=st.integers(1, 12),
    block=st.integers(1, 14),
    n=st.integers(1, 4),
    m=st.integers(1, 3),
)
def test_of_any_size(cell, T, block, n, m):
    problem = make_problem(Case(cell, "masked", T=T, batch=2, n=n, m=m))
    assert relative_error(problem.estimate(f"blocked_rtrl(block={block})"), problem.estimate("full")) <= 1e-9


@together("cell", CELLS)
def test_an_update_has_its_blocks_gradient_through_all_of_the_past(cell):
    problem = shared_problem(Case(cell, "masked", T=8))
    naive = problem.twin
    updates = record(problem.updates("blocked_rtrl(block=3)"), problem.network)
    for start, (loss, _, gradient) in zip((0, 3, 6), updates, strict=True):
        stop = min(start + 3, 8)
        expected = naive.zero_gradient()
        for t in range(start, stop):
            for name, value in naive.loss_gradient(t, 0).items():
                expected[name] += value / sum(naive.counts[start:stop])
        assert loss == pytest.approx(naive.mean_loss(start, stop), rel=1e-9)
        assert relative_error(gradient, expected) <= 1e-9


@together("mask", ["unmasked", "masked", "gap"])
@together("forcing", ["teacher", *FORCINGS])
@together("cell", CELLS)
def test_descent_ends_where_naive_rtrls_with_as_many_updates_does(cell, forcing, mask):
    case = Case(cell, mask, batch=2, T=10, m=3, forcing=forcing)
    problem = make_problem(case)
    naive = problem.naive()
    losses = train(problem.updates("blocked_rtrl(block=3)"), problem.network, RATE)
    assert losses == pytest.approx(naive.train_rtrl(3, RATE), rel=1e-9)
    assert relative_error(dict(problem.network.named_parameters()), naive.parameters) <= 1e-9


@together("cell", CELLS)
def test_descent_over_20_updates(cell):
    problem = make_problem(Case(cell, "masked", batch=2, T=39))
    naive = problem.naive()
    losses = train(problem.updates("blocked_rtrl(block=2)"), problem.network, RATE)
    assert len(losses) == 20
    assert losses == pytest.approx(naive.train_rtrl(2, RATE), rel=1e-9)
    assert relative_error(dict(problem.network.named_parameters()), naive.parameters) <= 1e-9


class Mixed(Recurrent):
    """A recurrence that is no elementwise map of preactivations."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.input_size, self.hidden_size = 2, 3
        self.weight = nn.Parameter(torch.randn(3, 5, dtype=torch.float64, generator=generator))

    def initial_state(self, batch_size):
        return (self.weight.new_zeros(batch_size, 3),)

    def step(self, input, state):
        z = torch.cat([input, state[0]], dim=1) @ self.weight.T
        return (torch.tanh(z * z.roll(1, dims=1)),)


def test_a_recurrence_without_structure():
    problem = make_problem(Case("rnn", "masked"))
    network = Network(Mixed(), problem.network.readout)
    full = estimate_gradient(make_algorithm("full"), network, problem.batch)
    for block in (1, 3, 9):
        found = estimate_gradient(make_algorithm("blocked_rtrl", block=block), network, problem.batch)
        assert relative_error(found, full) <= 1e-9


def test_a_block_of_no_steps_is_refused():
    with pytest.raises(ValueError, match="block must be at least 1 step, got 0"):
        make_algorithm("blocked_rtrl", block=0)
