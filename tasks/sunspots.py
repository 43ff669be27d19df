"""Sunspots: the yearly number of sunspots, 1700–2008, one year ahead (the split of Weigend, Huberman & Rumelhart 1990).

The series ships with statsmodels. Networks learn from 1700–1880, hyperparameters are chosen on 1881–1920, and the test
is 1921–1955 or the notoriously harder 1956–1979. The metric is the mean squared error divided by the variance of
1700–1979 in this file, 1495.6. Values are scaled by the mean and deviation of 1700–1880 alone. The autoregressions need
no validation and are fitted on 1700–1920: forty years more than the networks learn from.
"""

import functools
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from throughtime.networks import Unavailable

from .base import Batch, Metric, Reference, Task
from .losses import squared_error
from .packaged import locate

FILE = "statsmodels/datasets/sunspots/sunspots.csv"
SHA256 = "f67889b1d9002cd5227f0e0ef54e35b419cdd85a31279adef6f73fb41e5c0a9b"
FIRST_YEAR, LEARN_UNTIL, FIT_UNTIL, RECORD_UNTIL = 1700, 1880, 1920, 1979
Part = Literal["1921-1955", "1956-1979"]


@functools.cache
def load() -> Tensor:
    """The yearly numbers from 1700 on, (309,), float64."""
    path = locate("statsmodels", FILE, SHA256)
    years, values = np.loadtxt(path, delimiter=",", skiprows=1, unpack=True)
    assert years[0] == FIRST_YEAR
    assert (np.diff(years) == 1).all()
    return torch.from_numpy(values)


def until(year: int) -> int:
    """How many values the series has up to a year."""
    return year - FIRST_YEAR + 1


class Sunspots(Task):
    """Predict next year's sunspots: a real series of 309 values.

    Args:
        length: years of a training window, 1 to 180.
        part: the test years.
    """

    metric = Metric("NMSE", better="lower")
    input_size = 1
    output_size = 1

    def __init__(self, length: int = 32, part: Part = "1921-1955") -> None:
        longest = until(LEARN_UNTIL) - 1
        if not 1 <= length <= longest:
            raise ValueError(f"length must be from 1 to {longest}, the years to learn from less one; got {length}")
        self.length, self.part = length, part
        series = load()
        learned = series[: until(LEARN_UNTIL)]
        self.mean, self.deviation = float(learned.mean()), float(learned.std(correction=0))
        self.scaled = ((series - self.mean) / self.deviation).float()
        self.variance = float(series[: until(RECORD_UNTIL)].var(correction=0))

    def sample(self, batch_size: int, *, generator: torch.Generator) -> Batch:
        """Windows with random starts in 1700–1880: inputs (T, B, 1), targets (T, B, 1) one year later."""
        starts = torch.randint(until(LEARN_UNTIL) - self.length, (batch_size,), generator=generator)
        steps = starts + torch.arange(self.length)[:, None]
        return Batch(self.scaled[steps, None], self.scaled[steps + 1, None], squared_error)

    def validation(self) -> Batch:
        """The history from 1700 on, of which the years 1881–1920 count."""
        return self._history(LEARN_UNTIL + 1, FIT_UNTIL)

    def test(self) -> Batch:
        """The history from 1700 on, of which the test years count."""
        return self._history(*self._years())

    def score(self, outputs: Tensor, batch: Batch) -> float:
        """The mean squared error in sunspots squared, divided by the variance of 1700–1979."""
        return float(batch.mean_loss(outputs)) * self.deviation**2 / self.variance

    def references(self) -> list[Reference]:
        """Last year's value, the mean, and autoregressions fitted by statsmodels on 1700–1920."""
        from statsmodels.tsa.ar_model import AutoReg

        series = load().numpy()
        first, last = self._years()
        judged = slice(until(first) - 1, until(last))
        truth, fitted = series[judged], series[: until(FIT_UNTIL)]

        def nmse(prediction: np.ndarray) -> float:
            return float(np.mean((truth - prediction) ** 2)) / self.variance

        def autoregression(order: int) -> float:
            model = AutoReg(fitted, lags=order).fit()
            return nmse(np.asarray(model.append(series[until(FIT_UNTIL) :]).predict(judged.start, judged.stop - 1)))

        mean = np.full(truth.shape, fitted.mean())
        before = series[judged.start - 1 : judged.stop - 1]
        return [
            Reference("mean of 1700-1920", nmse(mean), "floor", "constant prediction"),
            Reference("persistence", nmse(before), "floor", "last year's value"),
            Reference("AR(2)", autoregression(2), "baseline", "statsmodels AutoReg on 1700-1920"),
            Reference("AR(9)", autoregression(9), "baseline", "statsmodels AutoReg on 1700-1920"),
        ]

    def checksum(self) -> str:
        return SHA256

    @classmethod
    def available(cls) -> tuple[bool, str]:
        try:
            locate("statsmodels", FILE, SHA256)
        except Unavailable as error:
            return False, str(error)
        return True, ""

    def _years(self) -> tuple[int, int]:
        first, last = self.part.split("-")
        return int(first), int(last)

    def _history(self, first: int, last: int) -> Batch:
        """All years up to `last` as one sequence; the predictions of the years `first` … `last` count."""
        steps = until(last) - 1
        values = self.scaled[: steps + 1, None, None]
        mask = (torch.arange(1, steps + 1) >= until(first) - 1)[:, None]
        return Batch(values[:-1], values[1:], squared_error, mask)
