"""One suite in one directory on one machine: which runs there are, what stands in their way, and executing the rest."""

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from throughtime.algorithms import make_algorithm
from throughtime.forcings import make_forcing
from throughtime.networks import CELLS, BadInput, Broken, Unavailable
from throughtime.networks.registry import nearest, parse_spec, third_party
from throughtime.networks.third_party import contained
from throughtime.tasks import Metric, make_task

from .environment import environment, fingerprint, look_again, plugin_sources
from .experiment import RunConfig
from .plugins import loaded
from .progress import Reporter
from .store import FORMAT, GroupKeys, Manifest, Record, Store, TaskFacts
from .suite import Choice, Group, Suite, load_suite, task_class
from .worker import Job, execute_all, started

FILTERS = ("task", "cell", "forcing", "algorithm")


@dataclass
class Plan:
    """What a `run` would do.

    Attributes:
        tuning: tuning runs in all.
        report: report runs in all.
        cached: how many of them are finished already.
        again: how many ended in an error or a shorter deadline and are tried again.
        skipped: what can't run, with the reason: a task that can't be had here, or a row whose algorithm, forcing and
            task don't go together; such runs are counted in none of the others.
        broken: likewise what fails because a plugin does; its runs end in an error without being started.
        left_out: groups that `only` leaves out.
    """

    tuning: int = 0
    report: int = 0
    cached: int = 0
    again: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    left_out: int = 0


@dataclass
class Summary:
    """How a `run` ended: report runs by status, how many runs were executed now and how many found finished."""

    directory: Path
    executed: int = 0
    cached: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    failed_tuning: int = 0

    @property
    def failed(self) -> int:
        """Report runs that are neither done nor skipped, and tuning runs that broke: to diverge in tuning is normal."""
        bad = sum(count for status, count in self.statuses.items() if status not in ("done", "skipped"))
        return bad + self.failed_tuning


def default_directory(suite: Suite) -> Path:
    """results/runs/<suite>, under the working directory."""
    return Path("results") / "runs" / suite.name


class SuiteRunner:
    """A suite, the directory that its results go to, and the keys of its runs on this machine."""

    def __init__(
        self, suite: Suite | str | Path, out: str | Path | None, *, device: str, only: Mapping[str, str]
    ) -> None:
        self.suite = suite if isinstance(suite, Suite) else load_suite(suite)
        self.device = check_device(device)
        self.store = Store(default_directory(self.suite) if out is None else out)
        self.groups = self.suite.groups()
        self.selected = _select(self.groups, only)
        self.unavailable: dict[str, str] = {}
        self._checksums: dict[str, str] = {}
        self._roots: dict[Group, tuple[str, ...]] = {}
        self._broken: dict[Group, str] = {}
        self._ended: set[str] = set()
        self._facts: dict[str, TaskFacts] | None = None
        self._broken_tasks: dict[str, str] = {}
        look_again()
        for task in dict.fromkeys(group.task for group in self.groups):
            self._checksums[task] = self._checksum(task)
        for group in self.groups:
            try:
                self._roots[group] = _roots(group)
            except Broken as error:
                self._broken[group] = str(error)
            if group.task in self._broken_tasks:
                self._broken[group] = self._broken_tasks[group.task]

    def _checksum(self, task: str) -> str:
        """Of a task's data; empty, and the reason noted, where the task can't be had."""
        try:
            made = make_task(task)
            if not third_party(type(made)):
                return made.checksum()
            with contained(f"checksum and references of the task {task!r}"):
                made.references()  # without them its scores would mean nothing
                return made.checksum()
        except Unavailable as error:
            self.unavailable[task] = str(error)
        except Broken as error:
            self._broken_tasks[task] = str(error)
        return ""

    def check_directory(self) -> None:
        """`BadInput` unless this suite's results can be written to the directory; writes nothing."""
        self.store.check_writable()
        if self.store.has_manifest():
            there = self.store.manifest()
            if (there.suite.name, there.device) != (self.suite.name, self.device):
                raise BadInput(
                    f"{str(self.store.directory)!r} holds the results of {there.suite.name} on {there.device}, "
                    f"not of {self.suite.name} on {self.device}; give another directory with --out"
                )

    def plan(self) -> Plan:
        """Counted without running anything: report runs whose tuning is not complete count as not cached."""
        plan = Plan(left_out=len(self.groups) - len(self.selected))
        for group in self.selected:
            if reason := self._obstacle(group):
                told = plan.broken if group in self._broken else plan.skipped
                if reason not in told.values():  # often the same for every algorithm
                    whole = group.task in self.unavailable
                    told[group.task if whole else f"{group.task} · {group.forcing} · {group.algorithm}"] = reason
                continue
            tuning = [job for jobs in self._tuning(group).values() for job in jobs]
            choice = self._choice(group)
            plan.tuning += len(tuning)
            plan.report += group.experiment.seeds
            for job in tuning + (self._report(group, choice) if choice else []):
                record = self.store.record(job.key)
                if record is not None and record.finished(job.deadline):
                    plan.cached += 1
                elif record is not None:
                    plan.again += 1
        return plan

    def run(self, workers: int, reporter: Reporter) -> Summary:
        """Tune, report, and write the manifest after each phase."""
        summary = Summary(self.store.directory)
        self._write_manifest()
        tuning = [job for group in self.selected for jobs in self._tuning(group).values() for job in jobs]
        self._execute("Tuning", tuning, workers, reporter, summary)
        self._write_manifest()
        report = []
        for group in self.selected:
            choice = self._choice(group)
            assert choice is not None, "tuning ended without a choice"
            jobs = self._report(group, choice)
            if reason := self._obstacle(group):
                self._end(jobs, "error" if group in self._broken else "skipped", reason)
            report += jobs
        self._execute("Report", report, workers, reporter, summary)
        self._write_manifest()
        for job in {job.key: job for job in report}.values():
            record = self.store.record(job.key)
            assert record is not None, "a run ended without a record"
            summary.statuses[record.status] = summary.statuses.get(record.status, 0) + 1
        records = [self.store.record(key) for key in {job.key for job in tuning}]
        summary.failed_tuning = sum(record is not None and record.broke for record in records)
        return summary

    def _execute(self, title: str, jobs: list[Job], workers: int, reporter: Reporter, summary: Summary) -> None:
        """Run the jobs that are not finished; keep each record as it comes."""
        todo = []
        for job in {job.key: job for job in jobs}.values():  # experiments may share a run
            record = self.store.record(job.key)
            if record is not None and record.finished(job.deadline):
                summary.cached += 1
            elif job.key not in self._ended:
                todo.append(job)
        if not todo:
            return
        self.store.write_environment(environment(self.device))
        reporter.start(title, len(todo))

        def keep(record: Record) -> None:
            self.store.write_record(record)
            summary.executed += 1
            reporter.ended(record)

        execute_all(todo, workers, self.store.notes, keep, reporter.running)

    def _obstacle(self, group: Group) -> str:
        """Why a group can't run on this machine, or at all; empty if it can."""
        return self.unavailable.get(group.task) or self._broken.get(group) or group.obstacle

    def _end(self, jobs: list[Job], status: str, reason: str) -> None:
        """Runs that can't be have a record that tells why."""
        for job in jobs:
            self._ended.add(job.key)
            self.store.write_record(Record.model_validate({**started(job), "status": status, "reason": reason}))

    def _tuning(self, group: Group) -> dict[Choice, list[Job]]:
        """The jobs of each point of the grid; none where there is nothing to tune, or the group can't run."""
        if self._obstacle(group):
            return {}
        return {choice: self._jobs(group, configs) for choice, configs in group.tuning(self.device).items()}

    def _report(self, group: Group, choice: Choice) -> list[Job]:
        return self._jobs(group, group.report(choice, self.device))

    def _choice(self, group: Group) -> Choice | None:
        """What tuning chose; None while a tuning run is missing."""
        scores = {}
        for choice, jobs in self._tuning(group).items():
            records = [self.store.record(job.key) for job in jobs]
            if any(record is None for record in records):
                return None
            scores[choice] = [record.validation for record in records if record is not None]
        if not scores:
            return group.experiment.grid[0]
        return group.choose(scores)

    def _jobs(self, group: Group, configs: list[RunConfig]) -> list[Job]:
        roots, data = self._roots.get(group, ()), self._checksums[group.task]
        rest = fingerprint(roots, data, self.device)
        plugins = plugin_sources(roots)
        files = tuple(str(plugin.path) for plugin in loaded()) if plugins else ()
        deadline = group.experiment.deadline
        return [Job(config.key(rest), config, deadline, roots, data, plugins, files) for config in configs]

    def _write_manifest(self) -> None:
        groups = []
        for group in self.groups:
            choice = self._choice(group)
            groups.append(
                GroupKeys(
                    experiment=self.suite.experiments.index(group.experiment),
                    task=group.task,
                    cell=group.cell,
                    forcing=group.forcing,
                    algorithm=group.algorithm,
                    target=group.experiment.target,
                    choice=choice,
                    tuning=tuple(job.key for jobs in self._tuning(group).values() for job in jobs),
                    report=tuple(job.key for job in self._report(group, choice)) if choice else (),
                )
            )
        if self._facts is None:
            self._facts = {task: self._task_facts(task) for task in self._checksums}
        self.store.write_manifest(
            Manifest(
                format=FORMAT,
                version=importlib.metadata.version("throughtime"),
                device=self.device,
                suite=self.suite,
                tasks=self._facts,
                groups=tuple(groups),
            )
        )

    def _task_facts(self, task: str) -> TaskFacts:
        """From the manifest if nothing changed since it was written: some references take seconds to fit."""
        if task in self._broken_tasks:
            return TaskFacts(fingerprint="", metric=Metric("unknown", better="lower"), references=())
        kind = task_class(task)
        mark = fingerprint((kind.__module__,), self._checksums[task], "cpu")
        if task in self.unavailable:
            return TaskFacts(fingerprint="", metric=kind.metric, references=())
        if self.store.has_manifest():
            known = self.store.manifest().tasks.get(task)
            if known is not None and known.fingerprint == mark:
                return known
        made = make_task(task)
        references = tuple(made.references())
        return TaskFacts(fingerprint=mark, metric=kind.metric, references=references, horizon=made.horizon)


def _roots(group: Group) -> tuple[str, ...]:
    """The modules where a group's code begins; `Broken` where a plugin's can't be had."""
    task = task_class(group.task)
    return (
        type(make_algorithm(group.algorithm)).__module__,
        type(make_forcing(group.forcing)).__module__,
        task.__module__,
        (task if task.own_cell else CELLS.get(group.cell)).__module__,
        "throughtime.algorithms.full",
        "throughtime.runners.train",
    )


def check_device(device: str) -> str:
    """The device; `BadInput` if there is none of that name here."""
    if device not in ("cpu", "cuda"):
        raise BadInput(f"device must be cpu or cuda, got {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise BadInput("device cuda is not available: torch finds no CUDA GPU on this machine; use --device cpu")
    return device


def _select(groups: list[Group], only: Mapping[str, str]) -> list[Group]:
    """The groups that match every filter; `BadInput` where nothing matches."""
    for axis, wanted in only.items():
        if axis not in FILTERS:
            raise BadInput(f"a filter can't be on {axis!r}; {nearest(axis, FILTERS)}")
        there = list(dict.fromkeys(getattr(group, axis) for group in groups))
        groups = [group for group in groups if _matches(getattr(group, axis), wanted)]
        if not groups:
            raise BadInput(f"nothing in the suite has {axis}={wanted}; {nearest(wanted, there)}")
    return groups


def _matches(spec: str, wanted: str) -> bool:
    name, parameters = parse_spec(wanted)
    return parse_spec(spec) == (name, parameters) or (not parameters and parse_spec(spec)[0] == name)
