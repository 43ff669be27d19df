"""Add: the odds that a coin's past sets, to be told themselves, along one stream (Marschall, Cho & Savin 2020).

x_t is a fair coin, shown as one of two symbols, and the target is the distribution (1 − p_t, p_t) with
p_t = 1/2 + x_{t−a}/2 − x_{t−b}/4 (Pitis 2016). `two_lag` draws a symbol from the same odds, on sequences of their own:
there the loss's noise is larger, and nothing has to be kept from one batch to the next.
"""

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from .base import Batch
from .two_lag import TwoLag


def cross_entropy_of_odds(outputs: Tensor, targets: Tensor) -> Tensor:
    """The cross-entropy of each step in nats: logits and target distributions (T, B, o), result (T, B)."""
    return -(targets * outputs.log_softmax(dim=-1)).sum(dim=-1)


class Add(TwoLag):
    """Tell the odds that a coin's values a and b steps ago set; a stream, whose state goes on from batch to batch.

    Args:
        a: the lag that adds 1/2 to the odds.
        b: the lag that takes 1/4 off.
        length: time steps of a batch; of a stream's first one the first max(a, b) carry no target.
    """

    input_size = 2
    validation_size, test_size = 200, 1000

    def __init__(self, a: int = 5, b: int = 9, length: int = 100) -> None:
        super().__init__(a, b, length)

    def sample(self, batch_size: int, *, generator: torch.Generator) -> Batch:
        """The first batch of a stream: inputs (T, B, 2) one-hot, targets (T, B, 2) with sum 1."""
        return next(self.batches(batch_size, generator=generator))

    def batches(self, batch_size: int, *, generator: torch.Generator) -> Iterator[Batch]:
        """B streams, `length` steps at a time; all batches but the first continue the one before."""
        longest = max(self.a, self.b)
        first = (torch.arange(self.length) >= longest)[:, None].expand(-1, batch_size)
        past = torch.randint(2, (longest, batch_size), generator=generator)
        for number in itertools.count():
            x = torch.cat([past, torch.randint(2, (self.length, batch_size), generator=generator)])
            odds = 0.5 + 0.5 * self._ago(x, self.a) - 0.25 * self._ago(x, self.b)
            shown = self._ago(x, 0).float()
            inputs, targets = (torch.stack([1 - one, one], dim=-1) for one in (shown, odds))
            yield Batch(inputs, targets, cross_entropy_of_odds, None if number else first, continues=number > 0)
            past = x[-longest:]

    def _ago(self, x: Tensor, lag: int) -> Tensor:
        """What the coin (max(a, b) + T, B) showed so many steps before each of the last T."""
        stop = len(x) - lag
        return x[stop - self.length : stop]
