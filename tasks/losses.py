"""The losses of one step, averaged over a target's components and never over time or batch."""

from torch import Tensor
from torch.nn import functional

from throughtime.parts import BadInput


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """The mean squared error of each step: outputs and targets (T, B, o), result (T, B).

    Raises:
        BadInput: they differ in shape, which torch would broadcast to losses of other pairs.
    """
    if outputs.shape != targets.shape:
        raise BadInput(
            f"a squared error compares outputs and targets of the same (T, B, o); got {tuple(outputs.shape)} and "
            f"{tuple(targets.shape)}: a single output keeps its dimension, o = 1"
        )
    return (outputs - targets).square().mean(dim=-1)


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """The cross-entropy of each step, in nats: logits (T, B, o), targets (T, B) as classes, result (T, B)."""
    return functional.cross_entropy(outputs.movedim(-1, 1), targets, reduction="none")
