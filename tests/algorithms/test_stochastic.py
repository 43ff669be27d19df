"""Stochastic truncation against the enumeration of all its windows."""

import math

import pytest
import torch
from naive import relative_error
from problems import CASES, CELLS, Case, make_problem, record, shared_problem, third, thirds, together

from throughtime.algorithms import make_algorithm
from throughtime.algorithms.stochastic import Stochastic

WINDOWS = [(3, None), (3, 2), (3, 0), (1, 1), (6, None)]
windows = pytest.mark.parametrize(("length", "burn_in"), WINDOWS, ids=lambda value: str(value))


@together("length", range(1, 10))
@together("steps", range(1, 9))
def test_coverage_equals_enumeration(steps, length):
    starts = range(max(steps - length, 0) + 1)
    expected = [sum(start <= t < start + length for start in starts) / len(starts) for t in range(steps)]
    assert Stochastic(length).coverage(steps).tolist() == pytest.approx(expected, rel=1e-12)


@thirds
@together("number", [number for number, case in enumerate(CASES) if case.batch == 3])
def test_every_draw_is_one_of_the_windows(number, of):
    for length, burn_in in third(WINDOWS, number, of):
        hold_draws_against_windows(shared_problem(CASES[number]), length, burn_in)


def hold_draws_against_windows(problem, length, burn_in):
    possible = problem.twin.windows(length, burn_in)
    updates = problem.updates(f"stochastic(length={length}, draws=10, burn_in={burn_in})")
    for loss, weight, gradient in record(updates, problem.network):
        assert any(
            math.isclose(loss, right_loss, rel_tol=1e-9)
            and math.isclose(weight * 10, right_weight, rel_tol=1e-9)
            and relative_error(gradient, right_gradient) <= 1e-9
            for right_loss, right_weight, right_gradient in possible
        ), (length, burn_in)


@together("cell", CELLS)
def test_every_window_is_drawn(cell):
    problem = shared_problem(Case(cell))
    losses = {round(float(update.loss), 9) for update in problem.updates("stochastic(length=3, draws=60)")}
    assert len(losses) == problem.case.T - 3 + 1


@windows
@together("cell", CELLS)
def test_mean_lies_within_four_standard_errors_of_the_expectation(cell, length, burn_in):
    problem, N = shared_problem(Case(cell, "masked")), 300
    expected = problem.twin.stochastic(length, burn_in)
    updates = problem.updates(f"stochastic(length={length}, draws={N}, burn_in={burn_in})", seed=1)
    draws = record(updates, problem.network)
    for name, right in expected.items():
        estimates = torch.stack([N * weight * gradient[name] for _, weight, gradient in draws])
        standard_error = estimates.std(dim=0) / math.sqrt(N)
        assert bool(((estimates.mean(dim=0) - right).abs() <= 4 * standard_error + 1e-12).all()), name


@together("cell", CELLS)
def test_weights_sum_to_one_in_expectation(cell):
    windows = shared_problem(Case(cell, "masked")).twin.windows(3)
    problem, N = shared_problem(Case(cell, "masked")), 300
    weights = torch.tensor([N * update.weight for update in problem.updates(f"stochastic(length=3, draws={N})")])
    assert sum(weight for _, weight, _ in windows) / len(windows) == pytest.approx(1)
    assert abs(float(weights.mean()) - 1) <= 4 * float(weights.std()) / math.sqrt(N)


def test_error_falls_with_the_square_root_of_the_draws():
    problem = make_problem(Case("rnn", T=6, n=2, batch=1))
    expected, sizes, repetitions = problem.twin.stochastic(2), [2, 8, 32], 60
    errors = []
    for N in sizes:
        squares = [
            sum(float((estimate[name] - right).square().sum()) for name, right in expected.items())
            for estimate in (problem.estimate(f"stochastic(length=2, draws={N})", seed=s) for s in range(repetitions))
        ]
        errors.append(math.sqrt(sum(squares) / repetitions))
    slope = math.log(errors[-1] / errors[0]) / math.log(sizes[-1] / sizes[0])
    assert slope == pytest.approx(-0.5, abs=0.1)


@together("draws", [1, 4])
@together("cell", CELLS)
def test_one_update_for_each_draw(cell, draws):
    assert len(list(shared_problem(Case(cell)).updates(f"stochastic(length=3, draws={draws})"))) == draws


@together("cell", CELLS)
def test_window_longer_than_the_sequence_is_the_sequence(cell):
    problem = shared_problem(Case(cell, "masked"))
    assert relative_error(problem.estimate("stochastic(length=20)"), problem.twin.full()) <= 1e-9


@together("draws", [1, 3])
@together("cell", CELLS)
def test_carry_is_the_state_at_the_end(cell, draws):
    problem = make_problem(Case(cell))
    naive = problem.twin
    for seed in range(5):
        *_, last = problem.updates(f"stochastic(length=3, draws={draws})", seed=seed)
        for found, right in zip(last.carry, naive.forward(naive.zero_state(), 0, naive.T), strict=True):
            torch.testing.assert_close(found, right, rtol=1e-12, atol=1e-12)


@together("cell", CELLS)
def test_sequence_goes_on_from_the_carry(cell):
    whole = make_problem(Case(cell, T=9))
    first, second = whole.part(0, 4), whole.part(4, 9)
    *_, last = first.updates("stochastic(length=2)")
    found = make_algorithm("stochastic(length=5)").updates(second.network, second.batch, last.carry)
    expected = make_algorithm("truncated(k1=5, k2=5)").updates(
        second.network, second.batch, list(first.updates("truncated(k1=4, k2=4)"))[-1].carry
    )
    assert float(next(found).loss) == pytest.approx(float(next(expected).loss), rel=1e-12)


@together("burn_in", [0, 2])
def test_carry_after_a_burn_in_does_not_depend_on_the_draw(burn_in):
    problem = make_problem(Case("rnn"))
    naive = problem.twin
    right = naive.forward(naive.zero_state(), naive.T - burn_in, naive.T)
    for seed in range(8):
        *_, last = problem.updates(f"stochastic(length=3, burn_in={burn_in})", seed=seed)
        for found, expected in zip(last.carry, right, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
