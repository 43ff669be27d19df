"""What tasks with real-valued series share: the next values from those before, split by time and scaled without a leak.

A step's inputs are the external features of its moment, then (in a series with gaps) 1 where the value is missing, then
the value itself; its target is the next value. So the last o inputs are the target of the step before: a network can
run on its own output. External features are given in a free run too, as if they were known ahead.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from throughtime.parts import BadInput, Unavailable
from throughtime.parts.defaults import fresh_defaults

from .base import Batch, Metric, Reference, Task
from .classical import Autoregression, last_given, seasonal
from .horizon import ahead, longest_stretch, with_leads
from .losses import squared_error
from .packaged import locate
from .series_data import Data, make_ready, moments

Predict = Callable[[NDArray[np.int64], int], NDArray[np.float64]]
"""From K origins, the positions of the last given values, and a horizon to the values that follow, (horizon, K, o)."""


@dataclass(frozen=True)
class Split:
    """The parts of a series by time, as positions.

    Attributes:
        learn: the values 0 … learn − 1 are to learn from.
        validation: the judged values on which hyperparameters are chosen.
        test: the judged values that a table reports. What is fitted knows all values before `validation.stop`.
    """

    learn: int
    validation: range
    test: range

    @classmethod
    def by_time(cls, count: int) -> "Split":
        """The first 70 % to learn from, the next 10 % to choose on, the last 20 % to test on.

        >>> Split.by_time(10)
        Split(learn=7, validation=range(7, 8), test=range(8, 10))
        """
        learn, known = count * 7 // 10, count * 4 // 5
        return cls(learn, range(learn, known), range(known, count))


class Series(Task):
    """A task that predicts a series. A subclass owes `values` and `references`.

    Class attributes:
        gaps: values may be missing: masked as targets, given as 0 together with a flag. If False, a missing one is an
            error.
        warmup: how many steps are given before the first judged one; None: the whole history.
        fitted_on: in words, the values before `split.validation.stop`.

    Args:
        split: the parts of the series.
        length: steps of a training window.
        horizon: steps of free running that are scored.
        stream: training batches are consecutive windows, the network's state carried on.
    """

    metric = Metric("NMSE", better="lower")
    feedback = "real"
    small_test = True
    input_size = 1
    output_size = 1
    gaps: ClassVar[bool] = False
    warmup: ClassVar[int | None] = 500
    fitted_on: ClassVar[str] = "the first 80 %"

    def __init__(self, split: Split, *, length: int, horizon: int, stream: bool) -> None:
        if not 1 <= length < split.learn:
            longest = split.learn - 1
            raise ValueError(f"length must be from 1 to {longest}, the values to learn from less one; got {length}")
        self.split, self.length, self.stream = split, length, stream
        longest = min(self._in_a_row(split.validation), self._in_a_row(split.test))
        if not 1 <= horizon <= longest:
            raise ValueError(f"horizon must be from 1 to {longest}, the judged steps in a row; got {horizon}")
        self.horizon = horizon

    @abstractmethod
    def values(self) -> Tensor:
        """The series as measured, (N, o) float64, NaN where missing."""

    def external(self) -> Tensor:
        """The features that come with the values, (N, m − o) or one less in a series with gaps; NaN where missing."""
        return torch.zeros(len(self.values()), 0, dtype=torch.float64)

    @cached_property
    def data(self) -> Data:
        """The series, made ready at its first use."""
        with fresh_defaults():
            return self._made_ready()

    def _made_ready(self) -> Data:
        values, name = self.values(), type(self).__name__
        data = make_ready(name, values, self.external(), learn=self.split.learn, gaps=self.gaps)
        if self.gaps and data.inputs.shape[1] == self.input_size + 1:
            raise BadInput(
                f"{name} has gaps=True and input_size={self.input_size}, and its inputs are {self.input_size + 1} "
                f"numbers a step: what external() gives, the flag of a missing value, and the values; count the flag"
            )
        if self.split.test.stop > len(values):
            raise BadInput(f"{name}: the test part ends at {self.split.test.stop}, and there are {len(values)} values")
        return data

    def sample(self, batch_size: int, *, generator: torch.Generator) -> Batch:
        """Windows with random starts in the part to learn from: inputs (T, B, m), targets (T, B, o) one step later."""
        return self._windows(torch.randint(self.split.learn - self.length, (batch_size,), generator=generator))

    def batches(self, batch_size: int, *, generator: torch.Generator) -> Iterator[Batch]:
        """Random windows; as a stream, pass after pass, consecutive windows of `batch_size` tracks side by side.

        The tracks share the part to learn from; where they begin is drawn anew for each pass, whose first batch
        continues nothing.

        Raises:
            BadInput: the tracks of a stream would be shorter than a window.
        """
        if not self.stream:
            yield from super().batches(batch_size, generator=generator)
        steps = self.split.learn - 1
        if batch_size * self.length > steps:
            raise BadInput(
                f"a stream of {batch_size} tracks with windows of {self.length} steps needs {batch_size * self.length} "
                f"steps to learn from, and there are {steps}: take a smaller batch_size or length, or stream=False"
            )
        while True:
            offset = _below(min(self.length, steps - batch_size * self.length + 1), generator)
            track = (steps - offset) // batch_size
            windows = track // self.length
            unused = steps - offset - (batch_size - 1) * track - windows * self.length
            starts = offset + _below(unused + 1, generator) + track * torch.arange(batch_size)
            for window in range(windows):
                yield self._windows(starts + window * self.length, continues=window > 0)

    def validation(self) -> Batch:
        """The history up to the end of the validation part, in which only that part counts."""
        return self._history(self.split.validation)

    def test(self) -> Batch:
        """The history up to the end of the test part, in which only that part counts."""
        return self._history(self.split.test)

    def score(self, outputs: Tensor, batch: Batch) -> float:
        """The mean squared error, each component's divided by its variance in the part to learn from."""
        return float(batch.mean_loss(outputs))

    def reference(self, name: str, predict: Predict, *, kind: str, source: str) -> Reference:
        """A prediction's scores: one step ahead on all test steps, and over the horizon from the test's origins."""
        data, judged = self.data, torch.tensor(self.split.test)
        judged = judged[data.present[judged]]
        targets = data.scaled[judged][:, None]
        one = Batch(targets, targets, squared_error)
        outputs = self._scaled(predict(judged.numpy() - 1, 1)).transpose(0, 1)
        found = Reference(
            name,
            self.score(outputs, one),
            "floor" if kind == "floor" else "baseline",
            source,
            losses=tuple(one.target_losses(outputs).tolist()),
        )
        test = ahead(self.test(), self.horizon)
        origins = self._begin(self.split.test) + test.steps.numpy()
        return with_leads(found, self, self._scaled(predict(origins, self.horizon)), test.batch)

    def mean_value(self) -> Reference:
        """The mean of what may be fitted on, as a constant prediction."""
        constant = moments(self.data.values[: self.split.validation.stop])[0].numpy()

        def predict(origins: NDArray[np.int64], horizon: int) -> NDArray[np.float64]:
            return np.broadcast_to(constant, (horizon, len(origins), len(constant)))

        return self.reference(f"mean of {self.fitted_on}", predict, kind="floor", source="constant prediction")

    def persistence(self) -> Reference:
        """The last value that was given, repeated."""
        filled = last_given(self.data.values.numpy())

        def predict(origins: NDArray[np.int64], horizon: int) -> NDArray[np.float64]:
            return np.repeat(filled[origins][None], horizon, axis=0)

        return self.reference("persistence", predict, kind="floor", source="last given value")

    def seasonal(self, name: str, period: int, *, source: str) -> Reference:
        """The last value that was given at the same place of the period."""
        values = self.data.values.numpy()
        return self.reference(
            name, lambda origins, horizon: seasonal(values, period, origins, horizon), kind="baseline", source=source
        )

    def autoregression(self, order: int, *, source: str = "statsmodels AutoReg") -> Reference:
        """AR(order) of every component by itself, run on its own predictions."""
        values = self.data.values.numpy()
        models = [Autoregression(column, order, fitted=self.split.validation.stop) for column in values.T]

        def predict(origins: NDArray[np.int64], horizon: int) -> NDArray[np.float64]:
            return np.stack([model.predict(origins, horizon) for model in models], axis=-1)

        return self.reference(f"AR({order})", predict, kind="baseline", source=f"{source} on {self.fitted_on}")

    def _scaled(self, values: NDArray[np.float64]) -> Tensor:
        return (torch.tensor(values) - self.data.mean) / self.data.deviation

    def _windows(self, starts: Tensor, *, continues: bool = False) -> Batch:
        """The windows of `length` steps from the starts (B,) on."""
        steps = starts + torch.arange(self.length)[:, None]
        mask = self.data.present[steps + 1] if self.gaps else None
        return Batch(self.data.inputs[steps], self._values(steps + 1), squared_error, mask, continues)

    def _history(self, judged: range) -> Batch:
        """One sequence that ends with the judged values, and begins `warmup` steps before them."""
        steps = torch.arange(self._begin(judged), judged.stop - 1)[:, None]
        mask = (steps + 1 >= judged.start) & self.data.present[steps + 1]
        return Batch(self.data.inputs[steps], self._values(steps + 1), squared_error, mask)

    def _values(self, steps: Tensor) -> Tensor:
        return self.data.inputs[steps][..., -self.output_size :]

    def _begin(self, judged: range) -> int:
        """The position of a judged part's first input."""
        return 0 if self.warmup is None else max(0, judged.start - 1 - self.warmup)

    def _in_a_row(self, judged: range) -> int:
        """How many judged values follow each other without a gap."""
        return longest_stretch(self.data.present[judged.start : judged.stop, None]) if self.gaps else len(judged)


def complete(values: Tensor, file: str, place: Callable[[int], str]) -> Tensor:
    """The values (N,) themselves; `Unavailable` names the file and the place of one that is not a finite number."""
    bad = (~values.isfinite()).nonzero()
    if len(bad):
        raise Unavailable(f"{file} has {float(values[bad[0, 0]])} for {place(int(bad[0, 0]))}, not a number")
    return values


def shipped(package: str, file: str, sha256: str, *, extra: str = "") -> tuple[bool, str]:
    """Whether a packaged file is there and the expected one, and if not, why: what `Task.available` answers."""
    try:
        locate(package, file, sha256, extra=extra)
    except Unavailable as error:
        return False, str(error)
    return True, ""


def _below(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=generator))
