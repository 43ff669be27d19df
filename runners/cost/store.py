"""The directory of a cost suite's results.

DIR/cost.json          the suite, the device, the keys of each line of points
DIR/environment.json   machine, threads, load and versions, as of the last time that a point was measured
DIR/points/KEY.json    one point
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from throughtime.parts.text import one_line
from throughtime.runners.records.store import Asked, Key, Store
from throughtime.runners.suite.config import Spec

from .point import Cost, Point
from .scaling import Scaling, scaling
from .suite import CostSuite, Sweep


class LineKeys(BaseModel):
    """One algorithm on one cell along one sweep, and the records of its points, from the smallest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sweep: int
    cell: str
    algorithm: Spec
    keys: tuple[Key, ...]


def rows_of(suite: CostSuite) -> dict[str, str]:
    """Every line that a suite asks for: by all that is asked of it, what it is called."""
    found: dict[str, str] = {}
    for sweep in suite.sweeps:
        sizes = sweep.model_dump_json(exclude={"algorithms", "cells"})
        found |= {f"{cell} · {one} {sizes}": f"{cell} · {one}" for cell in sweep.cells for one in sweep.algorithms}
    return found


class Manifest(Asked):
    """What the directory holds and in which order a table shows it."""

    suite: CostSuite
    lines: tuple[LineKeys, ...]

    @model_validator(mode="after")
    def _holds_together(self) -> "Manifest":
        for number, sweep in enumerate(self.suite.sweeps):
            if len(sweep.swept) != 1:
                raise ValueError(f"sweep {number} changes {len(sweep.swept)} sizes")
        for line in self.lines:
            if not 0 <= line.sweep < len(self.suite.sweeps):
                raise ValueError(f"a line is of sweep {line.sweep}, and there are {len(self.suite.sweeps)}")
        return self

    @property
    def subject(self) -> str:
        """The suite and the device."""
        return subject(self.suite, self.device)

    @property
    def rows(self) -> dict[str, str]:
        """Cell and algorithm of each line, with the sizes of its sweep."""
        return rows_of(self.suite)

    @property
    def asked(self) -> dict[str, Point]:
        """Every point by its key, line by line: what its record must be of."""
        found: dict[str, Point] = {}
        for line in self.lines:
            points = self.suite.sweeps[line.sweep].points(line.cell, line.algorithm, self.device)
            found |= zip(line.keys, points, strict=False)
        return found


def subject(suite: CostSuite, device: str) -> str:
    """Whose costs a directory holds: "cost on cpu"."""
    return f"{suite.name} on {device}"


class CostStore(Store[Manifest, Cost]):
    """A cost suite's directory."""

    manifest_type = Manifest
    record_type = Cost
    format = 1
    manifest_name = "cost.json"
    records = "points"
    contents = "costs"
    maker = "throughtime cost"
    also = ("peers.md", "peers.csv")


@dataclass(frozen=True)
class Line:
    """One algorithm on one cell along one sweep.

    Attributes:
        costs: of the points that have a record, from the smallest size to the largest.
        missing: how many have none.
    """

    sweep: Sweep
    cell: str
    algorithm: str
    costs: tuple[Cost, ...]
    missing: int

    @property
    def scaling(self) -> Scaling:
        """Its exponents."""
        return scaling(self.costs, self.cell, self.algorithm, self.sweep.axis, self.sweep.held)

    @property
    def failures(self) -> str:
        """Say "2 of 5 out-of-memory"; nothing where all are done."""
        ended = [cost.status for cost in self.costs] + ["not measured yet"] * self.missing
        bad = [status for status in dict.fromkeys(ended) if status != "done"]
        return ", ".join(f"{ended.count(status)} of {len(ended)} {status}" for status in bad)


@dataclass(frozen=True)
class Costs:
    """A directory's content, ready to be shown."""

    suite: CostSuite
    device: str
    environment: dict[str, Any]
    lines: tuple[Line, ...]

    @property
    def measured_on(self) -> str:
        """Machine, device, threads and the load before, in words."""
        told = {name: one_line(str(value)) for name, value in self.environment.items()}
        machine, threads = told.get("machine", "an unknown machine"), told.get("threads_per_run", "1")
        words = f"{machine}; on {self.device}, {threads} thread"
        match self.environment.get("load_average"):
            case [int() | float() as load, *_]:
                return f"{words}; load before: {load:.1f}"
        return words


def load_costs(directory: str | Path) -> Costs:
    """All costs of a directory; `BadInput` if it holds none."""
    store = CostStore.open(directory)
    manifest = store.manifest()
    records = store.read(manifest.asked)
    lines = []
    for line in manifest.lines:
        costs = tuple(records[key] for key in line.keys if key in records)
        sweep = manifest.suite.sweeps[line.sweep]
        lines.append(Line(sweep, line.cell, line.algorithm, costs, len(line.keys) - len(costs)))
    return Costs(manifest.suite, manifest.device, store.environment(), tuple(lines))
