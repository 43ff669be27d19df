"""Whether a score was still improving when the budget ended: on curves whose answer is known."""

import math

import numpy as np
import pytest

from throughtime.runners.showing.plateau import still_learning

N = 12


def curve(of, n=N, start=1.0, end=0.2, noise=0.0, seed=0):
    """From start to end along a shape that goes from 0 to 1, with noise after the start."""
    draws = noise * np.random.default_rng(seed).standard_normal(n + 1)
    draws[0] = 0.0
    return [start + (end - start) * of(k / n) + draws[k] for k in range(n + 1)]


SHAPES = {
    "straight": (lambda t: t, True),
    "root": (math.sqrt, True),
    "exponential, far from its end": (lambda t: 1 - math.exp(-2 * t), True),
    "exponential, at its end": (lambda t: 1 - math.exp(-12 * t), False),
    "early step": (lambda t: float(t > 0.3), False),
    "late step": (lambda t: float(t > 0.9), True),
    "worse again": (lambda t: 2 * t if t < 0.5 else 1.5 - t, False),
    "nothing": (lambda t: 0.0, False),
    "worse from the start": (lambda t: -t, False),
}


@pytest.mark.parametrize("better", ["lower", "higher"])
@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_of_a_curve(shape, seeds, better):
    of, expected = SHAPES[shape]
    sign = 1 if better == "lower" else -1
    curves = [[sign * score for score in curve(of, noise=0.002, seed=seed)] for seed in range(seeds)]
    if shape == "nothing":  # of one seed noise can't be told from progress, and of several it is 1 time in 20
        curves = [[sign * score for score in curve(of)]] * seeds
    assert still_learning(curves, better) is expected


def test_fewer_than_four_evaluations_say_nothing():
    assert still_learning([curve(lambda t: t, n=3)], "lower") is None
    assert still_learning([], "lower") is None
    assert still_learning([curve(lambda t: t, n=4)], "lower") is True


def test_what_one_seed_gains_alone_is_no_progress():
    lucky = curve(lambda t: float(t > 0.9), end=0.5)
    flat = [curve(lambda t: 0.0) for _ in range(4)]
    assert still_learning([lucky], "lower") is True
    assert still_learning([lucky, *flat], "lower") is False


def test_progress_counts_from_the_floor_once_that_is_beaten():
    """From a start of 100 in a few updates to 1, and slowly on to .5: a floor of 1 is what there was to beat."""

    def of(t):
        return 0.0 if t == 0 else (99 + 0.5 * t) / 99.5

    curves = [curve(of, start=100.0, end=0.5)]
    assert still_learning(curves, "lower") is False
    assert still_learning(curves, "lower", floor=1.0) is True
    assert still_learning(curves, "lower", floor=0.1) is False, "one that is not beaten is no start"


@pytest.mark.parametrize("seeds", [3, 8])
def test_a_plateau_of_noise_is_called_learning_one_time_in_twenty(seeds):
    """At worst: the noise is as large as the progress was, so that the test over seeds alone decides."""
    trials = 1000

    def plateau(trial, seed):
        return curve(lambda t: float(t > 0), end=0.9, noise=0.1, seed=seeds * trial + seed)

    found = [still_learning([plateau(trial, seed) for seed in range(seeds)], "lower") for trial in range(trials)]
    assert 0.02 < sum(found) / trials < 0.07
