"""The local and low-rank relatives of RTRL on cells with a leak, on sparse cells and on diagonal ones."""

import pytest
import torch
from dense_forward import DenseForward
from naive import relative_error
from problems import Case, make_problem, shared_problem, together, train

from throughtime.algorithms import make_algorithm

RATE, LEAK = 0.3, 0.2
LEAKY = [Case("leaky(leak=0.2)", mask, size, T=12) for mask in ("masked", "gap") for size in (1, 3)]
SPARSE = [Case(f"{cell}(sparsity=0.75)", "masked", T=9, n=8) for cell in ("rnn", "leaky")]
DIAGONAL = [Case(cell, "masked", n=4, T=9) for cell in ("lru", "rtu", "elstm")]
DIAGONAL += [Case("lru", "gap", 1, n=4, T=9), Case("elstm", "gap", 1, n=4, T=9)]


def leaky_step(mask=1.0, leak=LEAK):
    """H ← (1 − λ) h + λ tanh(W x + b + U h + d); λ = 1 is the tanh cell."""

    def step(parameters, x, state):
        z = x @ parameters["cell.weight_ih_l0"].T + parameters["cell.bias_ih_l0"]
        z = z + state[0] @ (parameters["cell.weight_hh_l0"] * mask).T + parameters["cell.bias_hh_l0"]
        return ((1 - leak) * state[0] + leak * torch.tanh(z),)

    return step


def leaks(by_state, influence, by_theta):
    """Murray 2019, equation 5: by_theta is λ φ' (x, h, 1) in the weight's own unit."""
    return (1 - LEAK) * influence + by_theta


@pytest.mark.parametrize("feedback", ["exact", "random"])
@pytest.mark.parametrize("name", ["rflo", "eprop"])
@together("case", LEAKY)
def test_rflos_traces_decay_by_the_cells_leak(case, name, feedback):
    problem = make_problem(case)
    naive, algorithm = problem.naive(), make_algorithm(name, feedback=feedback)
    assert algorithm.refuses(problem.network) == ""
    updates = algorithm.updates(problem.network, problem.batch, generator=torch.Generator().manual_seed(3))
    found = train(updates, problem.network, RATE)
    drawn = None if feedback == "exact" else algorithm.weights(problem.network, None)
    losses, _ = DenseForward(naive, leaks, leaky_step(), drawn).run(1, RATE)
    assert found == pytest.approx(losses, rel=1e-9)
    assert relative_error(dict(problem.network.named_parameters()), naive.parameters) <= 1e-9


def test_with_a_leak_rflo_is_no_longer_online_1():
    problem = shared_problem(LEAKY[0])
    assert relative_error(problem.estimate("rflo"), problem.estimate("online(depth=1)")) > 1e-3


def masked_by_hand(problem, order):
    """RTRL, and after each step nothing of a unit's weights in units that are more than `order` − 1 weights away."""
    forward = DenseForward(problem.naive(), None)
    near = torch.eye(problem.case.n)
    joined = near + problem.network.cell.mask.float()
    for _ in range(order - 1):
        near = joined @ near
    kept = torch.stack([near[:, unit] > 0 if unit >= 0 else near[:, 0] < 0 for unit in forward.units()], dim=1)
    return kept, lambda by_state, influence, by_theta: kept * (by_state @ influence + by_theta)


@pytest.mark.parametrize("rate", [0.0, RATE])
@pytest.mark.parametrize("order", [1, 2, 3])
@together("case", SPARSE)
def test_snap_on_a_sparse_cell_is_rtrl_masked_by_hand(case, order, rate):
    problem = make_problem(case)
    assert make_algorithm("snap", order=order).refuses(problem.network) == ""
    kept, rule = masked_by_hand(problem, order)
    assert 0.0 < float(kept[:, : -problem.case.o * (problem.case.n + 1)].double().mean()) < 1.0
    step = leaky_step(problem.network.cell.mask, 1.0 if "rnn" in case.cell else 0.5)
    naive = problem.naive()
    losses, estimate = DenseForward(naive, rule, step).run(1, rate)
    if not rate:
        assert relative_error(problem.estimate(f"snap(order={order})"), estimate) <= 1e-9
    assert train(problem.updates(f"snap(order={order})"), problem.network, rate) == pytest.approx(losses, rel=1e-9)
    assert relative_error(dict(problem.network.named_parameters()), naive.parameters) <= 1e-9


@together("case", SPARSE)
def test_snap_nears_rtrl_with_its_order(case):
    problem = shared_problem(case)
    full = problem.estimate("full")
    errors = [relative_error(problem.estimate(f"snap(order={order})"), full) for order in (1, 2, 3, 8)]
    assert errors[0] > errors[1] > errors[2] > 1e-6
    assert errors[3] <= 1e-9


@pytest.mark.parametrize("spec", ["snap", "snap(order=2)", "eprop", "kf_rtrl", "ok(rank=2)", "sparse_rtrl(paths=3)"])
@together("cell", ["rnn", "leaky", "gru", "lstm"])
def test_weights_that_are_not_there_get_no_gradient(cell, spec):
    problem = make_problem(Case(f"{cell}(sparsity=0.75)", n=8))
    gradient = problem.estimate(spec)["cell.weight_hh_l0"]
    assert torch.equal(gradient != 0, problem.network.cell.mask)


@together("case", [*LEAKY, *SPARSE, Case("gru(sparsity=0.5)", "masked", n=4)])
def test_without_approximation_they_are_full(case):
    problem = shared_problem(case)
    for spec in (f"ok(rank={case.m + case.n + 1})", f"sparse_rtrl(paths={case.n})"):
        assert relative_error(problem.estimate(spec), problem.estimate("full")) <= 1e-9, spec


@together("case", DIAGONAL)
def test_on_diagonal_cells_local_rules_are_exact(case):
    problem = shared_problem(case)
    full = problem.estimate("full")
    for spec in ("rtrl", "snap", "snap(order=2)", "eprop"):
        assert make_algorithm(spec).refuses(problem.network) == ""
        assert relative_error(problem.estimate(spec), full) <= 1e-9, spec


def test_random_feedback_on_a_diagonal_cell():
    """By the chain rule with the feedback in the readout's place."""
    problem = make_problem(Case("elstm", "masked", n=4, T=9))
    algorithm = make_algorithm("eprop(feedback='random')")
    *_, last = algorithm.updates(problem.network, problem.batch, generator=torch.Generator().manual_seed(1))
    *_, again = make_algorithm("eprop(feedback='random')").updates(problem.network, problem.batch, last.carry)
    drawn = algorithm.weights(problem.network, None)
    assert again.carry[1].feedback is drawn
    network, batch = problem.network, problem.batch
    hidden = network.hidden(batch.inputs)[0]
    outputs = network.readout(hidden).detach().requires_grad_()
    (slopes,) = torch.autograd.grad(batch.mean_loss(outputs), outputs)
    cell = dict(network.cell.named_parameters())
    expected = dict(zip(cell, torch.autograd.grad(hidden, cell.values(), slopes @ drawn), strict=True))
    carried = algorithm.updates(network, batch)
    found = dict.fromkeys(expected, 0.0)
    for update in carried:
        for name in found:
            if update.weight:
                found[name] = found[name] + update.weight * cell[name].grad
    assert relative_error(found, expected) <= 1e-9


def test_what_has_no_diagonal_form_says_so():
    network = make_problem(Case("lru", n=4)).network
    for spec in ("rflo", "kf_rtrl", "ok", "sparse_rtrl(paths=2)"):
        assert "on a diagonal cell such as LRU rtrl itself carries O(P) numbers" in make_algorithm(spec).refuses(
            network
        )
    stacked = make_problem(Case("rnn(layers=2)")).network
    for spec in ("rflo", "snap", "eprop", "kf_rtrl", "ok", "sparse_rtrl(paths=2)"):
        assert "no structured Jacobians here" in make_algorithm(spec).refuses(stacked)
