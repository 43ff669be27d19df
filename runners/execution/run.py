"""Running a suite: plan, tune, choose, report. What is finished already is not run again.

One record a run is kept in the results directory, so a kill at any moment loses the runs in flight and nothing else,
and the same call goes on where it stopped.
"""

import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from throughtime.runners.records.manifest import GroupKeys, Manifest, RunStore, TaskFacts, rows_of, subject
from throughtime.runners.records.record import Record
from throughtime.runners.suite.suite import Suite, load_suite
from throughtime.runners.suite.written import SUITES, origin_of

from .executor import Executor
from .facts import facts_of
from .job import RunJob
from .local import Local
from .outlook import Outlook, outlook
from .phases import Phases, tune
from .plan import Obstacle, Plan, Row, make_plan
from .progress import Reporter, Silent
from .tuning import found_in, tuning_of, without_tuning


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


def run_suite(
    suite: Suite | str | Path,
    out: str | Path | None = None,
    *,
    device: str = "cpu",
    workers: int | None = None,
    only: Mapping[str, str] | None = None,
    executor: Executor | None = None,
    reporter: Reporter | None = None,
    on_plan: Callable[[Outlook], None] = lambda outlook: None,
) -> Summary:
    """Run what is not finished yet of a suite.

    Args:
        suite: a suite, a built-in suite's name, or a TOML file's path.
        out: the results directory; results/runs/<suite> by default.
        device: "cpu" or "cuda".
        workers: processes of this machine at a time; the cores by default, 1 on a GPU.
        only: restricts the rows: {"algorithm": "rtrl"} by name or by full spec; also "task", "cell", "forcing".
        executor: where runs are executed; this machine by default.
        reporter: is told of the progress.
        on_plan: called once with what there is to do, before the first run.
    """
    executor = executor or Local(workers or 0, device)
    plan, store = _planned(suite, out, device, only, executor.here)
    with store.locked(), executor:
        records = found_in(plan, store)
        on_plan(outlook(plan, records, store.doubted))
        phases = Phases(store, records, executor, reporter or Silent())
        facts = facts_of(plan, store.manifest().tasks if store.has_manifest() else {})

        def write_manifest() -> None:
            store.write_manifest(_manifest(plan, facts, records, store))

        write_manifest()
        tune(plan.selected, phases, device, write_manifest)
        report: list[RunJob] = []
        for row in plan.selected:
            jobs, obstacle = _report(row, records), row.obstacle
            if obstacle is None and (reason := tuning_of(row, records).failure):
                obstacle = Obstacle("error", reason)
            if obstacle:
                phases.end(jobs, obstacle)
            report += jobs
        phases.execute("Report", report, device)
        write_manifest()
    summary = Summary(store.directory, phases.executed, phases.cached)
    for key in dict.fromkeys(job.key for job in report):
        status = records[key].status
        summary.statuses[status] = summary.statuses.get(status, 0) + 1
    tuning = dict.fromkeys(job.key for row in plan.selected for job in tuning_of(row, records).jobs)
    summary.failed_tuning = sum(records[key].broke for key in tuning)
    return summary


def plan_suite(
    suite: Suite | str | Path,
    out: str | Path | None = None,
    *,
    device: str = "cpu",
    only: Mapping[str, str] | None = None,
    here: bool = True,
) -> Outlook:
    """What `run_suite` would do, on this machine or on others; writes nothing."""
    plan, store = _planned(suite, out, device, only, here)
    return outlook(plan, found_in(plan, store), store.doubted)


def _planned(
    suite: Suite | str | Path, out: str | Path | None, device: str, only: Mapping[str, str] | None, here: bool
) -> tuple[Plan, RunStore]:
    """The plan, and the directory that its results can be written to."""
    loaded = suite if isinstance(suite, Suite) else load_suite(suite)
    plan = make_plan(loaded, device=device, only=only, here=here)
    store = RunStore(default_directory(loaded) if out is None else out)
    store.check_writable(subject(loaded, device))
    groups = (
        (row.experiment, (row.group.task, row.group.cell, row.group.forcing, row.group.algorithm)) for row in plan.rows
    )
    store.check_origin(origin_of(loaded.file, loaded.name, SUITES), rows_of(plan.suite, groups))
    return plan, store


def default_directory(suite: Suite) -> Path:
    """results/runs/<suite>, under the working directory; of another tier than core <suite>-<tier>."""
    return Path("results") / "runs" / suite.tiered_name


def _report(row: Row, records: Mapping[str, Record]) -> list[RunJob]:
    """The runs that the table shows; none while tuning is not complete."""
    tuning = tuning_of(row, records)
    if tuning.choice is not None:
        return list(row.report[tuning.choice])
    return without_tuning(row) if tuning.failure else []


def _manifest(plan: Plan, facts: Mapping[str, TaskFacts], records: Mapping[str, Record], store: RunStore) -> Manifest:
    """What the directory is to hold, in the order of the tables."""
    groups = []
    for row in plan.rows:
        group, tuning = row.group, tuning_of(row, records)
        groups.append(
            GroupKeys(
                experiment=row.experiment,
                task=group.task,
                cell=group.cell,
                forcing=group.forcing,
                algorithm=group.algorithm,
                target=group.experiment.target,
                choice=tuning.choice,
                tuning=tuple(job.key for job in tuning.jobs),
                report=tuple(job.key for job in _report(row, records)),
                rates=tuning.rates if group.experiment.ladder else (),
            )
        )
    return Manifest(
        format=RunStore.format,
        version=importlib.metadata.version("throughtime"),
        device=plan.device,
        file=store.seen_from_here(origin_of(plan.suite.file, plan.suite.name, SUITES)),
        suite=plan.suite,
        tasks=dict(facts),
        groups=tuple(groups),
    )
