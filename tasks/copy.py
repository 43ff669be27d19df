"""Copy: hold a string of symbols over a long blank and repeat it (Hochreiter & Schmidhuber 1997; in this form Arjovsky,
Shah & Bengio 2016).

`symbols` symbols of 8 kinds, then `length` steps of blank whose last is a go cue, then `symbols` more blanks during
which the string is to be repeated; at all other steps the target is blank. T = length + 2 · symbols.
"""

from math import log

import torch
from torch.nn.functional import one_hot

from .base import Batch, Metric, Reference
from .generated import GeneratedTask
from .losses import cross_entropy

KINDS = 8
BLANK, GO = KINDS, KINDS + 1


class Copy(GeneratedTask):
    """Repeat a string after a long blank.

    Args:
        length: steps between the string and its recall, 1 or more; the last of them shows the go cue.
        symbols: the string's length, 1 or more.
    """

    metric = Metric("cross-entropy (nats)", better="lower")
    input_size = KINDS + 2
    output_size = KINDS + 2
    validation_size, test_size = 200, 500

    def __init__(self, length: int = 20, symbols: int = 10) -> None:
        for name, value in (("length", length), ("symbols", symbols)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.length, self.symbols = length, symbols

    def sample(self, batch_size: int, *, generator: torch.Generator) -> Batch:
        """Inputs (T, B, 10) one-hot: 8 kinds, blank, go cue; targets (T, B) classes; every step counts."""
        string = torch.randint(KINDS, (self.symbols, batch_size), generator=generator)
        shown = torch.full((self.length + 2 * self.symbols, batch_size), BLANK)
        targets = shown.clone()
        shown[: self.symbols] = string
        shown[self.symbols + self.length - 1] = GO
        targets[-self.symbols :] = string
        return Batch(one_hot(shown, KINDS + 2).float(), targets, cross_entropy)

    def references(self) -> list[Reference]:
        """Without memory: blanks are certain, and each recalled symbol is one of 8."""
        memoryless = self.symbols * log(KINDS) / (self.length + 2 * self.symbols)
        return [
            Reference("memoryless", memoryless, "floor", "symbols · ln 8 / T"),
            Reference("exact", 0.0, "optimum", "the targets are a function of the inputs"),
        ]
