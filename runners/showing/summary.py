"""A results directory summed up: for each task and cell, runs and references in one order of merit.

Everything is drawn from records and manifest alone, so the same records give the same summary.
"""

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from throughtime.parts.text import one_line
from throughtime.runners.records.manifest import GroupKeys
from throughtime.runners.records.results import Results
from throughtime.runners.suite.config import Budget
from throughtime.runners.suite.experiment import Experiment
from throughtime.runners.suite.ladder import Choice
from throughtime.tasks import Metric, Reference

from .alike import Curves, alike
from .judged import by_seed, judged, runs_of, told
from .plateau import still_learning
from .statistics import Difference, Interval, interval
from .tuned import NOTHING, Tuned, tuned, tuning_in_words

COSTS = (
    "time_per_step",
    "wall_per_step",
    "cpu_per_step",
    "peak_bytes",
    "mean_peak_bytes",
    "flops",
    "ops",
    "updates",
    "steps",
    "gradient_norm",
    "clipped_share",
    "nonfinite_share",
    "cosine",
    "relative_error",
    "relative_bias",
    "relative_bias_error",
    "lag_90",
    "steps_to_target",
    "seconds_to_target",
)
"""What a row gives of its done runs: the median over seeds."""

TIMES = ("time_per_step", "wall_per_step", "cpu_per_step", "seconds_to_target")
"""Those that are a machine's own: of its runs alone."""


@dataclass(frozen=True)
class Row:
    """One line: an algorithm's runs, or a reference.

    Attributes:
        name: the algorithm's spec, or the reference's name.
        kind: "run", "floor", "baseline" or "optimum".
        score: over the seeds whose run is done; for a reference its value; None where no run is done.
        by_seed: the scores.
        forcing: the forcing's spec; empty for a reference.
        free: as `score`, running free over the task's horizon; None where the task has no feedback.
        exposure_bias: the free-running score less the score one step ahead on the same targets.
        verdict: what the score shows, in words; beaten: the references that it beats with support, by name.
        difference: to full BPTT in the same forcing; None for references and full itself.
        choice: what tuning chose.
        tuned: what it found.
        still_learning: whether the score was improving yet when the budget ended; None where that can't be told.
        statuses: how many report runs ended in which way.
        planned: how many report runs there are to be.
        broken_tuning: how many tuning runs ended in an error, at their deadline or without memory.
        reason: the first reason of a run that is not done.
        costs: medians over the done runs, None where there is none.
    """

    name: str
    kind: str
    score: Interval | None
    by_seed: dict[int, float] = field(default_factory=dict)
    forcing: str = ""
    free: Interval | None = None
    exposure_bias: Interval | None = None
    verdict: str = ""
    beaten: tuple[str, ...] = ()
    difference: Difference | None = None
    choice: Choice | None = None
    tuned: Tuned = NOTHING
    still_learning: bool | None = None
    statuses: dict[str, int] = field(default_factory=dict)
    planned: int = 0
    broken_tuning: int = 0
    reason: str = ""
    costs: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskTable:
    """The rows of one task and cell, best first, and the protocol that they share.

    Attributes:
        floor: the best floor.
        free_floor: the best one running free.
        horizon: the steps of free running; 0 where the task has no feedback.
        test_sequences: of the test data, and test_targets: in all of them; 0 where the manifest does not tell.
        sampled: whether the sampling error of the test data is in the tests.
        alike: rows that are one and the same algorithm here, in sets of their names.
        budget: what is equal for every algorithm.
    """

    task: str
    cell: str
    metric: Metric
    floor: Reference | None
    free_floor: Reference | None
    protocol: str
    rows: tuple[Row, ...]
    horizon: int = 0
    test_sequences: int = 0
    test_targets: int = 0
    sampled: bool = False
    alike: tuple[tuple[str, ...], ...] = ()
    budget: Budget | None = None

    @property
    def forcings(self) -> list[str]:
        """Every forcing that the table compares."""
        return list(dict.fromkeys(row.forcing for row in self.rows if row.forcing))

    @property
    def decimals(self) -> int:
        """Digits after the point of every score: 4; more to show two of the smallest run's, up to 6; fewer where it is
        10 or larger and four show.
        """
        sizes = [abs(row.score.mean) for row in self.rows if row.kind == "run" and row.score and row.score.mean]
        if not sizes:
            return 4
        magnitude = math.floor(math.log10(min(sizes)))
        return max(0, 3 - magnitude) if magnitude > 0 else min(max(4, 1 - magnitude), 6)


@dataclass(frozen=True)
class Summary:
    """All tables of a results directory."""

    title: str
    machine: str
    tables: tuple[TaskTable, ...]


def summarise(results: str | Path | Results) -> Summary:
    """Compute the tables of a results directory, or of what was read of it; `BadInput` if it holds no results."""
    read = Results.of(results)
    blocks: dict[tuple[str, str, int], list[GroupKeys]] = {}
    for group in read.manifest.groups:
        blocks.setdefault((group.task, group.cell, group.experiment), []).append(group)
    tables = tuple(_task_table(read, groups) for groups in blocks.values())
    return Summary(read.manifest.suite.title, _machine(read), tables)


def _machine(results: Results) -> str:
    """Where the runs were made, in words; of several machines how many on each, and whose times are shown."""
    if len(results.machines) < 2:
        return results.timed_on or one_line(str(results.store.environment().get("machine", "not recorded")))
    told = "; ".join(f"{machine} ({count} runs)" for machine, count in results.machines.items())
    return f"{len(results.machines)} machines: {told}. Times are of the runs on the first alone, scores of all"


def _task_table(results: Results, groups: Sequence[GroupKeys]) -> TaskTable:
    task, cell, experiment = groups[0].task, groups[0].cell, results.manifest.suite.experiments[groups[0].experiment]
    facts = results.manifest.tasks[task]
    sign = 1 if facts.metric.better == "lower" else -1
    floors = [reference for reference in facts.references if reference.kind == "floor"]
    floor = min(floors, key=lambda reference: sign * reference.value, default=None)
    free_floor = min(
        (reference for reference in floors if reference.free is not None),
        key=lambda reference: sign * (reference.free or 0.0),
        default=None,
    )
    found = judged(results, groups, facts)
    rows = [Row(r.name, r.kind, _exactly(r.value), free=_exactly(r.free)) for r in facts.references]
    for group, own, verdict, difference in zip(groups, found.scores, found.verdicts, found.differences, strict=True):
        runs = runs_of(results, group.report)
        free, bias = (by_seed(runs, column) for column in ("free", "exposure_bias"))
        done = [run for run in runs if run["status"] == "done"]
        failed = [run for run in runs if run["status"] != "done"]
        timed = [run for run in done if run["machine"] == results.timed_on]
        rows.append(
            Row(
                name=group.algorithm,
                kind="run",
                score=_interval(own.by_seed),
                by_seed=own.by_seed,
                forcing=group.forcing,
                free=_interval(free),
                exposure_bias=_interval(bias),
                verdict=verdict.words,
                beaten=verdict.beaten,
                difference=difference,
                choice=group.choice,
                tuned=tuned(group, results.records, facts.metric.better, floor.value if floor else None),
                still_learning=still_learning(
                    [[point.metric for point in results.records[run["key"]].curve] for run in done],
                    facts.metric.better,
                    floor.value if floor else None,
                ),
                statuses=dict(Counter(run["status"] for run in runs)),
                planned=experiment.seeds,
                broken_tuning=sum(results.records[run["key"]].broke for run in runs_of(results, group.tuning)),
                reason=failed[0]["reason"] if failed else "",
                costs={name: _median(timed if name in TIMES else done, name) for name in COSTS},
            )
        )
    ranked = sorted(rows, key=lambda row: math.inf if row.score is None else sign * row.score.mean)
    protocol = _protocol(experiment, cell, [row.tuned for row in rows])
    sizes = facts.horizon, facts.test_sequences, facts.test_targets, found.sampled
    same = alike({_named(group, groups): _curves(results, group) for group in groups})
    return TaskTable(
        task, cell, facts.metric, floor, free_floor, protocol, tuple(ranked), *sizes, same, experiment.budget
    )


def _named(group: GroupKeys, groups: Sequence[GroupKeys]) -> str:
    """An algorithm's name, with its forcing where there are several."""
    return group.algorithm if len({one.forcing for one in groups}) == 1 else f"{group.algorithm} · {group.forcing}"


def _curves(results: Results, group: GroupKeys) -> Curves:
    """Of the report runs that are done, by seed."""
    records = [results.records[key] for key in group.report if key in results.records]
    return {record.config.seed: record.curve for record in records if record.status == "done"}


def _interval(scores: Mapping[int, float]) -> Interval | None:
    return interval(list(scores.values())) if scores else None


def _exactly(value: float | None) -> Interval | None:
    return None if value is None else Interval(value, value, value, 0)


def _median(runs: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """Over the runs; None unless at least half of them have a value: a target that few reach has no time."""
    values = [float(run[name]) for run in runs if told(run[name])]
    return statistics.median(values) if values and 2 * len(values) >= len(runs) else None


def _protocol(experiment: Experiment, cell: str, rows: Sequence[Tuned]) -> str:
    return (
        f"{experiment.size(cell)}, batches of {experiment.batch_size} sequences; equal budget: {experiment.budget} for "
        f"every algorithm; {experiment.optimizer}, {tuning_in_words(experiment, rows)}; "
        f"report seeds: {experiment.seeds}"
    )
