"""SnAp against RTRL with dense Jacobians and a mask by hand."""

import pytest
import torch
from dense_forward import DenseForward
from naive import relative_error
from problems import CELLS, FORCINGS, Case, make_problem, shared_problem, together, train

from throughtime.algorithms import make_algorithm
from throughtime.algorithms.compiled.choose import torch_alone
from throughtime.parts import BadInput

RATE = 0.3
CASES = [Case(cell, mask, size) for cell in CELLS for mask in ("masked", "gap") for size in (1, 3)]
CLOSED = [Case(cell, "masked", m=3, forcing=forcing) for cell in CELLS for forcing in FORCINGS]
CLOSED += [Case(cell, "masked", loss="classification", m=3, forcing="coins") for cell in CELLS]


def first_order(naive):
    """Of D what a unit does to itself; of the influence what a weight does to its own unit, and the readout to all."""
    n = naive.parameters["cell.weight_hh_l0"].shape[1]

    def rule(by_state, influence, by_theta):
        unit = torch.arange(len(by_state)) % n
        own = by_state * (unit[:, None] == unit)
        owner = DenseForward(naive, rule).units()
        return by_theta * ((unit[:, None] == owner) | (owner == -1)) + own @ influence

    return rule


@together("case", CASES + CLOSED)
def test_it_is_rtrl_masked_by_hand(case):
    problem = shared_problem(case)
    naive = problem.naive()
    _, expected = DenseForward(naive, first_order(naive)).run()
    assert relative_error(problem.estimate("snap"), expected) <= 1e-9
    with torch_alone():
        assert relative_error(problem.estimate("snap(update_every=3)"), expected) <= 1e-9


@together("case", [Case(cell, "masked", T=20) for cell in CELLS] + CLOSED)
@together("every", [1, 2])
def test_descent_ends_at_the_naive_loops_weights(case, every):
    problem = make_problem(case)
    naive = problem.naive()
    losses, _ = DenseForward(naive, first_order(naive)).run(every, RATE)
    assert train(problem.updates(f"snap(update_every={every})"), problem.network, RATE) == pytest.approx(
        losses, rel=1e-9
    )
    assert relative_error(dict(problem.network.named_parameters()), naive.parameters) <= 1e-9


@together("cell", CELLS)
def test_of_one_unit_it_is_rtrl(cell):
    for case in (Case(cell, "masked", n=1), Case(cell, "masked", n=1, m=3, forcing="mixed")):
        problem = shared_problem(case)
        assert relative_error(problem.estimate("snap"), problem.estimate("rtrl")) <= 1e-9


@together("cell", CELLS)
def test_order_2_of_a_dense_cell_is_rtrl(cell):
    for case in (Case(cell, "masked"), Case(cell, "masked", m=3, forcing="free")):
        problem = shared_problem(case)
        assert relative_error(problem.estimate("snap(order=2)"), problem.twin.full()) <= 1e-9


@together("cell", CELLS)
def test_order_2_of_a_dense_cell_is_refused(cell):
    network = make_problem(Case(cell)).network
    assert make_algorithm("snap").refuses(network) == ""
    said = make_algorithm("snap(order=2)").refuses(network)
    assert "reaches every unit within 2 steps, where snap is rtrl at rtrl's cost" in said


def test_order_must_be_one_at_least():
    with pytest.raises(BadInput, match="order must be at least 1"):
        make_algorithm("snap(order=0)")
