"""OK: unbiased by enumeration, exact where its rank is large, and of the least variance of its kind."""

import pytest
import torch
from dense_forward import DenseForward
from naive import relative_error
from problems import CELLS, Case, make_problem, shared_problem, together, train
from test_kf_rtrl import mean_over_signs, signs  # noqa: F401 (a fixture)

from throughtime.algorithms import ok
from throughtime.parts import BadInput

RATE = 0.3
each_cell = pytest.mark.parametrize("cell", CELLS)


@pytest.mark.parametrize(("rank", "count"), [(1, 6), (2, 6)])
@each_cell
def test_mean_over_all_signs_is_the_exact_gradient(cell, rank, count, signs):  # noqa: F811
    problem = make_problem(Case(cell, batch=1, T=4, n=2))
    assert relative_error(mean_over_signs(problem, f"ok(rank={rank})", signs, count), problem.twin.full()) <= 1e-9


@pytest.mark.parametrize("forcing", ["free", "mixed"])
@each_cell
def test_in_a_closed_loop_too(cell, forcing, signs):  # noqa: F811
    problem = make_problem(Case(cell, batch=1, T=4, n=2, m=3, forcing=forcing))
    assert relative_error(mean_over_signs(problem, "ok(rank=2)", signs, 6), problem.twin.full()) <= 1e-9


@together("mask", ["masked", "gap"])
@together("cell", CELLS)
def test_of_full_rank_it_is_rtrl(cell, mask):
    problem = shared_problem(Case(cell, mask, T=12))
    for rank in (6, 9):  # m + n + 1, and more
        assert relative_error(problem.estimate(f"ok(rank={rank})"), problem.twin.full()) <= 1e-9
    closed = shared_problem(Case(cell, mask, T=12, m=3, forcing="mixed"))
    assert relative_error(closed.estimate("ok(rank=7)"), closed.twin.full()) <= 1e-9


@together("cell", CELLS)
def test_until_its_rank_it_is_rtrl(cell):
    for T, exact in ((3, True), (4, False)):
        problem = shared_problem(Case(cell, T=T))
        assert (relative_error(problem.estimate("ok(rank=3)"), problem.twin.full()) <= 1e-9) == exact


def plain(by_state, influence, by_theta):
    return by_state @ influence + by_theta


@together("cell", CELLS)
def test_descent_ends_at_the_naive_loops_weights(cell):
    """Of full rank: RTRL's dense loop; see `test_a_step_is_reduced_as_the_paper_has_it` for the reduction."""
    problem = make_problem(Case(cell, "masked", T=20))
    naive = problem.naive()
    losses, _ = DenseForward(naive, plain).run(1, RATE)
    assert train(problem.updates("ok(rank=6)"), problem.network, RATE) == pytest.approx(losses, rel=1e-9)
    assert relative_error(dict(problem.network.named_parameters()), naive.parameters) <= 1e-9


SIGMAS = [[5.0, 2.0, 1.0, 0.5], [3.0, 3.0, 3.0, 3.0], [100.0, 1.0, 1e-3, 1e-6], [2.0, 1.0, 1.0, 0.0], [1.0, 0, 0, 0]]
SIGMAS += [[0.0] * 4, [7.0, 6.0, 5.0, 4.0]]


def every_mixing(sigma):
    patterns = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 4)
    return ok._mixing(torch.tensor(sigma, dtype=torch.float64).expand(16, 4), patterns)


@pytest.mark.parametrize("sigma", SIGMAS, ids=str)
def test_a_reduction_keeps_the_mean(sigma):
    X = every_mixing(sigma)
    assert X.shape == (16, 4, 3)
    mean = (X @ X.mT).mean(0)
    torch.testing.assert_close(mean, torch.diag(torch.tensor(sigma, dtype=torch.float64)), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("sigma", SIGMAS, ids=str)
def test_a_reductions_variance_is_the_least_there_is(sigma):
    """Benzing et al., theorem 1: s²/k − Σ σ² over those that are mixed, whose number makes it least."""
    X, values = every_mixing(sigma), torch.tensor(sigma, dtype=torch.float64)
    variance = float((X @ X.mT - torch.diag(values)).square().sum((1, 2)).mean())
    least = min(float(values[m:].sum() ** 2 / (3 - m) - values[m:].square().sum()) for m in range(3)
                if float(values[m]) * (3 - m) <= float(values[m:].sum()) * (1 + 1e-12))  # fmt: skip
    assert variance == pytest.approx(least, rel=1e-9, abs=1e-12)


def test_noise_falls_with_rank():
    problem = make_problem(Case("rnn", batch=1, T=10, n=5))
    full = problem.twin.full()

    def noise(spec):
        apart = [relative_error(problem.estimate(spec, seed=seed), full) ** 2 for seed in range(30)]
        return sum(apart) / 30

    assert noise("ok(rank=4)") < noise("ok(rank=2)") < noise("ok(rank=1)") < noise("kf_rtrl")


def test_rank_must_be_one_at_least():
    with pytest.raises(BadInput, match="rank must be at least 1 product"):
        make_problem(Case("rnn")).estimate("ok(rank=0)")
