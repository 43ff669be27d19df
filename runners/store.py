"""The results directory: one JSON record a finished run, written whole or not at all, and a manifest that orders them.

DIR/manifest.json      the suite, each task's metric and references, each group's choice and run keys
DIR/environment.json   machine and versions, as of the last time that a run was executed
DIR/runs/KEY.json      one run
"""

import json
import math
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from throughtime.networks import BadInput
from throughtime.tasks import Metric, Reference

from .directory import Directory, write_json
from .experiment import RunConfig
from .suite import Choice, Suite

FORMAT = 3
"""The version of this layout. A change that older code can't read raises it."""

Status = Literal["done", "diverged", "timeout", "out-of-memory", "error", "skipped"]


class Record(BaseModel):
    """One run as it ended. Units: seconds, bytes; shares from 0 to 1; None where the run did not get that far.

    `plugins` are the modules from outside of throughtime that it used, with the sha256 of their sources; `printed` is
    the end of what such a run printed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    config: RunConfig
    status: Status
    reason: str = ""
    traceback: str = ""
    printed: str = ""
    plugins: dict[str, str] = {}
    deadline: float
    validation: float | None = None
    test: float | None = None
    free: float | None = None
    by_lead: tuple[float | None, ...] = ()
    exposure_bias: float | None = None
    steps: int = 0
    updates: int = 0
    sequences: int = 0
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int | None = None
    flops: int | None = None
    ops: int | None = None
    gradient_norm: float | None = None
    clipped_share: float | None = None
    nonfinite_share: float | None = None
    curve: tuple[dict[str, float | None], ...] = ()

    @property
    def broke(self) -> bool:
        """Whether something went wrong that has nothing to do with the algorithm's numbers."""
        return self.status in ("error", "timeout", "out-of-memory")

    def finished(self, deadline: float) -> bool:
        """Whether running it again would give the same: errors are tried again, a timeout if it now has longer."""
        return self.status in ("done", "diverged") or (self.status == "timeout" and self.deadline >= deadline)


class TaskFacts(BaseModel):
    """What a table needs to know of a task."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str
    metric: Metric
    references: tuple[Reference, ...]
    horizon: int = 0


class GroupKeys(BaseModel):
    """One row's runs: the choice is None until tuning is complete; `experiment` is its number in the suite."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    experiment: int
    task: str
    cell: str
    forcing: str
    algorithm: str
    target: float | None
    choice: Choice | None
    tuning: tuple[str, ...]
    report: tuple[str, ...]


class Manifest(BaseModel):
    """What the directory holds and in which order a table shows it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    version: str
    device: str
    suite: Suite
    tasks: dict[str, TaskFacts]
    groups: tuple[GroupKeys, ...]


class Store(Directory):
    """A results directory."""

    @classmethod
    def open(cls, directory: str | Path) -> "Store":
        """A directory that holds results; `BadInput` if it does not."""
        store = cls(directory)
        store.check_holds_results()
        store.manifest()
        return store

    def check_writable(self) -> None:
        """As every `Directory`, and another version's results are not overwritten."""
        super().check_writable()
        if self.has_manifest():
            self.manifest()

    def manifest(self) -> Manifest:
        """The manifest; `BadInput` if another version of throughtime wrote it."""
        try:
            written = json.loads(self.manifest_path.read_text(encoding="utf-8"))
            if isinstance(written, dict) and written.get("format") != FORMAT:
                raise BadInput(
                    f"{str(self.directory)!r} has results of format {written.get('format')}, written by throughtime "
                    f"{written.get('version')}; this version reads format {FORMAT}: give another directory"
                )
            return Manifest.model_validate(written)
        except (json.JSONDecodeError, UnicodeDecodeError, ValidationError) as error:
            raise BadInput(f"{str(self.manifest_path)!r} can't be read ({error}); give another directory") from None

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace the manifest."""
        write_json(self.manifest_path, manifest.model_dump(mode="json"))

    def record(self, key: str) -> Record | None:
        """The record of a run; None where there is none, or where what there is can't be read."""
        try:
            return Record.model_validate_json(self.record_path(key).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def write_record(self, record: Record) -> None:
        """Add or replace a run's record."""
        write_json(self.record_path(record.key), record.model_dump(mode="json"))


def load_results(directory: str | Path) -> pd.DataFrame:
    """All runs of a results directory, one row a run, in the manifest's order.

    Columns: every field of the run's config (``task``, ``cell``, ``algorithm``, ``forcing``, ``seed``, ``purpose``,
    ``learning_rate``, …; the budget as text), ``status``, ``reason``, the score in the task's metric (``validation``
    for a tuning run, ``test`` for a report run; ``free``: the same, running free;
    ``exposure_bias``: the latter less the score one step ahead on the same targets), ``steps``, ``updates``,
    ``sequences``, ``wall_seconds`` and ``cpu_seconds`` of training, ``wall_per_step`` and ``cpu_per_step`` (seconds),
    ``peak_bytes``, ``flops`` and ``ops`` of the updates of one batch of 16 sequences, ``gradient_norm``,
    ``clipped_share``, ``nonfinite_share``, ``cosine`` and ``relative_error`` (means over the curve),
    ``steps_to_target``, ``seconds_to_target``, and ``key``. A run that
    was not executed yet has no row.
    """
    store = Store.open(directory)
    manifest = store.manifest()
    rows, seen = [], set()
    for group in manifest.groups:
        better = manifest.tasks[group.task].metric.better
        for key in (*group.tuning, *group.report):
            record = store.record(key)
            if record is not None and key not in seen:
                seen.add(key)
                rows.append({**_row(record), **_to_target(record, group.target, better)})
    return pd.DataFrame(rows)


def load_curves(directory: str | Path) -> pd.DataFrame:
    """The learning curves of all report runs, one row a point.

    Columns: ``task``, ``cell``, ``algorithm``, ``forcing``, ``seed``, ``steps``, ``updates``, ``seconds``, ``loss``
    (training), ``metric`` (on test data), ``free`` (the same, running free), ``gradient_norm``, ``cosine``,
    ``relative_error``.
    """
    store = Store.open(directory)
    rows = []
    for group in store.manifest().groups:
        for key in group.report:
            record = store.record(key)
            if record is not None:
                c = record.config
                run = c.model_dump(include={"task", "cell", "algorithm", "forcing", "seed"})
                rows += [{**run, **point} for point in record.curve]
    return pd.DataFrame(rows)


def _row(record: Record) -> dict[str, Any]:
    row = record.model_dump(exclude={"config", "curve", "traceback", "printed", "plugins", "by_lead"})
    config = {**record.config.model_dump(), "budget": str(record.config.budget)}
    ran = {
        "wall_per_step": record.wall_seconds / record.steps if record.steps else None,
        "cpu_per_step": record.cpu_seconds / record.steps if record.steps else None,
    }
    for name in ("cosine", "relative_error"):
        values = [point[name] for point in record.curve if point.get(name) is not None]
        ran[name] = math.fsum(v for v in values if v is not None) / len(values) if values else None
    return {**config, **row, **ran}


def _to_target(record: Record, target: float | None, better: str) -> dict[str, float | None]:
    """The first point of the curve that is as good as the target."""
    for point in record.curve:
        metric = point["metric"]
        if target is not None and metric is not None and (metric <= target if better == "lower" else metric >= target):
            return {"steps_to_target": point["steps"], "seconds_to_target": point["seconds"]}
    return {"steps_to_target": None, "seconds_to_target": None}
