"""Measuring a cost suite: one point after the other in a worker process; what is measured already is kept.

One record a point, so a kill at any moment loses the point in flight and nothing else, and the same call goes on where
it stopped. A point that raises, runs out of memory or overruns its deadline is a record with that status.
"""

import importlib.metadata
from dataclasses import dataclass, field
from pathlib import Path

from throughtime.algorithms import make_algorithm
from throughtime.networks import CELLS
from throughtime.parts.specs import parse_spec
from throughtime.runners.execution.job import Job, Note, Settings
from throughtime.runners.execution.keep import execute_and_keep
from throughtime.runners.execution.local import Local
from throughtime.runners.execution.plan import check_device
from throughtime.runners.execution.progress import Reporter, Silent
from throughtime.runners.records.machine import arithmetic
from throughtime.runners.suite.fingerprint import Code, key_of, look_again
from throughtime.runners.suite.plugins import files_of
from throughtime.runners.suite.reach import check_reach
from throughtime.runners.suite.written import COST_SUITES, origin_of

from .point import Cost, Point, measure
from .store import CostStore, LineKeys, Manifest, rows_of, subject
from .suite import CostSuite, load_cost_suite, spelt


@dataclass
class Summary:
    """How a call ended: points measured now, points found measured, and all points by status."""

    directory: Path
    measured: int = 0
    cached: int = 0
    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Points that are not done."""
        return sum(count for status, count in self.statuses.items() if status != "done")


@dataclass(frozen=True)
class CostJob(Job[Cost]):
    """A point to be measured."""

    point: Point

    @property
    def settings(self) -> Settings:
        """The point."""
        return self.point

    def started(self) -> Cost:
        """With what is known before."""
        return Cost(key=self.key, point=self.point, deadline=self.deadline, plugins=self.code.plugins)

    def execute(self, record: Cost, note: Note) -> None:
        """Measure."""
        measure(self.point, record)


class CostRunner:
    """A cost suite, the directory that its results go to, and the keys of its points on this machine."""

    def __init__(self, suite: CostSuite | str | Path, out: str | Path | None, *, device: str) -> None:
        loaded = suite if isinstance(suite, CostSuite) else load_cost_suite(suite)
        sweeps = tuple(spelt(sweep, loaded.name) for sweep in loaded.sweeps)
        self.suite = loaded.model_copy(update={"sweeps": sweeps})
        self.device = check_device(device)
        self.store = CostStore(default_directory(self.suite) if out is None else out)
        self.store.check_writable(subject(self.suite, self.device))
        self.store.check_origin(self._origin, rows_of(self.suite))
        look_again()
        self.jobs: dict[str, CostJob] = {}  # sweeps may share a point
        self._lines: list[LineKeys] = []
        for number, sweep in enumerate(self.suite.sweeps):
            for cell in sweep.cells:
                for algorithm in sweep.algorithms:
                    jobs = _jobs(sweep.points(cell, algorithm, self.device), sweep.deadline)
                    self.jobs |= {job.key: job for job in jobs}
                    keys = tuple(job.key for job in jobs)
                    self._lines.append(LineKeys(sweep=number, cell=cell, algorithm=algorithm, keys=keys))

    @property
    def points(self) -> int:
        """How many there are."""
        return len(self.jobs)

    @property
    def _origin(self) -> Path | None:
        return origin_of(self.suite.file, self.suite.name, COST_SUITES)

    @property
    def _asked(self) -> dict[str, Point]:
        return {key: job.point for key, job in self.jobs.items()}

    def missing(self) -> list[CostJob]:
        """What is not measured yet."""
        records = self.store.read(self._asked)
        return [job for key, job in self.jobs.items() if not (key in records and records[key].finished(job.deadline))]

    def run(self, reporter: Reporter | None = None) -> Summary:
        """Measure what is missing, and tell the reporter of the progress.

        The caller holds the directory's lock.
        """
        todo = self.missing()
        summary = Summary(self.store.directory, len(todo), self.points - len(todo))
        self.store.write_manifest(
            Manifest(
                format=CostStore.format,
                version=importlib.metadata.version("throughtime"),
                device=self.device,
                file=self.store.seen_from_here(self._origin),
                suite=self.suite,
                lines=tuple(self._lines),
            )
        )
        execute_and_keep(
            "Measuring", todo, self.store, device=self.device, executor=Local(1), reporter=reporter or Silent()
        )
        for record in self.store.read(self._asked).values():
            summary.statuses[record.status] = summary.statuses.get(record.status, 0) + 1
        return summary


def default_directory(suite: CostSuite) -> Path:
    """results/runs/<suite>, under the working directory."""
    return Path("results") / "runs" / suite.name


def _jobs(points: list[Point], deadline: float) -> list[CostJob]:
    """Those of one line: the same code at every size."""
    algorithm, cell = type(make_algorithm(points[0].algorithm)), CELLS.get(parse_spec(points[0].cell)[0])
    check_reach((algorithm, cell))
    code = Code((algorithm.__module__, cell.__module__, "throughtime.runners.cost.point"))
    mark = code.fingerprint(arithmetic(points[0].device))
    files = files_of(code.plugins)
    return [CostJob(key_of(point.model_dump(), mark), deadline, code, files, point) for point in points]
