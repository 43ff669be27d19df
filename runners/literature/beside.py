"""Ours beside theirs: each published score with the one that the same algorithm reaches here, and whether they agree.

A published score is mostly one run's, without an interval. It agrees where it lies in the range that one more run of
ours would be found in 95 times of 100.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from throughtime.algorithms import ALGORITHMS
from throughtime.networks import CELLS
from throughtime.runners.records.results import Results
from throughtime.runners.showing.statistics import LEAST_SEEDS, Interval, interval, prediction
from throughtime.runners.suite.spelling import in_one_spelling
from throughtime.tasks import TASKS

from .published import Score, Setting

Finding = Literal["agrees", "differs", "not published", "too few seeds", "not run"]


@dataclass(frozen=True)
class Beside:
    """One published score and ours.

    Attributes:
        published: theirs.
        ours: mean and interval over seeds; None where nothing is done.
        range: where one more run of ours would be.
        finding: whether they agree.
    """

    published: Score
    ours: Interval | None
    range: Interval | None
    finding: Finding


@dataclass(frozen=True)
class Compared:
    """A setting with its scores; floors are ours, by name, and stand beside the published ones."""

    setting: Setting
    rows: tuple[Beside, ...]
    floors: Mapping[str, float]


def compare(settings: Iterable[Setting], results: Results | None) -> tuple[Compared, ...]:
    """Every published score beside what a results directory has of it; None: nothing was run."""
    scores = _scores(results) if results else {}
    return tuple(_compared(setting, scores, results) for setting in settings)


def _compared(setting: Setting, scores: Mapping[tuple[str, ...], list[float]], results: Results | None) -> Compared:
    if not setting.task:
        return Compared(setting, tuple(Beside(score, None, None, "not run") for score in setting.scores), {})
    task, cell = in_one_spelling(TASKS, setting.task), in_one_spelling(CELLS, setting.cell)
    rows = tuple(
        _beside(score, scores.get((task, cell, in_one_spelling(ALGORITHMS, score.algorithm)), []))
        for score in setting.scores
    )
    facts = results.manifest.tasks.get(task) if results else None
    known = {one.name: one.value for one in facts.references} if facts else {}
    return Compared(setting, rows, {name: known[name] for name in setting.floors if name in known})


def _beside(score: Score, ours: list[float]) -> Beside:
    if not ours:
        return Beside(score, None, None, "not run")
    found, further = interval(ours), prediction(ours)
    if score.score is None:
        return Beside(score, found, further, "not published")
    if found.n < LEAST_SEEDS:
        return Beside(score, found, None, "too few seeds")
    return Beside(score, found, further, "agrees" if further.low <= score.score <= further.high else "differs")


def _scores(results: Results) -> dict[tuple[str, ...], list[float]]:
    """The test scores of the runs that are done, by task, cell and algorithm."""
    found: dict[tuple[str, ...], list[float]] = {}
    for run in results.runs.values():
        if run["purpose"] == "report" and run["status"] == "done" and run["test"] is not None:
            found.setdefault((run["task"], run["cell"], run["algorithm"]), []).append(run["test"])
    return found
