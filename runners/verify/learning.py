"""The least that learning is: a step along the gradient lowers the loss."""

import torch

from .problems import Gradient, Problem
from .refuted import Refuted

LENGTHS = (1.0, 0.1, 0.01, 0.001)
"""Of a step, in units of the gradient: one of them is short enough."""


def learned(problem: Problem, gradient: Gradient) -> str:
    """The loss before and after the best of a few steps, in words; parameters are left as they were.

    Args:
        problem: what is learned.
        gradient: the exact one.

    Raises:
        Refuted: none of them lowers the loss.
    """
    if not any(bool(values.any()) for values in gradient.values()):
        raise Refuted(f"the gradient is zero ({problem.name})")
    start = {name: parameter.detach().clone() for name, parameter in problem.network.named_parameters()}
    losses = []
    with torch.no_grad():
        for length in (*LENGTHS, 0.0):
            for name, parameter in problem.network.named_parameters():
                parameter.copy_(start[name] - length * gradient[name])
            outputs, _ = problem.network.unroll(problem.batch.inputs)
            losses.append(float(problem.batch.mean_loss(outputs)))
    *after, before = losses
    if not min(after) < before:
        raise Refuted(f"no step along the gradient lowers the loss, {before:.6g} ({problem.name})")
    return f"{before:.4g} → {min(after):.4g}"
