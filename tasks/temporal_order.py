"""Temporal order: tell in which order two, or three, rare symbols came (Hochreiter & Schmidhuber, Neural Computation 9,
1997, experiments 6a and 6b).

Each step shows one of eight symbols: the distractors a, b, c, d, the symbols X and Y, and marks of begin and end. Two
(three) of the steps, far apart, are X or Y, drawn with equal odds; the class at the last step is their order, one of
four (eight). The places are the paper's, as shares of the length: for two symbols 10–20 % and 50–60 %, for three
10–20 %, 33–43 % and 66–76 %.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from .base import Batch, Metric, Reference
from .generated import GeneratedTask, accuracy_at_last_step, at_last_step
from .losses import cross_entropy

DISTRACTORS, X, BEGIN, END = 4, 4, 6, 7
PLACES = {2: ((0.10, 0.20), (0.50, 0.60)), 3: ((0.10, 0.20), (0.33, 0.43), (0.66, 0.76))}


class TemporalOrder(GeneratedTask):
    """Tell the order of two or three rare symbols.

    Args:
        length: time steps, 10 or more.
        symbols: 2 (four classes) or 3 (eight classes).
    """

    metric = Metric("accuracy", better="higher")
    input_size = 8

    def __init__(self, length: int = 50, symbols: Literal[2, 3] = 2) -> None:
        if length < 10:
            raise ValueError(f"length must be at least 10, so that the symbols' places don't meet; got {length}")
        self.length, self.symbols = length, symbols
        self.output_size = 2**symbols

    def sample(self, batch_size: int, *, generator: torch.Generator) -> Batch:
        """Inputs (T, B, 8) one-hot, targets (T, B) classes, of which the last step counts."""
        shown = torch.randint(DISTRACTORS, (self.length, batch_size), generator=generator)
        shown[0], shown[-1] = BEGIN, END
        kinds = torch.randint(2, (self.symbols, batch_size), generator=generator)
        for kind, (first, last) in zip(kinds, PLACES[self.symbols], strict=True):
            low = max(1, round(first * self.length))
            high = max(low + 1, round(last * self.length))
            place = torch.randint(low, high, (batch_size,), generator=generator)
            shown[place, torch.arange(batch_size)] = X + kind
        order = (kinds * 2 ** torch.arange(self.symbols)[:, None]).sum(dim=0)
        mask = at_last_step(self.length, batch_size)
        targets = order.expand(self.length, -1)
        return Batch(one_hot(shown, self.input_size).float(), targets, cross_entropy, mask)

    def score(self, outputs: Tensor, batch: Batch) -> float:
        """The share of sequences whose class has the largest output at the last step."""
        return accuracy_at_last_step(outputs, batch)

    def references(self) -> list[Reference]:
        """All orders are equally likely; who remembers only the last symbol knows half of the orders."""
        return [
            Reference("chance", 1 / self.output_size, "floor", "1 / classes"),
            Reference("last symbol alone", 2 / self.output_size, "baseline", "2 / classes"),
            Reference("exact", 1.0, "optimum", "the class is a function of the inputs"),
        ]
