"""First symbol: latch one bit of information through noise (Bengio, Simard & Frasconi, IEEE Transactions on Neural
Networks 5, 1994).

The first step shows one of `classes` symbols, one-hot; every later step is Gaussian noise. At the last step the symbol
is asked for, so the gradient must reach back through the whole sequence.
"""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from .base import Batch, Metric, Reference
from .generated import GeneratedTask, accuracy_at_last_step, at_last_step
from .losses import cross_entropy


class FirstSymbol(GeneratedTask):
    """Name the first symbol after a stretch of noise.

    Args:
        length: time steps, 2 or more.
        classes: symbols, 2 or more.
        noise: the standard deviation of the noise after the first step, 0 or more.
    """

    metric = Metric("accuracy", better="higher")

    def __init__(self, length: int = 50, classes: int = 2, noise: float = 0.2) -> None:
        for name, value, least in (("length", length, 2), ("classes", classes, 2), ("noise", noise, 0)):
            if not value >= least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        self.length, self.classes, self.noise = length, classes, noise
        self.input_size = self.output_size = classes

    def sample(self, batch_size: int, *, generator: torch.Generator) -> Batch:
        """Inputs (T, B, classes), targets (T, B), of which the last step counts."""
        symbols = torch.randint(self.classes, (batch_size,), generator=generator)
        inputs = self.noise * torch.randn(self.length, batch_size, self.classes, generator=generator)
        inputs[0] = one_hot(symbols, self.classes)
        mask = at_last_step(self.length, batch_size)
        return Batch(inputs, symbols.expand(self.length, -1), cross_entropy, mask)

    def score(self, outputs: Tensor, batch: Batch) -> float:
        """The share of sequences whose class has the largest output at the last step."""
        return accuracy_at_last_step(outputs, batch)

    def references(self) -> list[Reference]:
        """The noise says nothing about the symbol."""
        return [
            Reference("chance", 1 / self.classes, "floor", "1 / classes"),
            Reference("exact", 1.0, "optimum", "the class is a function of the inputs"),
        ]
