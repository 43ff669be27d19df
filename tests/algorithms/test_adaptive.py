"""Adaptive truncation: its K against a probe written out with autograd, and the truncation that follows from it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import relative_error
from problems import CASES, CELLS, Case, estimate, make_problem, shared_problem, together, train

from throughtime.algorithms import adaptive, make_algorithm
from throughtime.algorithms.adaptive import least_steps

RATE = 0.1


@together("case", CASES)
def test_without_tolerance_it_is_the_longest_truncation(case):
    assert (
        relative_error(estimate(case, "adaptive(delta=0, k_max=3)"), shared_problem(case).twin.truncated(3, 5)) <= 1e-9
    )
    found = estimate(case, "adaptive(delta=1e-12, k_max=4)")
    assert relative_error(found, shared_problem(case).twin.truncated(4, 7)) <= 1e-9


def probed(naive, state, first, stop):
    """φ_k and g_{k+1} of the loss of step stop − 1, from the state before step `first`: by one graph over all steps."""
    states = [tuple(part.requires_grad_() for part in state)]
    for t in range(first, stop):
        states.append(naive.walk(states[-1], t, t + 1))
    loss = naive.step_loss(stop - 1, states[-1])
    sizes, norms, total = [], [], 0.0
    for state in reversed(states[1:]):
        slopes = torch.autograd.grad(loss, state, retain_graph=True, allow_unused=True)
        whole = torch.cat([torch.zeros_like(p) if s is None else s for p, s in zip(state, slopes, strict=True)], dim=1)
        sizes.append(sum(float(row.norm()) for row in whole) / naive.B)
        total = total + whole.sum(dim=0) / naive.B
        norms.append(float(total.norm()))
    return sizes, norms


def chosen(sizes, norms, delta):
    """K* by the definition, with the tail summed term by term."""
    k_max = len(sizes)
    tau = min(k_max // 2, k_max - 3)
    design = np.stack([np.arange(tau, k_max), np.ones(k_max - tau)], axis=1)
    slope, level = np.linalg.lstsq(design, np.log(sizes[tau:]), rcond=None)[0]
    if slope >= 0:
        return k_max
    for K in range(1, k_max):
        bias = sum(sizes[k] for k in range(K, tau))
        bias += sum(math.exp(level + slope * k) for k in range(max(K, tau), 5000))
        if norms[K - 1] > bias and bias / (norms[K - 1] - bias) < delta:
            return K
    return k_max


def train_naively(naive, delta, k_max):
    """Every window after the choice that the probe at its end makes; descent after each; losses and all K."""
    kept, losses, start, K, rest, used = {0: naive.zero_state()}, [], 0, k_max, k_max, [k_max]
    while start < naive.T:
        stop = min(start + K, naive.T)
        first, now, rest = max(stop - 2 * K + 1, 0), K, rest - (stop - start)
        if rest <= 0 and naive.counts[stop - 1] and stop >= k_max:
            origin = max((p for p in kept if p <= stop - k_max), default=0)
            state = naive.forward(kept[origin], origin, stop - k_max)
            K, rest = chosen(*probed(naive, state, stop - k_max, stop), delta), 8 * k_max
            used.append(K)
        targets = sum(naive.counts[start:stop])
        origin = max(p for p in kept if p <= first)
        state, loss = naive.forward(kept[origin], origin, first), torch.zeros((), dtype=torch.float64)
        for t in range(first, stop):
            state = naive.walk(state, t, t + 1)
            loss = loss + naive.step_loss(t, state) / targets if t >= start else loss
        kept[stop], start = tuple(part.detach() for part in state), start + now
        losses.append(loss.item())
        naive.descend(naive.differentiate(loss), RATE)
    return losses, used


@together("forcing", ["teacher", "free"])
@together("loss", ["regression", "classification"])
@together("cell", CELLS)
def test_descent_at_every_choice_ends_where_a_naive_loops_does(cell, loss, forcing):
    problem = make_problem(Case(cell, loss=loss, T=60, m=3, n=4, forcing=forcing))
    naive = problem.naive()
    expected, used = train_naively(naive, 1.5, 6)
    losses = train(problem.updates("adaptive(delta=1.5, k_max=6)"), problem.network, RATE)
    assert len(losses) >= 10
    assert losses == pytest.approx(expected, rel=1e-9)
    assert relative_error(dict(problem.network.named_parameters()), naive.parameters) <= 1e-9
    assert len(used) > 1


def test_it_is_shorter_where_the_network_forgets(monkeypatch):
    used = {}
    for scale in (0.3, 1.0):
        problem = make_problem(Case("rnn", T=30, n=8))
        with torch.no_grad():
            weight = problem.network.cell.weight_hh_l0
            torch.nn.init.orthogonal_(weight, generator=torch.Generator().manual_seed(0)).mul_(scale)
        algorithm, found = make_algorithm("adaptive(delta=0.5, k_max=12)"), []
        original = least_steps
        monkeypatch.setattr(adaptive, "least_steps", lambda *a, f=found, o=original: f.append(o(*a)) or f[-1])
        list(algorithm.updates(problem.network, problem.batch))
        used[scale] = found[0]
    assert used[0.3] < used[1.0]


@settings(max_examples=60)
@given(rate=st.floats(0.05, 1.2), noise=st.lists(st.floats(0.5, 2), min_size=3, max_size=12), delta=st.floats(0.01, 3))
def test_the_bound_is_the_definitions(rate, noise, delta):
    sizes = [rate**k * factor for k, factor in enumerate(noise)]
    norms = list(np.cumsum(sizes) * 0.8)
    assert least_steps(np.array(sizes), np.array(norms), delta) in _near(sizes, norms, delta)


def _near(sizes, norms, delta):
    """Where a tail falls so slowly that 5,000 terms are not all of it, the choice may differ; and by rounding."""
    return {chosen(sizes, norms, delta * factor) for factor in (1 - 1e-6, 1, 1 + 1e-6)} | (
        {len(sizes)} if rate_of(sizes) > -0.01 else set()
    )


def rate_of(sizes):
    tau = min(len(sizes) // 2, len(sizes) - 3)
    return np.polyfit(range(tau, len(sizes)), np.log(sizes[tau:]), 1)[0]


def test_what_does_not_decay_is_walked_back_as_far_as_may_be():
    assert least_steps(np.ones(6), np.arange(1.0, 7), 0.5) == 6
    assert least_steps(np.array([1, 0.5, 0, 0, 0, 0]), np.ones(6), 0.5) == 6
    assert least_steps(np.array([1, np.nan, 0.1, 0.1, 0.1, 0.1]), np.ones(6), 0.5) == 6


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"delta": -0.1, "k_max": 9}, "delta must be 0 or more, a relative bias; got -0.1"),
        ({"delta": float("nan"), "k_max": 9}, "delta must be 0 or more, a relative bias; got nan"),
        ({"delta": 0.1, "k_max": 2}, "k_max must be at least 3, for a decay to be fitted; got 2"),
    ],
)
def test_what_makes_no_sense_is_refused(parameters, said):
    with pytest.raises(ValueError, match=said):
        make_algorithm("adaptive", **parameters)
