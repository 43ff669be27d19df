"""Ours beside theirs: each published score with the one that the same algorithm reaches here, and whether they agree.

A published score is mostly one run's, without an interval. It agrees where it lies in the range that one more run of
ours would be found in 95 times of 100. Where it is published that training diverges, or that it converges, ours has to
on every seed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from throughtime.algorithms import ALGORITHMS
from throughtime.networks import CELLS
from throughtime.runners.records.manifest import TaskFacts
from throughtime.runners.records.results import Results
from throughtime.runners.showing.statistics import LEAST_SEEDS, Interval, interval, prediction
from throughtime.runners.suite.experiment import own_cell
from throughtime.runners.suite.spelling import in_one_spelling
from throughtime.tasks import TASKS

from .published import Ending, Score, Setting

Finding = Literal["agrees", "differs", "not published", "too few seeds", "not run"]


@dataclass(frozen=True)
class Beside:
    """One published score and ours.

    Attributes:
        published: theirs.
        ours: mean and interval over the seeds that are done; None where none is.
        range: where one more run of ours would be.
        diverged: how many of our runs did.
        finding: whether they agree.
    """

    published: Score
    ours: Interval | None
    range: Interval | None
    diverged: int
    finding: Finding


@dataclass
class _Runs:
    """The scores of our runs of one row that are done, and the number of those that diverged."""

    scores: list[float] = field(default_factory=list)
    diverged: int = 0


@dataclass(frozen=True)
class Compared:
    """A setting with its scores; floors are ours, by name, and stand beside the published ones."""

    setting: Setting
    rows: tuple[Beside, ...]
    floors: Mapping[str, float]


def compare(settings: Iterable[Setting], results: Results | None) -> tuple[Compared, ...]:
    """Every published score beside what a results directory has of it; None: nothing was run."""
    runs = _runs(results) if results else {}
    return tuple(_compared(setting, runs, results) for setting in settings)


def _compared(setting: Setting, runs: Mapping[tuple[str, ...], _Runs], results: Results | None) -> Compared:
    if not setting.task:
        return Compared(setting, tuple(Beside(score, None, None, 0, "not run") for score in setting.scores), {})
    task = in_one_spelling(TASKS, setting.task)
    cell = own_cell(task) or in_one_spelling(CELLS, setting.cell)
    facts = results.manifest.tasks.get(task) if results else None
    rows = tuple(
        _beside(score, runs.get((task, cell, in_one_spelling(ALGORITHMS, score.algorithm)), _Runs()), facts)
        for score in setting.scores
    )
    known = {one.name: one.value for one in facts.references} if facts else {}
    return Compared(setting, rows, {name: known[name] for name in setting.floors if name in known})


def _beside(score: Score, runs: _Runs, facts: TaskFacts | None) -> Beside:
    if facts is None or not (runs.scores or runs.diverged):
        return Beside(score, None, None, 0, "not run")
    found = interval(runs.scores) if runs.scores else None
    further = prediction(runs.scores) if found and found.n >= LEAST_SEEDS else None
    return Beside(score, found, further, runs.diverged, _finding(score.score, runs, further, facts))


def _finding(published: float | Ending | None, runs: _Runs, further: Interval | None, facts: TaskFacts) -> Finding:
    if published is None:
        return "not published"
    if isinstance(published, str):
        return "agrees" if published == _ending(runs, facts) else "differs"
    if further is None:
        return "too few seeds" if runs.scores else "differs"
    return "agrees" if further.low <= published <= further.high else "differs"


def _ending(runs: _Runs, facts: TaskFacts) -> Ending | None:
    """What all of our runs do; None: some do and some do not."""
    if not runs.scores:
        return "diverges"
    sign = 1 if facts.metric.better == "lower" else -1
    floors = [sign * one.value for one in facts.references if one.kind == "floor"]
    converged = max(sign * score for score in runs.scores) < min(floors)
    return "converges" if converged and not runs.diverged else None


def _runs(results: Results) -> dict[tuple[str, ...], _Runs]:
    """The runs that end with a test score, or diverge, by task, cell and algorithm."""
    found: dict[tuple[str, ...], _Runs] = {}
    for run in results.runs.values():
        if run["purpose"] != "report":
            continue
        of_row = found.setdefault((run["task"], run["cell"], run["algorithm"]), _Runs())
        if run["status"] == "done" and run["test"] is not None:
            of_row.scores.append(run["test"])
        of_row.diverged += run["status"] == "diverged"
    return found
