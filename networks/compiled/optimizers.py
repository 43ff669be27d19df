"""Clipping by the whole norm, and an optimizer's step, over one vector of all parameters."""

import math
from typing import Any

from .build import compiled


@compiled
def clipped(gradients: Any, limit: float, weight: float, loss: float, sums: Any) -> float:
    """What the gradients (P,) are to be multiplied by, so that their norm is at most `limit`; 0: they aren't finite.

    To sums (5,) float64 this update's weight · loss, weight, norm, finite norms and clipped ones are added.
    """
    square = 0.0
    for k in range(len(gradients)):
        g = float(gradients[k])
        square += g * g
    norm = math.sqrt(square)
    sums[0] += weight * loss
    sums[1] += weight
    if not math.isfinite(norm):
        return 0.0
    sums[2] += norm
    sums[3] += 1
    if norm <= limit:
        return 1.0
    sums[4] += 1
    return limit / (norm + 1e-6)


@compiled
def adam(
    values: Any, gradients: Any, first: Any, second: Any, sums: Any, step: int, rate: float, limit: float,
    weight: float, loss: float, beta1: float, beta2: float, eps: float,
) -> int:  # fmt: skip
    """Adam (Kingma & Ba, ICLR 2015, algorithm 1), torch.optim.Adam's arithmetic; the number of steps made so far."""
    factor = clipped(gradients, limit, weight, loss, sums)
    if factor == 0:
        return step
    step += 1
    kind = values.dtype.type
    size = kind(rate / (1 - beta1**step))
    root = kind(1 / math.sqrt(1 - beta2**step))
    scale, little, new1, new2, old2 = kind(factor), kind(eps), kind(1 - beta1), kind(1 - beta2), kind(beta2)
    for k in range(len(values)):
        g = gradients[k] * scale
        m = first[k] + (g - first[k]) * new1
        v = second[k] * old2 + g * g * new2
        first[k], second[k] = m, v
        values[k] -= size * m / (math.sqrt(v) * root + little)
    return step


@compiled
def sgd(values: Any, gradients: Any, sums: Any, rate: float, limit: float, weight: float, loss: float) -> None:
    """θ − rate · gradient."""
    factor = clipped(gradients, limit, weight, loss, sums)
    if factor == 0:
        return
    size = values.dtype.type(rate * factor)
    for k in range(len(values)):
        values[k] -= size * gradients[k]
