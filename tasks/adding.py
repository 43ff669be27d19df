"""Adding: recall two marked values over a long distance and add them (Hochreiter & Schmidhuber, Neural Computation 9,
1997, in the fixed-length form of Le, Jaitly & Hinton 2015).

Two inputs at each step: a value, uniform(0, 1), and a marker that is 1 once in each half of the sequence and 0 else.
The target is the sum of the two marked values, at the last step.
"""

import torch

from .base import Batch, Metric, Reference
from .generated import GeneratedTask, at_last_step
from .losses import squared_error


class Adding(GeneratedTask):
    """Add two marked values, far apart in a sequence.

    Args:
        length: time steps, 2 or more.
    """

    metric = Metric("MSE", better="lower")
    input_size = 2
    output_size = 1
    validation_size, test_size = 2000, 10000

    def __init__(self, length: int = 50) -> None:
        if length < 2:
            raise ValueError(f"length must be at least 2, one step for each half; got {length}")
        self.length = length

    def sample(self, batch_size: int, *, generator: torch.Generator) -> Batch:
        """Inputs (T, B, 2) of value and marker, targets (T, B, 1), of which the last step counts."""
        T, half = self.length, self.length // 2
        values = torch.rand(T, batch_size, generator=generator)
        first = torch.randint(half, (batch_size,), generator=generator)
        second = torch.randint(half, T, (batch_size,), generator=generator)
        step = torch.arange(T)[:, None]
        marked = (step == first) | (step == second)
        targets = torch.zeros(T, batch_size, 1)
        targets[-1, :, 0] = (values * marked).sum(dim=0)
        return Batch(torch.stack([values, marked.float()], dim=-1), targets, squared_error, at_last_step(T, batch_size))

    def references(self) -> list[Reference]:
        """The constant 1 is the best guess without the inputs: the variance of a sum of two uniform values."""
        return [
            Reference("constant 1", 1 / 6, "floor", "2 · variance of uniform(0, 1)"),
            Reference("exact", 0.0, "optimum", "the target is a function of the inputs"),
        ]
