"""The losses of one step, averaged over a target's components and never over time or batch."""

from torch import Tensor
from torch.nn import functional


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """The mean squared error of each step: outputs and targets (T, B, o), result (T, B)."""
    return (outputs - targets).square().mean(dim=-1)


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """The cross-entropy of each step, in nats: logits (T, B, o), targets (T, B) as classes, result (T, B)."""
    return functional.cross_entropy(outputs.movedim(-1, 1), targets, reduction="none")
