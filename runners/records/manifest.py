"""The directory of a suite's results: the manifest, which orders the runs by the rows of a table, and their records."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from throughtime.parts.text import one_line
from throughtime.runners.suite.config import RunConfig, Spec
from throughtime.runners.suite.experiment import Group
from throughtime.runners.suite.ladder import Choice
from throughtime.runners.suite.suite import Suite
from throughtime.runners.suite.written import Finite
from throughtime.tasks import Metric, Reference, Task

from .kept import Whole, rounded
from .record import Record
from .store import Asked, Key, Store


class TaskFacts(BaseModel):
    """What a table needs to know of a task.

    Attributes:
        fingerprint: of the task's code and data.
        metric: of its scores.
        references: what the scores stand beside.
        horizon: the steps of free running.
        test_sequences: of its test data, and test_targets: in all of them; 0 where it was not asked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str
    metric: Metric
    references: tuple[Reference, ...]
    horizon: Whole = 0
    test_sequences: Whole = 0
    test_targets: Whole = 0

    @classmethod
    def of(cls, task: Task, fingerprint: str = "") -> "TaskFacts":
        """What a task tells of itself; `ValueError` where that can't be shown, a reference that is no number say."""
        told = {"metric": task.metric, "references": tuple(task.references()), "horizon": task.horizon}
        test = task.test()
        told |= {"test_sequences": test.size, "test_targets": test.total}
        try:
            return cls.model_validate({"fingerprint": fingerprint, **told})
        except ValidationError as error:
            raise ValueError("; ".join(one["msg"].removeprefix("Value error, ") for one in error.errors())) from None

    @field_validator("references")
    @classmethod
    def _sound(cls, references: tuple[Reference, ...]) -> tuple[Reference, ...]:
        for one in references:
            for value in (one.value, *([] if one.free is None else [one.free]), *one.by_lead, *one.losses):
                if not math.isfinite(value):
                    raise ValueError(f"the reference {one.name!r} is {value}")
        return tuple(
            replace(one, name=one_line(one.name), source=one_line(one.source), losses=tuple(map(rounded, one.losses)))
            for one in references
        )

    @model_validator(mode="after")
    def _of_the_same_targets(self) -> "TaskFacts":
        for one in self.references:
            if len(one.losses) not in (0, self.test_targets):
                raise ValueError(
                    f"the reference {one.name!r} has {len(one.losses)} losses, and the test data "
                    f"{self.test_targets} targets: a loss for each of them, or none"
                )
        return self

    @field_validator("metric")
    @classmethod
    def _plain(cls, metric: Metric) -> Metric:
        return replace(metric, name=one_line(metric.name))


class GroupKeys(BaseModel):
    """One row's runs.

    The choice is None until tuning is complete, and where it failed; `experiment` is its number in the suite. `rates`
    are those of a ladder that were tried, in this order; of a list, which the suite has, there is no word.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    experiment: int
    task: Spec
    cell: str
    forcing: Spec
    algorithm: Spec
    target: float | None
    choice: Choice | None
    tuning: tuple[Key, ...]
    report: tuple[Key, ...]
    rates: tuple[Finite, ...] = ()

    @model_serializer(mode="wrap")
    def _without_nothing(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told: dict[str, Any] = write(self)
        return told if self.rates else {name: value for name, value in told.items() if name != "rates"}


class Manifest(Asked):
    """What the directory holds and in which order a table shows it."""

    suite: Suite
    tasks: dict[str, TaskFacts]
    groups: tuple[GroupKeys, ...]

    @model_validator(mode="after")
    def _holds_together(self) -> "Manifest":
        for group in self.groups:
            if group.task not in self.tasks:
                raise ValueError(f"a row is of the task {group.task!r}, of which nothing is told")
            if not 0 <= group.experiment < len(self.suite.experiments):
                raise ValueError(
                    f"a row is of experiment {group.experiment}, and there are {len(self.suite.experiments)}"
                )
        return self

    @property
    def subject(self) -> str:
        """The suite and the device."""
        return subject(self.suite, self.device)

    @property
    def rows(self) -> dict[str, str]:
        """Task, cell, forcing and algorithm of each, with the settings of its experiment."""
        return rows_of(self.suite, ((g.experiment, (g.task, g.cell, g.forcing, g.algorithm)) for g in self.groups))

    @property
    def asked(self) -> dict[str, RunConfig]:
        """Every run by its key, row by row: what its record must be of."""
        found: dict[str, RunConfig] = {}
        for keys in self.groups:
            experiment = self.suite.experiments[keys.experiment]
            group = Group(experiment, keys.task, keys.cell, keys.forcing, keys.algorithm)
            tuning = [config for configs in group.tuning(self.device, keys.rates).values() for config in configs]
            # Without a choice there are none, or those that tell that tuning failed: of the first one.
            report = group.report(keys.choice or experiment.grid[0], self.device)
            found |= zip((*keys.tuning, *keys.report), (*tuning[: len(keys.tuning)], *report), strict=False)
        return found


def rows_of(suite: Suite, groups: Iterable[tuple[int, Sequence[str]]]) -> dict[str, str]:
    """Rows by all that is asked of them, and what they are called.

    Args:
        suite: whose rows.
        groups: of each row the number of its experiment, and its task, cell, forcing and algorithm.
    """
    lists = {"tasks", "cells", "forcing", "algorithms"}
    settings = [one.model_dump_json(exclude=lists) for one in suite.experiments]
    names = [(number, " · ".join(words)) for number, words in groups]
    return {f"{name} {settings[number]}": name for number, name in names}


def subject(suite: Suite, device: str) -> str:
    """Whose results a directory holds: "quickstart on cpu"."""
    return f"{suite.tiered_name} on {device}"


class RunStore(Store[Manifest, Record]):
    """A suite's results directory."""

    manifest_type = Manifest
    record_type = Record
    format = 3
