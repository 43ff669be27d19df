"""A results directory read once, and as data frames, from records and manifest alone."""

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from throughtime.parts.text import one_line
from throughtime.runners.suite.config import RunConfig

from .manifest import Manifest, RunStore
from .record import Point, Record

_RUN = ("task", "cell", "algorithm", "forcing", "seed")
"""What names a run in a table of its points."""

_NO_COLUMNS = {"config", "curve", "traceback", "printed", "plugins", "by_lead", "test_losses"}
"""What of a record is no number or word of a table."""


@dataclass(frozen=True)
class Results:
    """What a results directory held when it was read: there may be thousands of files, and each is read once.

    Attributes:
        store: the directory.
        manifest: what was asked for.
        records: what there is of it, by key.
    """

    store: RunStore
    manifest: Manifest
    records: dict[str, Record]

    @classmethod
    def of(cls, where: "str | Path | Results") -> "Results":
        """Those of a directory, or what was read of it already; `BadInput` if it holds no results."""
        if isinstance(where, Results):
            return where
        store = RunStore.open(where)
        manifest = store.manifest()
        return cls(store, manifest, store.read(manifest.asked))

    @cached_property
    def machines(self) -> dict[str, int]:
        """The machines on which the report runs were made that are done, and how many on each: the most first."""
        keys = dict.fromkeys(key for group in self.manifest.groups for key in group.report)
        runs = [self.runs[key] for key in keys if key in self.runs]
        return dict(Counter(run["machine"] for run in runs if run["status"] == "done").most_common())

    @property
    def timed_on(self) -> str:
        """The machine whose times are compared: those of others are others; empty where no run is done."""
        return next(iter(self.machines), "")

    @cached_property
    def runs(self) -> dict[str, dict[str, Any]]:
        """By key what `load_results` has of a run, in the manifest's order."""
        found: dict[str, dict[str, Any]] = {}
        here = one_line(str(self.store.environment().get("machine", "not recorded")))
        for group in self.manifest.groups:
            better = self.manifest.tasks[group.task].metric.better
            for key in (*group.tuning, *group.report):
                if key in self.records and key not in found:
                    record = self.records[key]
                    found[key] = {
                        **_row(record),
                        "machine": record.machine or here,
                        **_to_target(record, group.target, better),
                    }
        return found


def load_results(directory: str | Path) -> pd.DataFrame:
    """All runs of a results directory, one row a run, in the manifest's order.

    Columns: every field of the run's config (``task``, ``cell``, ``algorithm``, ``forcing``, ``seed``, ``purpose``,
    ``learning_rate``, …; the budget as text), ``status``, ``reason``, the score in the task's metric (``validation``
    for a tuning run, ``test`` for a report run; ``free``: the same, running free;
    ``exposure_bias``: the latter less the score one step ahead on the same targets), ``steps``, ``updates``,
    ``sequences``, ``wall_seconds`` and ``cpu_seconds`` of training, ``wall_per_step`` and ``cpu_per_step`` (seconds),
    ``time_per_step`` (the CPU's, which a busy machine does not lengthen, or of a run on a GPU that on the wall),
    ``peak_bytes``, ``flops`` and ``ops`` of the updates of one batch of 16 sequences, ``mean_peak_bytes`` where the
    memory is random, ``gradient_norm``, ``clipped_share``, ``nonfinite_share``, ``cosine`` and ``relative_error``
    (means over the curve), ``steps_to_target``, ``seconds_to_target``, ``machine`` (whose times these
    are), and ``key``. A run that
    was not executed yet has no row, nor has one whose record is of another run or contradicts itself.
    """
    rows = Results.of(directory).runs
    return pd.DataFrame(rows.values(), columns=None if rows else _columns())


def load_curves(directory: str | Path) -> pd.DataFrame:
    """The learning curves of all report runs, one row a point.

    Columns: ``task``, ``cell``, ``algorithm``, ``forcing``, ``seed``, ``steps``, ``updates``, ``seconds``, ``loss``
    (training), ``metric`` (on test data), ``free`` (the same, running free), ``gradient_norm``, ``cosine``,
    ``relative_error``.
    """
    results, rows = Results.of(directory), []
    for group in results.manifest.groups:
        for key in group.report:
            record = results.records.get(key)
            if record is not None:
                c = record.config
                run = c.model_dump(include=set(_RUN))
                rows += [{**run, **point.model_dump()} for point in record.curve]
    return pd.DataFrame(rows, columns=None if rows else [*_RUN, *Point.model_fields])


def _row(record: Record) -> dict[str, Any]:
    row = record.model_dump(exclude=_NO_COLUMNS)
    config = {**record.config.model_dump(), "budget": str(record.config.budget)}
    wall, cpu = (
        seconds / record.steps if record.steps else None for seconds in (record.wall_seconds, record.cpu_seconds)
    )
    ran = {"time_per_step": cpu if record.config.device == "cpu" else wall, "wall_per_step": wall, "cpu_per_step": cpu}
    for name in ("cosine", "relative_error"):
        values = [value for point in record.curve if (value := getattr(point, name)) is not None]
        ran[name] = math.fsum(values) / len(values) if values else None
    return {**config, **row, **ran}


def _columns() -> list[str]:
    """The columns of a table without rows, so that what is asked of them has an answer."""
    kept = [name for name in Record.model_fields if name not in _NO_COLUMNS]
    ran = [
        "time_per_step",
        "wall_per_step",
        "cpu_per_step",
        "cosine",
        "relative_error",
        "steps_to_target",
        "seconds_to_target",
    ]
    return [*RunConfig.model_fields, *kept, *ran]


def _to_target(record: Record, target: float | None, better: str) -> dict[str, float | None]:
    """The first point of the curve that is as good as the target."""
    for point in record.curve:
        if target is not None and (point.metric <= target if better == "lower" else point.metric >= target):
            return {"steps_to_target": point.steps, "seconds_to_target": point.seconds}
    return {"steps_to_target": None, "seconds_to_target": None}
