"""The losses of one step with their slopes, at outputs of a linear readout."""

import math
from typing import Any

from numba import types
from numba.extending import overload

from throughtime.networks.compiled.build import FAST

IGNORED = -100
"""The class that torch's cross-entropy leaves out."""


def slopes(outputs: Any, targets: Any, mask: Any, scale: Any) -> Any:
    """Turn outputs into the slopes of the loss Σ_t scale_t Σ_b ℓ_tb, and return that.

    Args:
        outputs: (T, B, o); the slopes afterwards, zero where the mask is False.
        targets: (T, B, o) real values, of which the error's square is averaged over o; or (T, B) class numbers, of
            which the loss is −log softmax.
        mask: (T, B), or (0, 0) where all targets count.
        scale: (T,) float64.
    """


@overload(slopes, jit_options={"fastmath": FAST, "error_model": "numpy"})
def _slopes(outputs: Any, targets: Any, mask: Any, scale: Any) -> Any:
    if isinstance(targets.dtype, types.Integer):
        return _cross_entropy
    return _squared_error


def _squared_error(outputs: Any, targets: Any, mask: Any, scale: Any) -> Any:
    T, B, o = outputs.shape
    total = 0.0
    for t in range(T):
        slope = outputs.dtype.type(2 * scale[t] / o)
        for b in range(B):
            y, goal = outputs[t, b], targets[t, b]
            if mask.shape[0] and not mask[t, b]:
                y[:] = 0
                continue
            square = outputs.dtype.type(0)
            for i in range(o):
                error = y[i] - goal[i]
                square += error * error
                y[i] = slope * error
            total += scale[t] * square / o
    return total


def _cross_entropy(outputs: Any, targets: Any, mask: Any, scale: Any) -> Any:
    T, B, o = outputs.shape
    total = 0.0
    for t in range(T):
        factor = outputs.dtype.type(scale[t])
        for b in range(B):
            y, goal = outputs[t, b], targets[t, b]
            if (mask.shape[0] and not mask[t, b]) or goal == IGNORED:
                y[:] = 0
                continue
            if goal < 0 or goal >= o:
                raise IndexError("a target is no class of the network's outputs")
            top = y[0]
            for i in range(1, o):
                top = max(top, y[i])
            chosen = y[goal] - top
            normaliser = outputs.dtype.type(0)
            for i in range(o):
                y[i] = math.exp(y[i] - top)
                normaliser += y[i]
            total += scale[t] * (math.log(normaliser) - chosen)
            factor_of_all = factor / normaliser
            for i in range(o):
                y[i] *= factor_of_all
            y[goal] -= factor
    return total
