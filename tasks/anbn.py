"""aⁿbⁿ: predict the next symbol of strings that have as many b as a (Gers & Schmidhuber, IEEE Transactions on Neural
Networks 12, 2001).

A sequence is strings one after the other, each a start mark S, n times a and n times b, n uniform in 1 … `largest`.
While the a last, the next symbol is uncertain; after the first b everything is certain for who has counted.
"""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from .base import Batch, Metric, Reference
from .generated import GeneratedTask
from .horizon import ahead, with_leads
from .losses import cross_entropy

START, A, B = 0, 1, 2


class Anbn(GeneratedTask):
    """Predict the next symbol of strings S aⁿ bⁿ.

    Args:
        length: time steps, 2 or more.
        largest: the largest n, 2 or more.
        horizon: steps of free running that are scored, 1 … length; None: 20, or the length where that is shorter.
    """

    metric = Metric("cross-entropy (nats)", better="lower")
    feedback = "symbol"
    input_size = 3
    output_size = 3
    validation_size, test_size = 500, 2000

    def __init__(self, length: int = 60, largest: int = 8, horizon: int | None = None) -> None:
        for name, value in (("length", length), ("largest", largest)):
            if value < 2:
                raise ValueError(f"{name} must be at least 2, got {value}")
        if horizon is not None and not 1 <= horizon <= length:
            raise ValueError(f"horizon must be from 1 to the length, {length}; got {horizon}")
        self.length, self.largest, self.horizon = length, largest, horizon or min(20, length)

    def sample(self, batch_size: int, *, generator: torch.Generator) -> Batch:
        """Inputs (T, B, 3) one-hot, targets (T, B) the next symbol; every step counts."""
        steps = self.length + 1
        strings = -(-steps // 3)  # the shortest string has three symbols
        counts = torch.randint(1, self.largest + 1, (strings, batch_size), generator=generator)
        starts = torch.cat([torch.zeros(1, batch_size, dtype=torch.long), (2 * counts + 1).cumsum(dim=0)])[:-1]
        every = torch.arange(steps).repeat(batch_size, 1)
        number = torch.searchsorted(starts.T.contiguous(), every, right=True).T - 1
        place = torch.arange(steps)[:, None] - starts.gather(0, number)
        n = counts.gather(0, number)
        symbols = torch.where(place == 0, START, torch.where(place <= n, A, B))
        return Batch(one_hot(symbols[:-1], 3).float(), symbols[1:], cross_entropy)

    def references(self) -> list[Reference]:
        """On the test sequences: who knows the symbols' frequencies, who sees the current one, and who counts."""
        test = self.test()
        shown, following = test.inputs.argmax(dim=-1), test.targets
        pairs = torch.bincount((3 * shown + following).flatten(), minlength=9).reshape(3, 3).double()
        odds = pairs / pairs.sum(dim=1, keepdim=True).clamp(min=1)  # two steps are too few to see what follows b
        bigram = -(pairs * odds.clamp(min=1e-300).log()).sum() / following.numel()
        frequencies = torch.bincount(following.flatten(), minlength=3).double() / following.numel()
        constant = frequencies.clamp(min=1e-300).log().float()
        entropy = -float((frequencies * frequencies.clamp(min=1e-300).log()).sum())
        known = Reference("symbol frequencies", entropy, "floor", "frequencies of the test sequences")
        following_horizon = ahead(test, self.horizon).batch
        outputs = constant.expand(*following_horizon.targets.shape, 3)
        return [
            with_leads(known, self, outputs, following_horizon),
            Reference("current symbol alone", float(bigram), "floor", "bigram frequencies of the test sequences"),
            Reference("counting", self._counting(shown, following), "optimum", "P(a | k times a) of the generator"),
        ]

    def _counting(self, shown: Tensor, following: Tensor) -> float:
        """The generator's own cross-entropy: after k times a, another a follows with odds (N − k) / (N − k + 1)."""
        total, run = 0.0, torch.zeros(shown.shape[1], dtype=torch.long)
        for symbols, targets in zip(shown, following, strict=True):
            run = torch.where(symbols == A, run + 1, torch.where(symbols == START, 0, run))
            more = (self.largest - run).double() / (self.largest - run + 1)
            odds = torch.where(targets == A, more, 1 - more)[symbols == A]
            total -= float(odds.log().sum())
        return total / following.numel()
