"""RFLO: online(1) where there is no leak, a decaying trace where there is one."""

import pytest
import torch
from dense_forward import DenseForward
from naive import relative_error
from problems import FORCINGS, Case, make_problem, shared_problem, together, train

from throughtime.algorithms import make_algorithm

RATE = 0.3
CASES = [Case("rnn", mask, size) for mask in ("unmasked", "masked", "gap") for size in (1, 3)]
CASES += [Case("rnn", "masked", loss="classification")]
CASES += [Case("rnn", "masked", m=3, forcing=forcing) for forcing in FORCINGS]


def without_leak(by_state, influence, by_theta):
    return by_theta


@together("case", CASES)
def test_without_a_leak_it_is_online_1(case):
    problem = shared_problem(case)
    assert relative_error(problem.estimate("rflo"), problem.twin.online(1)) <= 1e-9
    assert relative_error(problem.estimate("rflo(update_every=None)"), problem.twin.online(1)) <= 1e-9


@pytest.mark.parametrize("feedback", ["exact", "random"])
@together("case", [Case("rnn", "masked", T=20), CASES[-1]])
def test_descent_ends_at_the_naive_loops_weights(case, feedback):
    problem = make_problem(case)
    naive, algorithm = problem.naive(), make_algorithm("rflo", feedback=feedback)
    updates = algorithm.updates(problem.network, problem.batch, generator=torch.Generator().manual_seed(3))
    found = train(updates, problem.network, RATE)
    drawn = None if feedback == "exact" else algorithm.weights(problem.network, None)
    losses, _ = DenseForward(naive, without_leak, feedback=drawn).run(1, RATE)
    assert found == pytest.approx(losses, rel=1e-9)
    assert relative_error(dict(problem.network.named_parameters()), naive.parameters) <= 1e-9


@together("cell", ["lstm", "gru"])
def test_a_gate_is_no_leak(cell):
    said = make_algorithm("rflo").refuses(make_problem(Case(cell)).network)
    assert "traces decay by a constant leak" in said
    assert "take eprop" in said
