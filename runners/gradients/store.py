"""The directory of a gradient suite's results.

DIR/gradients.json     the suite, its tasks, the keys of each row
DIR/environment.json   machine, versions and load, as of the last time that a point was measured
DIR/points/KEY.json    one point
DIR/runs/KEY.json      one run of the tuning
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from throughtime.parts.text import one_line
from throughtime.runners.records.manifest import GroupKeys, RunStore
from throughtime.runners.records.manifest import Manifest as RunManifest
from throughtime.runners.records.store import Store
from throughtime.runners.suite.experiment import Group

from .point import TABLES, Measured, Setting
from .suite import GradientSuite


class Manifest(RunManifest):
    """As of a suite's runs, of which those of the tuning stand beside the points."""

    suite: GradientSuite

    @property
    def asked(self) -> dict[str, Setting]:  # type: ignore[override]
        """Every point by its key: what its record must be of."""
        found: dict[str, Setting] = {}
        for keys in self.groups:
            experiment = self.suite.experiments[keys.experiment]
            group = Group(experiment, keys.task, keys.cell, keys.forcing, keys.algorithm)
            runs = group.report(keys.choice or experiment.grid[0], self.device)
            settings = (Setting(run=run, measure=self.suite.measure) for run in runs)
            found |= zip(keys.report, settings, strict=False)
        return found


class GradientStore(Store[Manifest, Measured]):
    """A gradient suite's directory."""

    manifest_type = Manifest
    record_type = Measured
    format = 1
    manifest_name = "gradients.json"
    records = "points"
    contents = "gradients"
    maker = "throughtime gradients"
    also = (RunStore.records,)
    indent = None


@dataclass(frozen=True)
class Gradients:
    """A directory's content, ready to be shown."""

    manifest: Manifest
    environment: dict[str, Any]
    records: dict[str, Measured]

    @property
    def suite(self) -> GradientSuite:
        """What was asked."""
        return self.manifest.suite

    @property
    def measured_on(self) -> str:
        """Machine and device, in words."""
        machine = one_line(str(self.environment.get("machine", "an unknown machine")))
        return f"{machine}; on {self.manifest.device}"

    def of(self, group: GroupKeys) -> list[Measured]:
        """The records of a row that there are."""
        return [self.records[key] for key in group.report if key in self.records]

    def frame(self, table: str) -> pd.DataFrame:
        """One of `TABLES` of all points, with what names the point in front: task, cell, forcing, algorithm, seed."""
        frames = []
        for group in self.manifest.groups:
            for record in self.of(group):
                run = record.setting.run
                about = {name: getattr(run, name) for name in ("task", "cell", "forcing", "algorithm", "seed")}
                frames.append(pd.DataFrame({**about, **record.tables.get(table, {})}, index=_index(record, table)))
        filled = [frame for frame in frames if len(frame)]
        return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()


def _index(record: Measured, table: str) -> range:
    columns = record.tables.get(table, {})
    return range(max((len(column) for column in columns.values()), default=0))


def open_gradients(directory: str | Path) -> Gradients:
    """A directory's content; `BadInput` if it holds none."""
    store = GradientStore.open(directory)
    manifest = store.manifest()
    return Gradients(manifest, store.environment(), store.read(manifest.asked))


def load_gradients(directory: str | Path) -> dict[str, pd.DataFrame]:
    """All that was measured in a directory, as tidy data frames: "fidelity", "trail", "reach", "dynamics", "stale" and
    "training", each with ``task``, ``cell``, ``forcing``, ``algorithm``, ``seed`` in front.
    """
    found = open_gradients(directory)
    return {table: found.frame(table) for table in TABLES}
