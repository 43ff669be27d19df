"""Sparse RTRL against RTRL with dense Jacobians, of which the paths are cut out by hand."""

import pytest
import torch
from dense_forward import DenseForward
from naive import relative_error
from problems import CELLS, Case, make_problem, shared_problem, together, train

from throughtime.algorithms import make_algorithm
from throughtime.parts import BadInput

RATE = 0.3
CASES = [Case(cell, "masked", T=9, n=4) for cell in CELLS]
CASES += [Case(cell, "masked", T=9, m=3, forcing="mixed") for cell in CELLS]


def through(columns, n):
    """Of ∂s/∂h what has a path; what the further parts do goes on."""

    def rule(by_state, influence, by_theta):
        keep = torch.ones_like(by_state)
        for row in range(len(by_state)):
            keep[row, :n] = torch.tensor([float(k in columns[row % n].tolist()) for k in range(n)])
        return (by_state * keep) @ influence + by_theta

    return rule


@pytest.mark.parametrize("rate", [0.0, RATE])
@together("case", CASES)
def test_it_is_rtrl_through_its_paths(case, rate):
    problem = make_problem(case)
    *_, last = problem.updates("sparse_rtrl(paths=2)", seed=1)
    columns = last.carry[1].columns[: case.n]
    assert columns.shape == (case.n, 2)
    assert all(len(set(row.tolist())) == 2 for row in columns)
    naive = problem.naive()
    losses, estimate = DenseForward(naive, through(columns, case.n)).run(1, rate)
    if not rate:
        assert relative_error(problem.estimate("sparse_rtrl(paths=2)", seed=1), estimate) <= 1e-9
    found = train(problem.updates("sparse_rtrl(paths=2)", seed=1), problem.network, rate)
    assert found == pytest.approx(losses, rel=1e-9)
    assert relative_error(dict(problem.network.named_parameters()), naive.parameters) <= 1e-9


@together("cell", CELLS)
def test_through_all_paths_it_is_rtrl(cell):
    for case in (Case(cell, "masked"), Case(cell, "masked", m=3, forcing="free")):
        problem = shared_problem(case)
        assert relative_error(problem.estimate("sparse_rtrl(paths=3)"), problem.twin.full()) <= 1e-9
        assert relative_error(problem.estimate("sparse_rtrl(paths=2)"), problem.twin.full()) > 1e-4


def test_paths_stay_through_a_stream_and_differ_by_seed():
    problem = make_problem(Case("rnn", n=8))
    *_, first = problem.updates("sparse_rtrl(paths=3)", seed=1)
    *_, second = problem.updates("sparse_rtrl(paths=3)", first.carry, seed=2)
    *_, other = problem.updates("sparse_rtrl(paths=3)", seed=2)
    assert torch.equal(first.carry[1].columns, second.carry[1].columns)
    assert not torch.equal(first.carry[1].columns, other.carry[1].columns)


def test_more_paths_than_units_are_refused():
    network = make_problem(Case("rnn")).network
    assert "a unit has 3 paths, one from each unit, and 4 were asked for" in make_algorithm(
        "sparse_rtrl(paths=4)"
    ).refuses(network)
    with pytest.raises(BadInput, match="paths must be at least 1"):
        make_algorithm("sparse_rtrl(paths=0)")
