"""Looking several steps ahead: from which moments of judged data a network is left to run on its own output.

Every origin has its whole horizon inside the judged targets, and all leads are scored from the same origins, so the
error against the lead is a curve and not a change of sample. Networks and references start from the same ones.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from throughtime.parts.defaults import fresh_defaults

from .base import Batch, Reference, Task

MOST_ORIGINS = 256
"""More of them are thinned out evenly."""


@dataclass(frozen=True)
class Ahead:
    """K origins and what follows them.

    Attributes:
        steps: (K,) the step of the origin's last given input; lead 1 is that step's target.
        sequences: (K,) the sequence that it lies in.
        batch: the `horizon` steps from there on, as K sequences of their own.
    """

    steps: Tensor
    sequences: Tensor
    batch: Batch

    @property
    def every(self) -> Tensor:
        """(horizon, K) the steps of all targets."""
        return self.steps + torch.arange(self.batch.length, device=self.steps.device)[:, None]


@fresh_defaults()
def ahead(batch: Batch, horizon: int) -> Ahead:
    """All origins of judged data, at most `MOST_ORIGINS`, and the `horizon` steps after each.

    Raises:
        ValueError: the horizon is longer than any stretch of judged targets.
    """
    judged = torch.ones(batch.length, batch.size, dtype=torch.bool) if batch.mask is None else batch.mask.cpu()
    length = longest_stretch(judged)
    if not 1 <= horizon <= length:
        raise ValueError(f"horizon must be from 1 to {length}, the judged steps in a row; got {horizon}")
    whole = judged.unfold(0, horizon, 1).all(dim=-1)  # (T − horizon + 1, B)
    sequences, steps = whole.T.nonzero(as_tuple=True)
    if len(steps) > MOST_ORIGINS:
        chosen = torch.linspace(0, len(steps) - 1, MOST_ORIGINS).round().long()
        sequences, steps = sequences[chosen], steps[chosen]
    every = steps + torch.arange(horizon)[:, None]
    following = replace(
        batch, inputs=batch.inputs[every, sequences], targets=batch.targets[every, sequences], mask=None
    )
    return Ahead(steps, sequences, following)


@fresh_defaults()
def longest_stretch(judged: Tensor) -> int:
    """The most steps in a row of one sequence that are judged; (T, B) bool."""
    run = best = torch.zeros(judged.shape[1], dtype=torch.long)
    for row in judged:
        run = (run + 1) * row
        best = torch.maximum(best, run)
    return int(best.max())


def free_scores(task: Task, outputs: Tensor, following: Batch) -> tuple[float, tuple[float, ...]]:
    """The score of outputs (horizon, K, o) over all leads at once, and of each lead by itself."""
    each = (task.score(outputs[k : k + 1], following.window(k, k + 1)) for k in range(following.length))
    return task.score(outputs, following), tuple(each)


def with_leads(reference: Reference, task: Task, outputs: Tensor, following: Batch) -> Reference:
    """The reference with the scores of its own predictions (horizon, K, o)."""
    free, by_lead = free_scores(task, outputs, following)
    return replace(reference, free=free, by_lead=by_lead)
