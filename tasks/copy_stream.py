"""Copy along one stream: a string of symbols, then blanks during which it is to be repeated, then the next string
(Aicher, Foti & Fox 2019, "Adaptively truncating backpropagation through time to control gradient bias", UAI).

A string is a marker and `symbols` − 1 symbols of 4 kinds, and so many blanks follow it. At each of them the target is
what stood `symbols` steps before; while a string is shown it is blank. So every step of a recall needs a memory of
`symbols` steps, and all have the same lag: a gradient that reaches less far learns when to be silent and no more.
`copy` holds a string over a long blank, on sequences of their own.
"""

import itertools
from collections.abc import Iterator
from math import exp, log

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from .base import Batch, Metric, Reference
from .generated import GeneratedTask
from .losses import cross_entropy

BLANK, MARKER, FIRST = 0, 1, 2
KINDS = 4
"""Of symbols, from `FIRST` on."""


class CopyStream(GeneratedTask):
    """Repeat each string of a stream while its blanks last; a stream, whose state goes on from batch to batch.

    Args:
        symbols: the string's length with its marker, 2 or more; a recall is as long.
        length: time steps of a batch; of a stream's first one the first 2 · symbols carry no target.
    """

    metric = Metric("perplexity", better="lower")
    input_size = FIRST + KINDS
    output_size = FIRST + KINDS
    validation_size, test_size = 64, 256

    def __init__(self, symbols: int = 10, length: int = 300) -> None:
        if symbols < 2:
            raise ValueError(f"symbols must be 2 or more, a marker and what follows it; got {symbols}")
        if length <= 2 * symbols:
            raise ValueError(f"length must exceed a string and its recall, {2 * symbols} steps; got {length}")
        self.symbols, self.length = symbols, length

    def sample(self, batch_size: int, *, generator: torch.Generator) -> Batch:
        """The first batch of a stream: inputs (T, B, 6) one-hot, targets (T, B) classes."""
        return next(self.batches(batch_size, generator=generator))

    def batches(self, batch_size: int, *, generator: torch.Generator) -> Iterator[Batch]:
        """B streams, each from a place of its own in a string, `length` steps at a time; all but the first go on."""
        period = 2 * self.symbols
        steps = torch.arange(self.length)[:, None]
        first = (steps >= period).expand(-1, batch_size)
        start = torch.randint(period, (1, batch_size), generator=generator)
        strings = self._strings(1, batch_size, generator)
        for number in itertools.count():
            more = self._strings((self.length + period - 1) // period, batch_size, generator)
            strings, place = torch.cat([strings, more]), start + steps
            symbol = strings.flatten(0, 1).gather(0, place // period * self.symbols + place % self.symbols)
            shown = place % period < self.symbols
            inputs = one_hot(torch.where(shown, symbol, BLANK), self.input_size).float()
            targets = torch.where(shown, BLANK, symbol)
            yield Batch(inputs, targets, cross_entropy, None if number else first, continues=number > 0)
            start = start + self.length
            current = (start // period)[:, None].expand(1, self.symbols, -1)
            strings, start = strings.gather(0, current), start % period

    def _strings(self, number: int, batch_size: int, generator: torch.Generator) -> Tensor:
        """(number, symbols, B): markers, then symbols."""
        drawn = torch.randint(FIRST, FIRST + KINDS, (number, self.symbols, batch_size), generator=generator)
        drawn[:, 0] = MARKER
        return drawn

    def score(self, outputs: Tensor, batch: Batch) -> float:
        """The perplexity: e to the mean cross-entropy over the targets."""
        return exp(float(batch.mean_loss(outputs)))

    def references(self) -> list[Reference]:
        """Who knows the place in the string and none of its symbols, and who knows all."""
        silent = exp((self.symbols - 1) * log(KINDS) / (2 * self.symbols))
        return [
            Reference(
                "the place alone", silent, "floor", f"{KINDS} to the share of steps at which a symbol is recalled"
            ),
            Reference("exact", 1.0, "optimum", "from the second string on the targets are a function of the inputs"),
        ]
