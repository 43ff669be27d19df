"""Two lags: a coin's past sets the odds of the next symbol (Pitis 2016).

x_t is a fair coin, and P(y_t = 1) = 1/2 + x_{t−a}/2 − x_{t−b}/4. A network that remembers the first lag, the second or
both reaches known cross-entropies, so the loss alone tells which dependencies a gradient can learn.
"""

from math import log

import torch

from .base import Batch, Metric, Reference
from .generated import GeneratedTask
from .losses import cross_entropy


def entropy(p: float) -> float:
    """The entropy of a coin with probability p, in nats."""
    return -sum(q * log(q) for q in (p, 1 - p) if q > 0)


class TwoLag(GeneratedTask):
    """Predict a symbol from a coin's value a and b steps ago.

    Args:
        a: the lag that adds 1/2 to the odds.
        b: the lag that takes 1/4 off.
        length: time steps of a sequence; the first max(a, b) carry no target.
    """

    metric = Metric("cross-entropy (nats)", better="lower")
    input_size = 1
    output_size = 2
    validation_size, test_size = 2000, 10000

    def __init__(self, a: int = 3, b: int = 8, length: int = 24) -> None:
        if a < 0 or b < 0 or a == b:
            raise ValueError(f"the lags must be two different numbers, 0 or more; got a={a}, b={b}")
        if length <= max(a, b):
            raise ValueError(f"length must exceed the longer lag, {max(a, b)}; got {length}")
        self.a, self.b, self.length = a, b, length

    def sample(self, batch_size: int, *, generator: torch.Generator) -> Batch:
        """Inputs (T, B, 1) in {0, 1}, targets (T, B) in {0, 1}."""
        x = torch.randint(2, (self.length, batch_size), generator=generator)
        start = max(self.a, self.b)
        odds = torch.full((self.length, batch_size), 0.5)
        odds[start:] += 0.5 * x[start - self.a : self.length - self.a]
        odds[start:] -= 0.25 * x[start - self.b : self.length - self.b]
        y = (torch.rand(odds.shape, generator=generator) < odds).long()
        mask = (torch.arange(self.length) >= start)[:, None].expand(-1, batch_size)
        return Batch(x[..., None].float(), y, cross_entropy, mask)

    def references(self) -> list[Reference]:
        """The expected cross-entropy of a predictor that knows neither lag, one of them, or both."""
        source = "entropy of P(y | what is remembered), averaged over the coin"
        first = (entropy(0.375) + entropy(0.875)) / 2
        second = (entropy(0.75) + entropy(0.5)) / 2
        both = (entropy(0.5) + entropy(1.0) + entropy(0.25) + entropy(0.75)) / 4
        return [
            Reference("neither lag", entropy(0.625), "floor", source),
            Reference(f"lag {self.b} alone", second, "baseline", source),
            Reference(f"lag {self.a} alone", first, "baseline", source),
            Reference("both lags", both, "optimum", source),
        ]
