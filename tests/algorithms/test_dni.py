"""Synthetic gradients: truncation to the bit with a map of zero, and the map's learning written out with autograd."""

import pytest
import torch
from naive import relative_error
from problems import CASES, CELLS, Case, make_problem, record, shared_problem, together, train

from throughtime.algorithms import make_algorithm
from throughtime.algorithms.compiled.choose import torch_alone
from throughtime.algorithms.dni import Told
from throughtime.algorithms.truncated import Past

RATE, MAP_RATE = 0.3, 0.2


@together("case", CASES)
def test_with_a_map_of_zero_it_is_truncated_to_the_bit(case):
    problem = shared_problem(case)
    for k in (1, 3, 9):
        found = record(problem.updates(f"dni(k={k}, learning_rate=0)"), problem.network)
        expected = record(problem.updates(f"truncated(k1={k}, k2={k})"), problem.network)
        for (loss, weight, gradient), (right_loss, right_weight, right) in zip(found, expected, strict=True):
            assert (loss, weight) == (right_loss, right_weight)
            assert all(torch.equal(gradient[name], right[name]) for name in right)


@together("cell", CELLS)
def test_without_kernels_too(cell):
    problem = shared_problem(Case(cell, "masked"))
    with torch_alone():
        found, expected = problem.estimate("dni(k=3, learning_rate=0)"), problem.estimate("truncated(k1=3, k2=3)")
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def train_naively(naive, k, rounds=1):
    """Windows one after the other, of which each begins with what the last one left: losses, and the map."""
    state = naive.zero_state()
    size, n = sum(part.shape[1] for part in state), state[0].shape[1]
    A, a = torch.zeros(size, n, dtype=torch.float64), torch.zeros(size, dtype=torch.float64)
    losses = []
    for start in range(0, naive.T, k):
        stop = start + k
        targets = sum(naive.counts[start:stop])
        if not targets:
            state = naive.forward(state, start, stop)
            losses.append(0.0)
            continue
        begin = tuple(part.requires_grad_() for part in state)
        end, loss = begin, torch.zeros((), dtype=torch.float64)
        for t in range(start, stop):
            end = naive.walk(end, t, t + 1)
            loss = loss + naive.step_loss(t, end)
        arriving = torch.stack([A @ h + a for h in end[0].detach()])
        worth = loss + (torch.cat(end, dim=1) * arriving).sum()
        losses.append(loss.item() / targets)
        leaving = torch.autograd.grad(worth, begin, retain_graph=True)
        gradient = naive.differentiate(worth / targets)
        right, before = torch.cat(leaving, dim=1), begin[0].detach()
        errors = [A @ h + a - g for h, g in zip(before, right, strict=True)]
        A = A - MAP_RATE * sum(torch.outer(e, h) for e, h in zip(errors, before, strict=True)) / naive.B
        a = a - MAP_RATE * sum(errors) / naive.B
        naive.descend(gradient, RATE)
        state = tuple(part.detach() for part in end)
    return losses, A, a


@together("mask", ["unmasked", "masked", "gap"])
@together("forcing", ["teacher", "free"])
@together("cell", CELLS)
def test_descent_over_20_windows_ends_where_a_naive_loops_does(cell, forcing, mask):
    problem = make_problem(Case(cell, mask, T=60, m=3, forcing=forcing))
    naive = problem.naive()
    carries = []
    updates = problem.updates(f"dni(k=3, learning_rate={MAP_RATE})")
    losses = train((carries.append(u.carry) or u for u in updates), problem.network, RATE)
    expected, A, a = train_naively(naive, 3)
    assert len(losses) == 20
    assert losses == pytest.approx(expected, rel=1e-9)
    assert relative_error(dict(problem.network.named_parameters()), naive.parameters) <= 1e-9
    assert relative_error({"A": carries[-1].weight, "a": carries[-1].bias}, {"A": A, "a": a}) <= 1e-9


@together("cell", CELLS)
def test_a_map_that_knew_would_make_it_exact(cell):
    """The credit that truly leaves the second window, as a constant of the map, given to the first."""
    problem = make_problem(Case(cell, batch=1, T=6))
    naive = problem.naive()
    middle = tuple(part.requires_grad_() for part in naive.forward(naive.zero_state(), 0, 3))
    end, loss = middle, torch.zeros((), dtype=torch.float64)
    for t in range(3, 6):
        end = naive.walk(end, t, t + 1)
        loss = loss + naive.step_loss(t, end)
    true = torch.cat(torch.autograd.grad(loss, middle), dim=1)[0]
    told = Told(make_start(problem), true.new_zeros(len(true), 3), true)
    next(iter(problem.updates("dni(k=3, learning_rate=0)", told)))
    gradient = {name: p.grad / 2 for name, p in problem.network.named_parameters()}
    alone = naive.zero_gradient()
    for t in range(3, 6):
        for name, value in naive.loss_gradient(t, 3).items():
            alone[name] += value / 6
    total = {name: gradient[name] + alone[name] for name in alone}
    assert relative_error(total, naive.full()) <= 1e-9


def make_start(problem):
    return Past.after(problem.network.initial_state(problem.batch.size), problem.batch.inputs)


def test_a_last_window_that_reaches_into_the_one_before_it_teaches_nothing():
    *_, second, short = [update.carry for update in make_problem(Case("gru", T=8)).updates("dni(k=3)")]
    assert torch.equal(second.weight, short.weight)
    assert bool(short.weight.any())


def test_the_map_learns_what_arrives():
    """On a stationary stream the gradient comes nearer to the exact one than truncation is."""
    problem = make_problem(Case("rnn", batch=3, T=3000, n=3))
    *_, last = problem.updates("dni(k=1, learning_rate=0.02)")
    part = make_problem(Case("rnn", batch=3, T=300, n=3), seed=0)
    full = part.estimate("full")
    names = ["cell.weight_hh_l0", "cell.weight_ih_l0"]

    def distance(spec, carry=None):
        found = part.estimate(spec) if carry is None else estimate_from(part, spec, carry)
        return sum(float((found[name] - full[name]).norm()) for name in names)

    start = Told(make_start(part), last.carry.weight, last.carry.bias)
    assert distance("dni(k=1, learning_rate=0)", start) < 0.9 * distance("truncated(k1=1, k2=1)")


def estimate_from(problem, spec, carry):
    updates = record(problem.updates(spec, carry), problem.network)
    return {name: sum(weight * gradient[name] for _, weight, gradient in updates) for name in updates[0][2]}


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"k": 0}, "k must be at least 1 step, got 0"),
        ({"k": 2, "learning_rate": -1}, "learning_rate must be 0 or more, got -1"),
    ],
)
def test_what_makes_no_sense_is_refused(parameters, said):
    with pytest.raises(ValueError, match=said):
        make_algorithm("dni", **parameters)
