"""ARTBP: its mean over every pattern of cuts, weighted by its probability, is the exact gradient."""

from itertools import pairwise, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import relative_error
from problems import CELLS, LOSSES, Case, make_problem, record, shared_problem, train

from throughtime.algorithms import make_algorithm
from throughtime.algorithms.artbp import ARTBP
from throughtime.runners.training.measure import MEMORY_DRAWS, count_updates
from throughtime.runners.training.workload import Workload

SPEC = "artbp(mean_length=2.5, alpha=4)"


@pytest.fixture
def cuts(monkeypatch):
    """Make ARTBP cut at given points, one bit for each point of a sequence, over and over for each estimate."""
    given_cuts = []

    def next_cut(self, since, generator):
        return given_cuts.pop(0)

    monkeypatch.setattr(ARTBP, "_cuts", next_cut)

    def use(pattern):
        given_cuts[:] = list(pattern)

    return use


def probability(pattern, mean_length=2.5, alpha=4.0):
    """Of a pattern of cuts, by the paper's c_t."""
    odds, since = 1.0, 0
    for cut in pattern:
        since += 1
        c = (alpha - 1) / ((alpha - 2) * mean_length + since)
        odds *= c if cut else 1 - c
        since = 0 if cut else since
    return odds


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("mask", ["unmasked", "masked", "last"])
@pytest.mark.parametrize("forcing", ["teacher", "free"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_mean_over_all_patterns_is_full(cell, forcing, mask, loss, cuts):
    problem = shared_problem(Case(cell, mask, 2, loss, T=5, m=3, forcing=forcing))
    total, odds = {}, 0.0
    for pattern in product([False, True], repeat=4):
        cuts(pattern)
        odds += probability(pattern)
        for name, gradient in problem.estimate(SPEC).items():
            total[name] = total.get(name, 0) + probability(pattern) * gradient
    assert odds == pytest.approx(1, rel=1e-12)
    assert relative_error(total, problem.twin.full()) <= 1e-9


@pytest.mark.parametrize("cell", CELLS)
def test_fixed_cuts_without_making_up_for_them_are_truncated(cell, cuts, monkeypatch):
    monkeypatch.setattr(ARTBP, "cut_probability", lambda self, since: 0.0)
    problem = shared_problem(Case(cell, "masked", T=9))
    cuts([t % 3 == 2 for t in range(8)])
    assert relative_error(problem.estimate(SPEC), problem.twin.truncated(3, 3)) <= 1e-9


@pytest.mark.parametrize("cell", CELLS)
def test_without_any_cut_it_is_full(cell, cuts, monkeypatch):
    monkeypatch.setattr(ARTBP, "cut_probability", lambda self, since: 0.0)
    problem = shared_problem(Case(cell, "masked"))
    cuts([False] * 6)
    assert relative_error(problem.estimate(SPEC), problem.twin.full()) <= 1e-9


def reweighted(naive, state, pattern, start, stop):
    """A window's loss with factors on the gradient that crosses each of its points, on one graph."""
    loss, targets = torch.zeros((), dtype=torch.float64), sum(naive.counts[start:stop])
    for t in range(start, stop):
        state = naive.walk(state, t, t + 1)
        if targets:
            loss = loss + naive.step_loss(t, state) / targets
        if t < stop - 1:
            factor = 1 / (1 - 3 / (2 * 2.5 + t + 1 - start))
            state = tuple(part.detach() + factor * (part - part.detach()) for part in state)
    return loss, targets, tuple(part.detach() for part in state)


@pytest.mark.parametrize("mask", ["unmasked", "masked", "gap"])
@pytest.mark.parametrize("cell", CELLS)
def test_descent_at_each_of_20_cuts_ends_where_a_naive_loops_does(cell, mask, cuts):
    problem = make_problem(Case(cell, mask, T=60))
    naive, state, expected = problem.naive(), None, []
    pattern = [bool(t % 5 in (0, 3)) for t in range(59)]
    edges = [0, *(t + 1 for t, cut in enumerate(pattern) if cut), 60]
    state = naive.zero_state()
    for start, stop in pairwise(edges):
        loss, targets, state = reweighted(naive, state, pattern, start, stop)
        expected.append(loss.item())
        if targets:
            naive.descend(naive.differentiate(loss), 0.3)
    cuts(pattern)
    losses = train(problem.updates(SPEC), problem.network, 0.3)
    assert len(losses) > 20
    assert losses == pytest.approx(expected, rel=1e-9)
    assert relative_error(dict(problem.network.named_parameters()), naive.parameters) <= 1e-9


@settings(max_examples=25)
@given(
    cell=st.sampled_from(CELLS),
    T=st.integers(1, 9),
    L0=st.floats(1.01, 9),
    alpha=st.floats(2.01, 9),
    seed=st.integers(0),
)
def test_every_loss_counts_once(cell, T, L0, alpha, seed):
    problem = shared_problem(Case(cell, T=T, batch=2))
    updates = record(problem.updates(f"artbp(mean_length={L0}, alpha={alpha})", seed=seed % 999), problem.network)
    assert sum(weight for _, weight, _ in updates) == pytest.approx(1, rel=1e-12)
    total = sum(weight * loss for loss, weight, _ in updates)
    assert total == pytest.approx(problem.twin.mean_loss(0, T), rel=1e-9)


@pytest.mark.parametrize(("mean_length", "alpha"), [(1.5, 6.0), (4.0, 6.0), (10.0, 9.0)])
def test_windows_are_so_long_on_average(mean_length, alpha):
    algorithm = ARTBP(mean_length, alpha)
    stays, mean = 1.0, 1.0
    for since in range(1, 20000):
        stays *= 1 - algorithm.cut_probability(since)
        mean += stays
    assert mean == pytest.approx(mean_length, rel=1e-3)


def test_cuts_are_drawn_with_their_probability():
    algorithm, generator = ARTBP(3.0), torch.Generator().manual_seed(0)
    for since in (1, 4):
        drawn = sum(algorithm._cuts(since, generator) for _ in range(4000)) / 4000
        c = algorithm.cut_probability(since)
        assert abs(drawn - c) <= 4 * (c * (1 - c) / 4000) ** 0.5


def test_memory_is_measured_over_several_draws():
    made = Workload("artbp(mean_length=4)", "rnn", 12, 8, 2).prepare()
    counts = count_updates(made.algorithm, made.network, made.batch)
    each = []
    for seed in range(MEMORY_DRAWS):
        single = ARTBP(4)
        single.random_memory = False
        each.append(count_updates(single, made.network, made.batch, seed=seed))
    assert counts.peak_bytes == max(one.peak_bytes for one in each)
    assert counts.mean_peak_bytes == round(sum(one.peak_bytes for one in each) / len(each))
    assert counts.mean_peak_bytes < counts.peak_bytes
    assert each[0].mean_peak_bytes is None


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"mean_length": 1}, r"mean_length must be more than 1 step, got 1"),
        ({"mean_length": 4, "alpha": 2}, r"alpha must be more than 2, or windows have no mean length; got 2"),
    ],
)
def test_what_has_no_mean_is_refused(parameters, said):
    with pytest.raises(ValueError, match=said):
        make_algorithm("artbp", **parameters)
