"""What tasks with generated data share: fixed draws to choose and to test on, and a target at the last step alone."""

from typing import ClassVar

import torch
from torch import Tensor

from .base import Batch, Task

VALIDATION_SEED, TEST_SEED = 1_000_001, 1_000_002


class GeneratedTask(Task):
    """A task whose data is drawn. A subclass owes `sample` and `references`.

    Class attributes:
        validation_size: sequences to choose hyperparameters on.
        test_size: sequences to test on: so many that their sampling error is small beside what is to be told apart.
    """

    validation_size: ClassVar[int] = 1000
    test_size: ClassVar[int] = 4000

    def validation(self) -> Batch:
        """`validation_size` sequences, always the same."""
        return self.sample(self.validation_size, generator=torch.Generator().manual_seed(VALIDATION_SEED))

    def test(self) -> Batch:
        """`test_size` sequences, always the same."""
        return self.sample(self.test_size, generator=torch.Generator().manual_seed(TEST_SEED))

    def score(self, outputs: Tensor, batch: Batch) -> float:
        """The mean loss over the targets."""
        return float(batch.mean_loss(outputs))


def at_last_step(steps: int, batch_size: int) -> Tensor:
    """The mask (steps, batch_size) of targets that count at the last step alone."""
    return (torch.arange(steps) == steps - 1)[:, None].expand(-1, batch_size)


def accuracy_at_last_step(outputs: Tensor, batch: Batch) -> float:
    """The share of sequences whose class has the largest output at the last step; outputs (T, B, o)."""
    return float((outputs[-1].argmax(dim=-1) == batch.targets[-1]).double().mean())
