"""Sunspots: the yearly number of sunspots, 1700–2008, one year ahead (the split of Weigend, Huberman & Rumelhart 1990).

The series ships with statsmodels. Networks learn from 1700–1880, and the test is 1921–1955 or the notoriously harder
1956–1979. The forty years between rank hyperparameters badly, so those are chosen from three rolling origins, one a
tuning seed: learn until 1880, 1840 or 1800, and be judged on the forty years that follow. The metric is the mean
squared error divided by the variance of 1700–1979 in this file, 1495.6. Values are scaled by the mean and deviation of
what is learned from alone. The autoregressions need no validation and are fitted on 1700–1920: forty years more than
the networks learn from.
"""

import functools
from copy import copy
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from throughtime.parts import Unavailable

from .base import Batch, Reference
from .packaged import locate
from .series import Series, Split, complete, shipped

FILE = "statsmodels/datasets/sunspots/sunspots.csv"
SHA256 = "f67889b1d9002cd5227f0e0ef54e35b419cdd85a31279adef6f73fb41e5c0a9b"
FIRST_YEAR, LEARN_UNTIL, FIT_UNTIL, RECORD_UNTIL = 1700, 1880, 1920, 1979
ORIGINS = (1880, 1840, 1800)
"""Until when a tuning seed learns; it is judged on the forty years from there."""
Part = Literal["1921-1955", "1956-1979"]


@functools.cache
def load() -> Tensor:
    """The yearly numbers from 1700 on, (309,), float64."""
    path = locate("statsmodels", FILE, SHA256)
    years, values = np.loadtxt(path, delimiter=",", skiprows=1, unpack=True)
    expected = FIRST_YEAR + np.arange(len(years))
    wrong = np.flatnonzero(years != expected)
    if len(wrong):
        raise Unavailable(f"{FILE} has the year {years[wrong[0]]:g} where {expected[wrong[0]]} is expected")
    return complete(torch.from_numpy(values), FILE, lambda number: f"the year {FIRST_YEAR + number}")


def until(year: int) -> int:
    """How many values the series has up to a year."""
    return year - FIRST_YEAR + 1


def _chosen_on(year: int) -> range:
    """The forty years after one, as positions."""
    return range(until(year), until(year + FIT_UNTIL - LEARN_UNTIL))


class Sunspots(Series):
    """Predict next year's sunspots: a real series of 309 values.

    Args:
        length: years of a training window, 1 to 180.
        part: the test years.
        horizon: years of free running that are scored, 1 to 35, in 1956–1979 to 24.
        stream: training windows follow each other, the network's state carried on.
    """

    warmup = None
    fitted_on = "1700-1920"

    def __init__(self, length: int = 32, part: Part = "1921-1955", horizon: int = 8, stream: bool = False) -> None:
        self.part = part
        series = load()
        first, last = (int(year) for year in part.split("-"))
        split = Split(until(LEARN_UNTIL), _chosen_on(LEARN_UNTIL), range(until(first) - 1, until(last)))
        super().__init__(split, length=length, horizon=horizon, stream=stream)
        self.variance = float(series[: until(RECORD_UNTIL)].var(correction=0))

    def fold(self, number: int) -> "Sunspots":
        """One of the rolling origins that leave enough to learn from; of a stream the last one alone."""
        origins = [year for year in ORIGINS if until(year) > self.length and not self.stream]
        year = origins[number % len(origins)] if origins else LEARN_UNTIL
        other = copy(self)
        vars(other).pop("data", None)
        other.split = replace(self.split, learn=until(year), validation=_chosen_on(year))
        return other

    def values(self) -> Tensor:
        return load()[:, None]

    def score(self, outputs: Tensor, batch: Batch) -> float:
        """The mean squared error in sunspots squared, divided by the variance of 1700–1979."""
        return float(batch.mean_loss(outputs)) * self.deviation**2 / self.variance

    def references(self) -> list[Reference]:
        """The mean, last year's value, and autoregressions fitted by statsmodels on 1700–1920."""
        return [self.mean_value(), self.persistence(), self.autoregression(2), self.autoregression(9)]

    def checksum(self) -> str:
        return SHA256

    @classmethod
    def available(cls) -> tuple[bool, str]:
        return shipped("statsmodels", FILE, SHA256)

    @property
    def mean(self) -> float:
        """Of the years to learn from."""
        return float(self.data.mean)

    @property
    def deviation(self) -> float:
        """Of the years to learn from."""
        return float(self.data.deviation)

    @property
    def scaled(self) -> Tensor:
        """All years in units of those to learn from, (309,) float32."""
        return self.data.inputs[:, 0]
