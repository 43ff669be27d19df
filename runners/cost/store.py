"""The directory of a cost suite's results.

DIR/cost.json          the suite, the device, the keys of each line of points
DIR/environment.json   machine, threads, load and versions, as of the last time that a point was measured
DIR/points/KEY.json    one point
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from throughtime.networks import BadInput

from ..directory import Directory, write_json
from .point import Cost
from .scaling import Scaling, scaling
from .suite import CostSuite, Sweep

FORMAT = 1
"""The version of this layout. A change that older code can't read raises it."""


class LineKeys(BaseModel):
    """One algorithm on one cell along one sweep, and the records of its points, from the smallest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sweep: int
    cell: str
    algorithm: str
    keys: tuple[str, ...]


class Manifest(BaseModel):
    """What the directory holds and in which order a table shows it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    version: str
    device: str
    suite: CostSuite
    lines: tuple[LineKeys, ...]


class CostStore(Directory):
    """A directory of costs."""

    manifest_name = "cost.json"
    records = "points"
    contents = "throughtime costs"
    maker = "throughtime cost"
    also = ("peers.md", "peers.csv")

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
                    f"{str(self.directory)!r} has costs of format {written.get('format')}, written by throughtime "
                    f"{written.get('version')}; this version reads format {FORMAT}: give another directory"
                )
            return Manifest.model_validate(written)
        except (json.JSONDecodeError, UnicodeDecodeError, ValidationError) as error:
            raise BadInput(f"{str(self.manifest_path)!r} can't be read ({error}); give another directory") from None

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace the manifest."""
        write_json(self.manifest_path, manifest.model_dump(mode="json"))

    def record(self, key: str) -> Cost | None:
        """The record of a point; None where there is none, or where what there is can't be read."""
        try:
            return Cost.model_validate_json(self.record_path(key).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def write_record(self, cost: Cost) -> None:
        """Add or replace a point's record."""
        write_json(self.record_path(cost.key), cost.model_dump(mode="json"))


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
        machine = self.environment.get("machine", "an unknown machine")
        load = self.environment.get("load_average")
        words = f"{machine}; on {self.device}, {self.environment.get('threads_per_run', 1)} thread"
        return f"{words}; load before: {load[0]:.1f}" if load else words


def load_costs(directory: str | Path) -> Costs:
    """All costs of a directory; `BadInput` if it holds none."""
    store = CostStore(directory)
    store.check_holds_results()
    manifest = store.manifest()
    lines = []
    for line in manifest.lines:
        records = [store.record(key) for key in line.keys]
        costs = tuple(cost for cost in records if cost is not None)
        sweep = manifest.suite.sweeps[line.sweep]
        lines.append(Line(sweep, line.cell, line.algorithm, costs, len(records) - len(costs)))
    return Costs(manifest.suite, manifest.device, store.environment(), tuple(lines))
