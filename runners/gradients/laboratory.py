"""Measuring a gradient suite: the plan of a suite, tuned as that is, each report run a point; what is there is kept."""

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from throughtime.runners.execution.facts import facts_of
from throughtime.runners.execution.job import Job, Note, Progress, RunJob, Settings
from throughtime.runners.execution.keep import execute_and_keep
from throughtime.runners.execution.kernels import compile_kernels
from throughtime.runners.execution.local import Local
from throughtime.runners.execution.phases import Phases, tune
from throughtime.runners.execution.plan import Obstacle, Row, make_plan
from throughtime.runners.execution.progress import Reporter, Silent
from throughtime.runners.execution.tuning import found_in, tuning_of, without_tuning
from throughtime.runners.records.machine import arithmetic
from throughtime.runners.records.manifest import GroupKeys, RunStore, rows_of, subject
from throughtime.runners.records.record import Point, Record
from throughtime.runners.suite.fingerprint import Code, key_of
from throughtime.runners.suite.written import GRADIENT_SUITES, origin_of

from .point import Measured, Measurement, Setting, measure
from .store import GradientStore, Manifest
from .suite import GradientSuite, load_gradient_suite


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
        self._tuned: dict[str, Record] = found_in(self.plan, RunStore(self.store.directory))
        self._choose()

    def _choose(self) -> None:
        """The runs that are measured of each row: of what its tuning chose, and none while that is not complete."""
        self._runs = [(row, _runs(row, self._tuned)) for row in self.plan.rows]
        self._jobs = [(row, _jobs(row, runs, self._tuned, self.suite.measure)) for row, runs in self._runs]

    @property
    def points(self) -> int:
        """How many there are, also of rows that are to be tuned yet."""
        return sum(row.group.experiment.seeds for row in self.plan.selected if not row.obstacle)

    @property
    def untuned(self) -> int:
        """Runs of the tuning that are known to be missing."""
        keys = (job.key for row in self.plan.selected for job in tuning_of(row, self._tuned).jobs)
        return len({key for key in keys if key not in self._tuned})

    @property
    def jobs(self) -> dict[str, GradientJob]:
        """Those of the rows that no filter leaves out, that are tuned, and that nothing stands in the way of."""
        return {job.key: job for row, jobs in self._jobs if row.selected and not self._obstacle(row) for job in jobs}

    def _obstacle(self, row: Row) -> Obstacle | None:
        """What stands in a row's way: also that its tuning failed."""
        failure = tuning_of(row, self._tuned).failure
        return row.obstacle or (Obstacle("error", failure) if failure else None)

    @property
    def _origin(self) -> Path | None:
        return origin_of(self.suite.file, self.suite.name, GRADIENT_SUITES)

    def missing(self) -> list[GradientJob]:
        """What is not measured yet."""
        jobs = self.jobs
        records = self.store.read({key: job.setting for key, job in jobs.items()})
        return [job for key, job in jobs.items() if not (key in records and records[key].finished(job.deadline))]

    def run(self, *, workers: int | None = None, reporter: Reporter | None = None) -> Summary:
        """Tune, and measure what is missing; the caller holds the directory's lock."""
        shown, here = reporter or Silent(), Local(workers or 0, self.device)
        self._write_manifest()
        tuning = RunStore(self.store.directory)
        (tuning.directory / tuning.records).mkdir(exist_ok=True)
        tune(self.plan.selected, Phases(tuning, self._tuned, here, shown), self.device, self._write_manifest)
        self._choose()
        self._write_manifest()
        todo = self.missing()
        summary = Summary(self.store.directory, len(todo), len(self.jobs) - len(todo))
        for row, jobs in self._jobs:
            if row.selected and (obstacle := self._obstacle(row)):
                for job in jobs:
                    self.store.write_record(job.ended(obstacle.status, obstacle.reason))
        wanted = {job.setting.run for job in todo}
        compile_kernels(
            [run for row, runs in self._runs if row.selected for run in runs if run.config in wanted],
            workers=here.workers,
            reporter=shown,
        )
        execute_and_keep("Measuring", todo, self.store, device=self.device, executor=here, reporter=shown)
        asked = {job.key: job.setting for row, jobs in self._jobs if row.selected for job in jobs}
        for record in self.store.read(asked).values():
            summary.statuses[record.status] = summary.statuses.get(record.status, 0) + 1
        return summary

    def _write_manifest(self) -> None:
        known = self.store.manifest().tasks if self.store.has_manifest() else {}
        groups = []
        for row, jobs in self._jobs:
            task, cell, forcing, algorithm = _names(row)
            tuning = tuning_of(row, self._tuned)
            groups.append(
                GroupKeys(
                    experiment=row.experiment,
                    task=task,
                    cell=cell,
                    forcing=forcing,
                    algorithm=algorithm,
                    target=row.group.experiment.target,
                    choice=tuning.choice,
                    tuning=tuple(job.key for job in tuning.jobs),
                    report=tuple(job.key for job in jobs),
                    rates=tuning.rates if row.group.experiment.ladder else (),
                )
            )
        self.store.write_manifest(
            Manifest(
                format=GradientStore.format,
                version=importlib.metadata.version("throughtime"),
                device=self.device,
                file=self.store.seen_from_here(self._origin),
                suite=self.suite,
                tasks=facts_of(self.plan, known),
                groups=tuple(groups),
            )
        )


def default_directory(suite: GradientSuite) -> Path:
    """results/runs/<suite>-gradients, under the working directory."""
    return Path("results") / "runs" / f"{suite.name}-gradients"


def _names(row: Row) -> tuple[str, str, str, str]:
    group = row.group
    return group.task, group.cell, group.forcing, group.algorithm


def _runs(row: Row, tuned: Mapping[str, Record]) -> list[RunJob]:
    """The report runs of what tuning chose, or what tells that it failed; none while it goes on."""
    tuning = tuning_of(row, tuned)
    if tuning.choice is not None:
        return list(row.report[tuning.choice])
    return without_tuning(row) if tuning.failure else []


def _jobs(row: Row, runs: list[RunJob], tuned: Mapping[str, Record], asked: Measurement) -> list[GradientJob]:
    """A point for each of a row's runs."""
    jobs = []
    for run in runs:
        setting = Setting(run=run.config, measure=asked)
        code = Code((*run.code.modules, "throughtime.runners.gradients.point"), run.code.data)
        key = key_of(setting.model_dump(), code.fingerprint(arithmetic(setting.device)))
        jobs.append(GradientJob(key, run.deadline, code, run.files, setting))
    if tuning_of(row, tuned).failure:  # under keys of their own, as of `without_tuning`
        return [replace(job, key=key_of({"in place of": job.key}, "tuning failed")) for job in jobs]
    return jobs
