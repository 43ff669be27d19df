"""e-prop against autograd over a loop whose gates see h_{t-1} as a constant."""

import pytest
import torch
from dense_forward import DenseForward, gates_blind
from naive import relative_error
from problems import CELLS, FORCINGS, Case, make_problem, shared_problem, together, train
from torch import nn

from throughtime.algorithms import make_algorithm
from throughtime.algorithms.compiled.choose import torch_alone
from throughtime.networks import Network

RATE = 0.3
CASES = [Case(cell, mask, size) for cell in CELLS for mask in ("masked", "gap") for size in (1, 3)]
CLOSED = [Case(cell, "masked", m=3, forcing=forcing) for cell in CELLS for forcing in FORCINGS]


def detached(naive):
    """Full BPTT over the loop with blind gates."""
    state, total, step = naive.zero_state(), 0.0, gates_blind(naive)
    for t in range(naive.T):
        state = step(naive.parameters, naive.inputs[t], state)
        total = total + naive.step_loss(t, state)
    return naive.differentiate(total / naive.total)


def plain(by_state, influence, by_theta):
    return by_state @ influence + by_theta


@together("case", CASES + CLOSED)
def test_it_is_autograd_with_h_detached_at_the_gates(case):
    problem = shared_problem(case)
    expected = detached(problem.naive())
    assert relative_error(problem.estimate("eprop"), expected) <= 1e-9
    with torch_alone():
        assert relative_error(problem.estimate("eprop(update_every=None)"), expected) <= 1e-9


@pytest.mark.parametrize("feedback", ["exact", "random"])
@together("case", [Case(cell, "masked", T=20) for cell in CELLS] + CLOSED)
def test_descent_ends_at_the_naive_loops_weights(case, feedback):
    problem = make_problem(case)
    naive, algorithm = problem.naive(), make_algorithm("eprop", feedback=feedback)
    updates = algorithm.updates(problem.network, problem.batch, generator=torch.Generator().manual_seed(3))
    found = train(updates, problem.network, RATE)
    drawn = None if feedback == "exact" else algorithm.weights(problem.network, None)
    losses, _ = DenseForward(naive, plain, gates_blind(naive), drawn).run(1, RATE)
    assert found == pytest.approx(losses, rel=1e-9)
    assert relative_error(dict(problem.network.named_parameters()), naive.parameters) <= 1e-9


@together("cell", CELLS)
def test_a_cell_without_state_of_its_own_gets_one_step_of_credit(cell):
    problem = shared_problem(Case(cell, "masked"))
    apart = relative_error(problem.estimate("eprop"), problem.estimate("online(depth=1)"))
    assert apart <= 1e-9 if cell == "rnn" else apart > 1e-4


def feedback_of(algorithm, network, batch, seed, carry=None):
    *_, last = algorithm.updates(network, batch, carry, generator=torch.Generator().manual_seed(seed))
    return last.carry


def test_random_feedback_is_drawn_once():
    problem, other = make_problem(Case("lstm")), make_problem(Case("lstm"))
    algorithm = make_algorithm("eprop(feedback='random')")
    first = feedback_of(algorithm, problem.network, problem.batch, 1)[1].feedback
    assert feedback_of(algorithm, problem.network, problem.batch, 2)[1].feedback is first  # at the next sequence
    assert not torch.equal(feedback_of(algorithm, other.network, other.batch, 2)[1].feedback, first)
    fresh = make_algorithm("eprop(feedback='random')")  # at a stream's next batch, by an instance that saw none
    carry = feedback_of(algorithm, problem.network, problem.batch, 3)
    assert torch.equal(feedback_of(fresh, problem.network, problem.batch, 4, carry)[1].feedback, first)


def test_random_feedback_follows_a_network_that_is_converted():
    problem = make_problem(Case("rnn"))
    network, algorithm = problem.network.float(), make_algorithm("eprop(feedback='random')")
    first = feedback_of(algorithm, network, problem.batch.to(device="cpu", dtype=torch.float32), 1)[1].feedback
    again = feedback_of(algorithm, network.double(), problem.batch, 2)[1].feedback
    assert first.dtype == torch.float32
    assert torch.equal(again, first.double())


def test_random_feedback_has_the_readouts_spread():
    problem = make_problem(Case("rnn", n=40, o=50))
    drawn = feedback_of(make_algorithm("eprop(feedback='random')"), problem.network, problem.batch, 1)[1].feedback
    assert drawn.shape == (50, 40)
    assert float(drawn.abs().max()) <= 40**-0.5
    assert float(drawn.std()) == pytest.approx((40 * 3) ** -0.5, rel=0.05)


def test_random_feedback_needs_a_linear_readout():
    network = make_problem(Case("rnn")).network
    deep = Network(network.cell, nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double())
    assert make_algorithm("eprop").refuses(deep) == ""
    assert "the readout is a Sequential" in make_algorithm("eprop(feedback='random')").refuses(deep)
