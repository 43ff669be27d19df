"""Monthly sunspots: the mean sunspot number of each month, 1749 to June 2009, 3126 values, one month ahead.

The raw file ships with statsmodels, as the National Geophysical Data Center gave it out; its own note says that nothing
was observed in February 1824, and that the value there is interpolated. The first 70 % are to learn from (until April
1931), hyperparameters are chosen on the next 10 %, the test is the last 20 % (from May 1957 on: the highest cycles on
record). The metric is the mean squared error divided by the variance of the part to learn from.
"""

import functools
import itertools

import torch
from torch import Tensor

from throughtime.parts import Unavailable

from .base import Reference
from .packaged import locate
from .series import Series, Split, complete, shipped

FILE = "statsmodels/datasets/sunspots/src/sunspots_monthly.dat"
SHA256 = "cc303d26340b6d599bc2878899f8c50c12323dc04b52a26ad047965ea2b9d2a3"
FIRST_YEAR = 1749
CYCLE = 132
"""Months of a sunspot cycle, eleven years."""


@functools.cache
def load() -> Tensor:
    """The monthly means from January 1749 on, (3126,), float64."""
    lines = locate("statsmodels", FILE, SHA256).read_text(encoding="ascii").splitlines()
    table = [line.split() for line in lines if line[:4].isdigit()]
    for expected, (year, *_) in zip(itertools.count(FIRST_YEAR), table, strict=False):
        if int(year) != expected:
            raise Unavailable(f"{FILE} has the year {year} where {expected} is expected")
    values = torch.tensor([float(value) for _, *months in table for value in months], dtype=torch.float64)
    return complete(values, FILE, lambda number: f"month {number % 12 + 1} of {FIRST_YEAR + number // 12}")


class SunspotsMonthly(Series):
    """Predict next month's sunspots: a real series of 3126 values.

    Args:
        length: months of a training window.
        horizon: months of free running that are scored.
        stream: training windows follow each other, the network's state carried on.
    """

    def __init__(self, length: int = 12, horizon: int = 12, stream: bool = True) -> None:
        super().__init__(Split.by_time(len(load())), length=length, horizon=horizon, stream=stream)

    def values(self) -> Tensor:
        return load()[:, None]

    def references(self) -> list[Reference]:
        """The mean, last month's value, and an autoregression over a whole cycle."""
        return [self.mean_value(), self.persistence(), self.autoregression(CYCLE)]

    def checksum(self) -> str:
        return SHA256

    @classmethod
    def available(cls) -> tuple[bool, str]:
        return shipped("statsmodels", FILE, SHA256)
