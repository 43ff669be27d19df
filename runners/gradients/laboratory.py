"""Measuring a gradient suite: the plan of a suite, each report run a point; what is measured already is kept."""

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from throughtime.runners.execution.facts import facts_of
from throughtime.runners.execution.job import Job, Note, Progress, RunJob, Settings
from throughtime.runners.execution.keep import execute_and_keep
from throughtime.runners.execution.kernels import compile_kernels
from throughtime.runners.execution.local import Local
from throughtime.runners.execution.plan import Row, make_plan
from throughtime.runners.execution.progress import Reporter, Silent
from throughtime.runners.records.machine import arithmetic
from throughtime.runners.records.manifest import GroupKeys, rows_of, subject
from throughtime.runners.records.record import Point
from throughtime.runners.suite.fingerprint import Code, key_of
from throughtime.runners.suite.written import GRADIENT_SUITES, origin_of

from .point import Measured, Measurement, Setting, measure
from .store import GradientStore, Manifest
from .suite import GradientSuite, load_gradient_suite, middle


@dataclass
class Summary:
    """How a call ended: points measured now, points found measured, and all points by status."""

    directory: Path
    measured: int = 0
    cached: int = 0
    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Points that are neither done nor skipped."""
        return sum(count for status, count in self.statuses.items() if status not in ("done", "skipped"))


@dataclass(frozen=True)
class GradientJob(Job[Measured]):
    """A point to be measured."""

    setting: Setting

    @property
    def settings(self) -> Settings:
        """The point's."""
        return self.setting

    def started(self) -> Measured:
        """With what is known before."""
        return Measured(key=self.key, setting=self.setting, deadline=self.deadline, plugins=self.code.plugins)

    def execute(self, record: Measured, note: Note) -> None:
        """Train and measure."""

        def on_point(point: Point, done: float) -> None:
            note(Progress(done, point.steps, point.loss, point.metric))

        measure(self.setting, record, on_point)


class Laboratory:
    """A gradient suite, the directory that its results go to, and its points on this machine.

    Args:
        suite: or the name or file of one.
        out: the results directory; results/runs/<suite>-gradients by default.
        device: "cpu" or "cuda".
        only: restricts the rows, as of `run_suite`.
    """

    def __init__(
        self,
        suite: GradientSuite | str | Path,
        out: str | Path | None = None,
        *,
        device: str = "cpu",
        only: Mapping[str, str] | None = None,
    ) -> None:
        loaded = suite if isinstance(suite, GradientSuite) else load_gradient_suite(suite)
        self.plan = make_plan(loaded, device=device, only=only)
        self.suite = loaded.model_copy(update={"experiments": self.plan.suite.experiments})
        self.device = device
        self.store = GradientStore(default_directory(loaded) if out is None else out)
        self.store.check_writable(subject(loaded, device))
        groups = ((row.experiment, _names(row)) for row in self.plan.rows)
        self.store.check_origin(self._origin, rows_of(self.suite, groups))
        self._jobs = [(row, [_job(run, loaded.measure) for run in _runs(row)]) for row in self.plan.rows]

    @property
    def jobs(self) -> dict[str, GradientJob]:
        """Those of the rows that no filter leaves out and nothing stands in the way of."""
        return {job.key: job for row, jobs in self._jobs if row.selected and not row.obstacle for job in jobs}

    @property
    def _origin(self) -> Path | None:
        return origin_of(self.suite.file, self.suite.name, GRADIENT_SUITES)

    def missing(self) -> list[GradientJob]:
        """What is not measured yet."""
        jobs = self.jobs
        records = self.store.read({key: job.setting for key, job in jobs.items()})
        return [job for key, job in jobs.items() if not (key in records and records[key].finished(job.deadline))]

    def run(self, *, workers: int | None = None, reporter: Reporter | None = None) -> Summary:
        """Measure what is missing; the caller holds the directory's lock."""
        todo, shown, here = self.missing(), reporter or Silent(), Local(workers or 0, self.device)
        summary = Summary(self.store.directory, len(todo), len(self.jobs) - len(todo))
        self.store.write_manifest(self._manifest())
        skipped = [(row.obstacle, job) for row, jobs in self._jobs if row.selected and row.obstacle for job in jobs]
        for obstacle, job in skipped:
            self.store.write_record(job.ended(obstacle.status, obstacle.reason))
        wanted = {job.key for job in todo}
        runs = [run for row in self.plan.selected for run, job in zip(_runs(row), self._of(row), strict=True)
                if job.key in wanted]  # fmt: skip
        compile_kernels(runs, workers=here.workers, reporter=shown)
        execute_and_keep("Measuring", todo, self.store, device=self.device, executor=here, reporter=shown)
        asked = {job.key: job.setting for row, jobs in self._jobs if row.selected for job in jobs}
        for record in self.store.read(asked).values():
            summary.statuses[record.status] = summary.statuses.get(record.status, 0) + 1
        return summary

    def _of(self, row: Row) -> list[GradientJob]:
        return next(jobs for one, jobs in self._jobs if one is row)

    def _manifest(self) -> Manifest:
        known = self.store.manifest().tasks if self.store.has_manifest() else {}
        groups = []
        for row, jobs in self._jobs:
            task, cell, forcing, algorithm = _names(row)
            groups.append(
                GroupKeys(
                    experiment=row.experiment,
                    task=task,
                    cell=cell,
                    forcing=forcing,
                    algorithm=algorithm,
                    target=row.group.experiment.target,
                    choice=middle(row.group.experiment),
                    tuning=(),
                    report=tuple(job.key for job in jobs),
                )
            )
        return Manifest(
            format=GradientStore.format,
            version=importlib.metadata.version("throughtime"),
            device=self.device,
            file=self.store.seen_from_here(self._origin),
            suite=self.suite,
            tasks=facts_of(self.plan, known),
            groups=tuple(groups),
        )


def default_directory(suite: GradientSuite) -> Path:
    """results/runs/<suite>-gradients, under the working directory."""
    return Path("results") / "runs" / f"{suite.name}-gradients"


def _names(row: Row) -> tuple[str, str, str, str]:
    group = row.group
    return group.task, group.cell, group.forcing, group.algorithm


def _runs(row: Row) -> list[RunJob]:
    return list(row.report[middle(row.group.experiment)])


def _job(run: RunJob, asked: Measurement) -> GradientJob:
    setting = Setting(run=run.config, measure=asked)
    code = Code((*run.code.modules, "throughtime.runners.gradients.point"), run.code.data)
    key = key_of(setting.model_dump(), code.fingerprint(arithmetic(setting.device)))
    return GradientJob(key, run.deadline, code, run.files, setting)
