"""KF-RTRL against itself written out with dense Jacobians, and its mean over every pattern of signs."""

from contextlib import nullcontext
from itertools import product

import pytest
import torch
from dense_forward import DenseForward
from naive import relative_error
from problems import CELLS, Case, make_problem, together, train

from throughtime.algorithms import kronecker
from throughtime.algorithms.compiled.choose import torch_alone

RATE = 0.3
each_cell = pytest.mark.parametrize("cell", CELLS)
each_form = pytest.mark.parametrize("form", [nullcontext, torch_alone], ids=["by a kernel", "by torch"])


@pytest.fixture
def signs(monkeypatch):
    """Make the algorithm take given signs, one after the other, and over again."""
    given = []

    def next_signs(like, count, generator):
        taken = [given.pop(0) for _ in range(len(like) * count)]
        return torch.tensor(taken, dtype=like.dtype).view(len(like), count)

    monkeypatch.setattr(kronecker, "signs", next_signs)
    return given


@pytest.mark.parametrize("case", [Case(c, batch=1, T=4, n=2) for c in CELLS], ids=str)
def test_mean_over_all_signs_is_the_exact_gradient(case, signs):
    problem = make_problem(case)
    assert relative_error(mean_over_signs(problem, "kf_rtrl", signs, 4), problem.twin.full()) <= 1e-9


@pytest.mark.parametrize("forcing", ["free", "mixed"])
@each_cell
def test_in_a_closed_loop_too(cell, forcing, signs):
    problem = make_problem(Case(cell, batch=1, T=4, n=2, m=3, forcing=forcing))
    assert relative_error(mean_over_signs(problem, "kf_rtrl", signs, 4), problem.twin.full()) <= 1e-9


def mean_over_signs(problem, spec, signs, count):
    total, patterns = {}, list(product([-1.0, 1.0], repeat=count))
    for pattern in patterns:
        signs[:] = pattern
        for name, gradient in problem.estimate(spec).items():
            total[name] = total.get(name, 0) + gradient / len(patterns)
    return total


def written_out(naive, pattern):
    """A rule for one sequence: the product is kept beside, and M is it multiplied out."""
    kept = {}
    n, m = naive.parameters["cell.weight_hh_l0"].shape[1], naive.parameters["cell.weight_ih_l0"].shape[1]
    blocks = len(naive.parameters["cell.bias_ih_l0"]) // n
    pattern = list(pattern)

    def rule(by_state, influence, by_theta):
        # Of the biases' columns φ_z, (S n, G n); â from any row of weights, over its bias.
        a = blocks * n * m
        b = a + blocks * n * n
        K = by_theta[:, b : b + blocks * n]
        row = int(K.abs().sum(0).argmax())
        unit = int(K[:, row].abs().argmax())
        x = by_theta[unit, row * m : (row + 1) * m] / K[unit, row]
        h = by_theta[unit, a + row * n : a + (row + 1) * n] / K[unit, row]
        seen, nu = torch.cat([x, h, torch.ones(1, dtype=h.dtype)]), pattern.pop(0)
        p2 = (K.norm() / seen.norm()).sqrt()
        if not kept:
            u, A = nu * p2 * seen, nu * K / p2
        else:
            moved = by_state @ kept["A"]
            p1 = (moved.norm() / kept["u"].norm()).sqrt()
            u, A = p1 * kept["u"] + nu * p2 * seen, moved / p1 + nu * K / p2
        kept["u"], kept["A"] = u, A
        W = (A[:, :, None] * u[None, None, :m]).flatten(1)
        U = (A[:, :, None] * u[None, None, m : m + n]).flatten(1)
        bias = A * u[-1]
        return torch.cat(
            [
                W,
                U,
                bias,
                bias,
                torch.zeros(len(A), by_theta.shape[1] - W.shape[1] - U.shape[1] - 2 * bias.shape[1], dtype=A.dtype),
            ],
            dim=1,
        )

    return rule


@each_form
@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_it_is_the_papers_algorithm(cell, form, signs):
    """By a kernel and by torch, with a step of descent after each update."""
    problem = make_problem(Case(cell, "masked", batch=1, T=20))
    naive = problem.naive()
    signs[:] = (2.0 * torch.randint(2, (20,), generator=torch.Generator().manual_seed(3)) - 1).tolist()
    losses, _ = DenseForward(naive, written_out(naive, signs)).run(1, RATE)
    with form():
        found = train(problem.updates("kf_rtrl"), problem.network, RATE)
    assert found == pytest.approx(losses, rel=1e-9)
    assert relative_error(dict(problem.network.named_parameters()), naive.parameters) <= 1e-9


@each_cell
@each_form
def test_a_batch_is_the_mean_of_its_sequences(cell, form, signs):
    """Each sequence has signs of its own."""
    problem = make_problem(Case(cell, batch=2, T=5))
    pattern = (2.0 * torch.randint(2, (5, 2), generator=torch.Generator().manual_seed(3)) - 1).double()
    signs[:] = pattern.flatten().tolist()
    with form():
        both, alone = problem.estimate("kf_rtrl"), []
        for b in range(2):
            signs[:] = pattern[:, b].tolist()
            batch = problem.batch
            one = type(batch)(batch.inputs[:, b : b + 1], batch.targets[:, b : b + 1], batch.loss)
            alone.append(type(problem)(problem.case, problem.network, one).estimate("kf_rtrl"))
    assert relative_error(both, {name: (alone[0][name] + alone[1][name]) / 2 for name in both}) <= 1e-9


@together("cell", CELLS)
def test_its_mean_over_draws_is_the_exact_gradient(cell):
    """Within 4 standard errors along the gradient's direction, by signs of the algorithm's own for each sequence."""
    problem = make_problem(Case(cell, "masked", batch=2, T=6))
    full, batch = problem.twin.full(), problem.batch
    inputs, targets = (part.repeat(1, 50, 1) for part in (batch.inputs, batch.targets))
    many = type(batch)(inputs, targets, batch.loss, batch.mask.repeat(1, 50))
    square = sum(float(value.square().sum()) for value in full.values())
    along = []
    for seed in range(12):
        found = type(problem)(problem.case, problem.network, many).estimate("kf_rtrl", seed)
        along.append(sum(float((found[name] * full[name]).sum()) for name in full) / square)
    draws = torch.tensor(along)
    error = float(draws.std()) / 12**0.5
    assert 0 < error < 0.1
    assert abs(float(draws.mean()) - 1) <= 4 * error


def test_each_sequence_has_signs_of_its_own():
    like, generator = torch.zeros(500, 3, dtype=torch.float64), torch.Generator().manual_seed(0)
    drawn = kronecker.signs(like, 4, generator)
    assert drawn.shape == (500, 4)
    assert drawn.dtype == torch.float64
    assert torch.equal(drawn.abs(), torch.ones_like(drawn))
    assert float(drawn.mean().abs()) < 0.1
    assert float((drawn.T @ drawn / 500 - torch.eye(4)).abs().max()) < 0.2


@together("cell", CELLS)
def test_a_saturated_step_leaves_no_nan(cell):
    problem = make_problem(Case(cell, T=6))
    problem.batch.inputs[2] = 1e4
    problem.batch.inputs[4] = -1e4
    assert all(bool(value.isfinite().all()) for value in problem.estimate("kf_rtrl").values())
