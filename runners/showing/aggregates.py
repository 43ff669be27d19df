"""One number for several tasks: ranks, interquartile means and performance profiles, as pure functions of arrays."""

import numpy as np
from scipy import stats


def mean_ranks(scores: np.ndarray, better: list[str]) -> np.ndarray:
    """An algorithm's rank on a task, 1 the best and ties shared, averaged over the tasks (Demšar 2006).

    Args:
        scores: (tasks, algorithms, …).
        better: "lower" or "higher", for each task.

    Returns:
        (algorithms, …).

    >>> mean_ranks(np.array([[0.1, 0.2, 0.2], [5.0, 9.0, 7.0]]), ["lower", "higher"]).tolist()
    [2.0, 1.75, 2.25]
    """
    signs = np.array([1.0 if one == "lower" else -1.0 for one in better])
    return np.asarray(stats.rankdata((scores.T * signs).T, axis=1).mean(axis=0))


def interquartile_mean(values: np.ndarray) -> float:
    """The mean of the middle half, which an odd run can't move (Agarwal et al. 2021).

    >>> interquartile_mean(np.array([1.0, 2.0, 4.0, 900.0]))
    3.0
    """
    return float(stats.trim_mean(values, 0.25, axis=None))


def performance_profile(costs: np.ndarray, factors: list[float]) -> np.ndarray:
    """The share of tasks on which an algorithm's cost is within a factor of the best one's (Dolan & Moré 2002).

    Args:
        costs: (tasks, algorithms), none negative; inf where it failed. Where the best costs nothing, so must who is
            within any factor of it.
        factors: 1 and more.

    Returns:
        (algorithms, factors).

    >>> performance_profile(np.array([[1.0, 1.2], [3.0, 2.0]]), [1.0, 1.25, 1.5]).tolist()
    [[0.5, 0.5, 1.0], [0.5, 1.0, 1.0]]
    """
    best = costs.min(axis=1, keepdims=True)
    within = costs[..., None] <= best[..., None] * np.asarray(factors)
    return np.asarray((within & np.isfinite(costs)[..., None]).mean(axis=0))
