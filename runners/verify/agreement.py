"""Whether numbers are what they should be: to rounding where nothing is random, else on average over draws."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from throughtime.algorithms import Algorithm

from .problems import Gradient, Problem, distance
from .refuted import Refuted

ROUNDING = 1e-9
"""The relative distance that float64 leaves between two ways of computing the same number, and then some."""

DRAWS, FIRST_DRAWS = 600, 6
"""Draws of what is random, and those that show whether it is."""

SIGMAS = 5.0
"""A mean of draws is refuted beyond so many standard errors: 6e-7 for each number, and there are about a hundred."""


def agree(draw: Callable[[int], Tensor], expected: Tensor, what: str) -> str:
    """How near the mean over draws is to what is expected; where the first draws are all alike, how near that one is.

    Args:
        draw: from a seed to numbers.
        expected: what they are, or are on average.
        what: they are, in words.

    Raises:
        Refuted: too far.
    """
    drawn = [draw(seed) for seed in range(FIRST_DRAWS)]
    if all(torch.equal(one, drawn[0]) for one in drawn):
        apart = float((drawn[0] - expected).norm() / expected.norm().clamp_min(1e-300))
        if not apart <= ROUNDING:
            raise Refuted(f"{_shown(drawn[0])} for {_shown(expected)}, the {what}")
        return f"within {apart:.1g}"
    numbers = torch.stack([*drawn, *(draw(seed) for seed in range(FIRST_DRAWS, DRAWS))])
    mean, error = numbers.mean(dim=0), numbers.std(dim=0) / DRAWS**0.5
    apart_by = (mean - expected).abs()
    rounding = ROUNDING * expected.abs().max()
    sigmas = float(torch.where(apart_by <= rounding, 0.0, apart_by / error.clamp_min(1e-300)).max())
    if not sigmas <= SIGMAS:
        raise Refuted(
            f"{_shown(mean)} on average for {_shown(expected)}, {sigmas:.3g} standard errors away: the {what}"
        )
    known = float(error.norm() / expected.norm())
    return f"within {sigmas:.2g} standard errors, which are {known:.1%} of it, over {DRAWS:,} draws"


def agree_exactly(algorithm: Algorithm, problem: Problem, gradient: Gradient, who: str = "it") -> float:
    """How far an algorithm's estimate is from the exact gradient, relatively; `Refuted` where that is no rounding."""
    apart = distance(problem.estimate(algorithm), gradient)
    if not apart <= ROUNDING:
        raise Refuted(f"{who} is {apart:.2g} away from the exact gradient, relatively ({problem.name})")
    return apart


def listed(near: Sequence[str], where: Sequence[str]) -> str:
    """How near it is where; once for all where all are alike."""
    if len(set(near)) == 1:
        return f"{near[0]} ({', '.join(where)})"
    return "; ".join(f"{how} ({place})" for how, place in zip(near, where, strict=True))


def _shown(values: Tensor) -> str:
    return f"{float(values[0]):.6g}" if len(values) == 1 else f"norm {float(values.norm()):.6g}"
