"""FPTT: truncation at parameters that stay, and its running average written out where they move."""

from itertools import pairwise

import pytest
import torch
from naive import relative_error
from problems import CASES, CELLS, Case, make_problem, record, shared_problem, together, train

from throughtime.algorithms import make_algorithm

RATE, ALPHA, BETA = 0.3, 0.4, 0.3
SPEC = f"fptt(every=3, alpha={ALPHA}, beta={BETA})"


@together("case", CASES)
def test_at_parameters_that_stay_it_is_truncated(case):
    problem = shared_problem(case)
    found = record(problem.updates(SPEC), problem.network)
    expected = record(problem.updates("truncated(k1=3, k2=3)"), problem.network)
    first = next(number for number, update in enumerate(expected) if update[1])
    assert all(torch.equal(found[first][2][name], expected[first][2][name]) for name in expected[first][2])
    for one, other in zip(found, expected, strict=True):
        assert one[:2] == other[:2]
        assert all(float((one[2][name] - other[2][name]).abs().max()) <= 1e-12 for name in other[2])


def train_naively(naive):
    """Windows of three steps, each parameter with an average and a multiplier of its own."""
    state, losses = naive.zero_state(), []
    average = {name: value.detach().clone() for name, value in naive.parameters.items()}
    multiplier = naive.zero_gradient()
    for start in range(0, naive.T, 3):
        targets, begin = sum(naive.counts[start : start + 3]), state
        loss = torch.zeros((), dtype=torch.float64)
        for t in range(start, start + 3):
            state = naive.walk(state, t, t + 1)
            loss = loss + naive.step_loss(t, state) / max(targets, 1)
        losses.append(loss.item())
        if targets:
            gradient = naive.differentiate(loss)
            for name, value in naive.parameters.items():
                gradient[name] = gradient[name] + ALPHA * (value.detach() - average[name]) - multiplier[name]
            naive.descend(gradient, RATE)
            for name, value in naive.parameters.items():
                multiplier[name] = multiplier[name] - ALPHA * (value.detach() - average[name])
                blend = (1 - BETA) * average[name] + BETA * value.detach()
                average[name] = blend - BETA / ALPHA * multiplier[name]
        state = tuple(part.detach() for part in (state if targets else naive.forward(begin, start, start + 3)))
    return losses


@together("mask", ["unmasked", "masked", "gap"])
@together("forcing", ["teacher", "free"])
@together("cell", CELLS)
def test_descent_over_20_windows_ends_where_a_naive_loops_does(cell, forcing, mask):
    problem = make_problem(Case(cell, mask, T=60, m=3, forcing=forcing))
    naive = problem.naive()
    losses = train(problem.updates(SPEC), problem.network, RATE)
    assert losses == pytest.approx(train_naively(naive), rel=1e-9)
    assert len(losses) == 20
    assert relative_error(dict(problem.network.named_parameters()), naive.parameters) <= 1e-9


@together("cell", CELLS)
def test_batches_of_a_stream_go_on_with_the_average(cell):
    """Also where a batch's last update moved the parameters, and before a window without target."""
    ends = []
    for edges in ([0, 24], [0, 3, 12, 24]):
        problem, carry = make_problem(Case(cell, "gap", T=24)), None
        for start, stop in pairwise(edges):
            carries = []
            train((carries.append(u.carry) or u for u in problem.part(start, stop).updates(SPEC, carry)),
                  problem.network, RATE)  # fmt: skip
            carry = carries[-1]
        ends.append({name: value.detach().clone() for name, value in problem.network.named_parameters()})
    assert relative_error(ends[1], ends[0]) <= 1e-9


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"every": 0}, "every must be at least 1 step, got 0"),
        ({"every": 2, "alpha": 0}, r"alpha must be more than 0, got 0.0; truncated\(k1=2, k2=2\) is without"),
        ({"every": 2, "beta": 1.5}, "beta must be more than 0 and at most 1, got 1.5"),
    ],
)
def test_what_makes_no_sense_is_refused(parameters, said):
    with pytest.raises(ValueError, match=said):
        make_algorithm("fptt", **parameters)
