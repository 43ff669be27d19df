"""Whether numbers are what they should be: to rounding where nothing is random, else on average over draws."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from throughtime.algorithms import Algorithm

from .problems import Gradient, Problem, distance
from .refuted import Refuted

ROUNDING = 1e-9
"""The relative distance that float64 leaves between two ways of computing the same number, and then some."""

LONGEST = 200
"""An `exact_up_to` above this is verified up to here."""

FIRST_DRAWS, MORE_DRAWS, MOST_DRAWS = 6, 75, 600
"""Draws that show whether something is random; as many again are taken until enough is known; and the most."""

RARE_DRAWS = 40
"""Draws that are all alike before what is wrong is said not to be random: of what is rare, such as one window of seven
with a target in it, the first draws have none.
"""

KNOWN = 0.04
"""A mean is known well enough when its standard error is this part of what is expected, in norm."""

SIGMAS = 5.5
"""A mean of draws is refuted beyond so many standard errors: 5e-7 for each number of 75 draws, and there are about a
hundred."""

CERTAIN = 9.0
"""Beyond so many it is refuted without further draws."""


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
    apart = float((drawn[0] - expected).norm() / expected.norm().clamp_min(1e-300))
    if _alike(drawn) and apart <= ROUNDING:
        return f"within {apart:.1g}"
    while _alike(drawn):
        if len(drawn) == RARE_DRAWS:
            raise Refuted(f"{_shown(drawn[0])} for {_shown(expected)}, the {what}")
        drawn.append(draw(len(drawn)))
    sigmas, known = torch.inf, torch.inf
    while len(drawn) < MOST_DRAWS:
        drawn += [draw(seed) for seed in range(len(drawn), len(drawn) - len(drawn) % MORE_DRAWS + MORE_DRAWS)]
        numbers = torch.stack(drawn)
        mean, error = numbers.mean(dim=0), numbers.std(dim=0) / len(drawn) ** 0.5
        sigmas, known = _sigmas(mean, error, expected), float(error.norm() / expected.norm())
        if not sigmas <= CERTAIN or known <= KNOWN:
            break
    if not sigmas <= SIGMAS:
        raise Refuted(
            f"{_shown(mean)} on average for {_shown(expected)}, {sigmas:.3g} standard errors away: the {what}"
        )
    return f"within {sigmas:.2g} standard errors, which are {known:.1%} of it, over {len(drawn):,} draws"


def _alike(drawn: Sequence[Tensor]) -> bool:
    return all(torch.equal(one, drawn[0]) for one in drawn)


def _sigmas(mean: Tensor, error: Tensor, expected: Tensor) -> float:
    """How many standard errors a mean is away at most; rounding is no difference."""
    apart_by = (mean - expected).abs()
    rounding = ROUNDING * expected.abs().max()
    return float(torch.where(apart_by <= rounding, 0.0, apart_by / error.clamp_min(1e-300)).max())


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
