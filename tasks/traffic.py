"""Traffic: vehicles per hour on Interstate 94 near Minneapolis, October 2016 to September 2018, one hour ahead (UCI
Machine Learning Repository, Metro Interstate Traffic Volume).

The file ships with AutoTS: 17520 hours, of which 104 were not recorded. They are masked as targets, and given as the
mean together with a flag. The first 70 % are to learn from, hyperparameters are chosen on the next 10 %, the test is
the last 20 %. A step's inputs are its hour's weather (clouds, rain, temperature; the mean where not recorded, without a
flag), hour of the day and day of the week, the flag of a missing volume, and the volume. Snow is left out, being 0
throughout, and so is the weather in words. The metric is the root of the mean squared error, in vehicles per hour.

The autoregression is fitted on the rows of 169 hours that are all recorded, and judged on all test hours, a missing lag
replaced by its own prediction. Judged only where all 168 lags are recorded it scores 288 instead of 280.
"""

import csv
import functools
import io
import math
import zipfile
from dataclasses import dataclass
from datetime import datetime, timedelta

import torch
from torch import Tensor

from throughtime.parts import Unavailable

from .base import Batch, Metric, Reference
from .packaged import locate
from .series import Series, Split, shipped
from .series_data import moments

PACKAGE, EXTRA = "autots", "real"
FILE = "autots/datasets/data/traffic_hourly.zip"
SHA256 = "71416c6c5adf1e322c3a9483c70ea44dbbcac4ef3d47aa346d763b77478f35ad"
FIRST_HOUR = datetime(2016, 10, 1)
WEATHER = ("clouds_all", "rain_1h", "temp")
DAY, WEEK = 24, 168


@dataclass(frozen=True)
class Record:
    """What the file holds, hour by hour.

    Attributes:
        volume: (N,) vehicles per hour, NaN where missing.
        weather: (N, 3) clouds in percent, rain in mm, temperature in kelvin; NaN where missing.
    """

    volume: Tensor
    weather: Tensor


@functools.cache
def load() -> Record:
    """The record from 1 October 2016, 0:00 on, float64."""
    with zipfile.ZipFile(locate(PACKAGE, FILE, SHA256, extra=EXTRA)) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    volume, weather = [], []
    for number, row in enumerate(csv.DictReader(io.StringIO(text))):
        expected = FIRST_HOUR + number * timedelta(hours=1)
        if row["datetime"] != str(expected):
            raise Unavailable(f"{FILE} has the hour {row['datetime']} where {expected} is expected")
        volume.append(_number(row["traffic_volume"]))
        weather.append([_number(row[name]) for name in WEATHER])
    return Record(torch.tensor(volume, dtype=torch.float64), torch.tensor(weather, dtype=torch.float64))


def _number(text: str) -> float:
    return float(text) if text else math.nan


class Traffic(Series):
    """Predict the next hour's traffic: a real series of 17520 hours, of which 104 are missing.

    Args:
        length: hours of a training window.
        horizon: hours of free running that are scored.
        stream: training windows follow each other, the network's state carried on.
    """

    metric = Metric("RMSE (vehicles per hour)", better="lower")
    input_size = len(WEATHER) + 4 + 2
    gaps = True

    def __init__(self, length: int = 24, horizon: int = 24, stream: bool = True) -> None:
        super().__init__(Split.by_time(len(load().volume)), length=length, horizon=horizon, stream=stream)

    def values(self) -> Tensor:
        return load().volume[:, None]

    def external(self) -> Tensor:
        """The weather, scaled by the part to learn from, and the hour's place in the day and in the week, (N, 7)."""
        weather = load().weather
        mean, deviation = moments(weather[: self.split.learn])
        hours = torch.arange(len(weather), dtype=torch.float64)
        midnights = 24 * FIRST_HOUR.weekday()
        angles = [2 * math.pi * hours / DAY, 2 * math.pi * ((hours + midnights) // DAY) / 7]
        calendar = [wave for angle in angles for wave in (angle.sin(), angle.cos())]
        return torch.cat([(weather - mean) / deviation, torch.stack(calendar, dim=1)], dim=1)

    def score(self, outputs: Tensor, batch: Batch) -> float:
        """The root of the mean squared error, in vehicles per hour."""
        return math.sqrt(float(batch.mean_loss(outputs))) * float(self.data.deviation)

    def references(self) -> list[Reference]:
        """The mean, the last hour, the same hour a week ago, and an autoregression over a week."""
        return [
            self.mean_value(),
            self.persistence(),
            self.seasonal("weekly naive", WEEK, source="last given value of the same hour of the week"),
            self.autoregression(WEEK, source="least squares over the hours without a gap"),
        ]

    def checksum(self) -> str:
        return SHA256

    @classmethod
    def available(cls) -> tuple[bool, str]:
        return shipped(PACKAGE, FILE, SHA256, extra=EXTRA)
