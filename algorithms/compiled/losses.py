"""The losses of one step with their slopes, at outputs of a linear readout."""

import math
from typing import Any

from throughtime.networks.compiled.build import compiled

IGNORED = -100
"""The class that torch's cross-entropy leaves out."""


@compiled
def slopes(outputs: Any, values: Any, classes: Any, mask: Any, scale: Any) -> Any:
    """Turn outputs into the slopes of the loss Σ_t scale_t Σ_b ℓ_tb, and return that.

    outputs (T, B, o) become slopes, zero where the mask (T, B) is False; a mask (0, 0) is one of which all targets
    count. Either values (T, B, o) are the targets, and the error's square is averaged over o; or classes (T, B), and
    the loss is −log softmax; the other of the two is empty. One kernel for both: it takes long to compile. scale: (T,)
    float64.
    """
    if len(classes):
        return _cross_entropy(outputs, classes, mask, scale)
    return _squared_error(outputs, values, mask, scale)


@compiled
def _squared_error(outputs: Any, targets: Any, mask: Any, scale: Any) -> float:
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


@compiled
def _cross_entropy(outputs: Any, targets: Any, mask: Any, scale: Any) -> float:
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
