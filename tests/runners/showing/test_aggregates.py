"""Ranks, interquartile means and performance profiles, by hand and against scipy."""

import numpy as np
import pytest
from scipy import stats

from throughtime.runners.showing.aggregates import interquartile_mean, mean_ranks, performance_profile

RNG = np.random.default_rng(0)


def test_ranks_are_those_of_each_task_and_seed():
    scores = RNG.normal(size=(4, 5, 3))
    better = ["lower", "higher", "lower", "higher"]
    expected = np.zeros((5, 3))
    for task, seed in np.ndindex(4, 3):
        sign = 1 if better[task] == "lower" else -1
        order = sorted(range(5), key=lambda name: sign * scores[task, name, seed])
        for rank, name in enumerate(order, start=1):
            expected[name, seed] += rank / 4
    assert mean_ranks(scores, better) == pytest.approx(expected)


def test_ties_share_their_ranks():
    assert mean_ranks(np.array([[1.0, 1.0, 0.0, 1.0]]), ["lower"]).tolist() == [3, 3, 1, 3]


@pytest.mark.parametrize("n", [4, 5, 12, 30])
def test_interquartile_mean_is_scipys_trimmed_mean_of_all_values(n):
    values = RNG.standard_cauchy(size=(2, n))
    middle = np.sort(values, axis=None)[(2 * n) // 4 : 2 * n - (2 * n) // 4]
    assert interquartile_mean(values) == pytest.approx(middle.mean())
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values.ravel(), 0.25))


def test_profile_counts_the_tasks_within_a_factor_of_the_best():
    costs = np.array([[1.0, 2.0, 1.5], [4.0, 1.0, np.inf], [3.0, 3.0, 6.1]])
    profile = performance_profile(costs, [1.0, 1.5, 2.0, 1e9])
    assert (3 * profile).tolist() == [[2, 2, 2, 3], [2, 2, 3, 3], [0, 1, 1, 2]]


def test_profile_where_the_best_costs_nothing_or_all_fail():
    assert performance_profile(np.array([[0.0, 0.0, 1e-9]]), [2.0]).tolist() == [[1], [1], [0]]
    assert performance_profile(np.array([[np.inf, np.inf]]), [2.0]).tolist() == [[0], [0]]
