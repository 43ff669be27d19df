"""The results of the suite `vanishing`, asked by cell and algorithm, and what the seeds decide of them."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from throughtime.runners.showing.statistics import better_p

from .store import Gradients

SURE = 0.01
"""The level of every test, that of the regression gate: none of seven claims may be decided by luck."""


class Evidence:
    """The results of `vanishing`, asked by cell and algorithm."""

    def __init__(self, found: Gradients) -> None:
        self.found = found
        self.frames = {name: found.frame(name) for name in ("fidelity", "reach", "dynamics", "training")}

    def scores(self, task: str, cell: str, algorithm: str, *, clipped: bool = True) -> dict[int, float]:
        """By seed at the end, of those that are done; of runs that clip gradients, or of those that don't."""
        return {
            record.setting.run.seed: record.score
            for record in self.found.records.values()
            if record.setting.run.task == task
            and record.setting.run.cell == cell
            and record.setting.run.algorithm == algorithm
            and (record.setting.run.clip_norm is not None) == clipped
            and record.score is not None
        }

    def score(self, task: str, cell: str, algorithm: str, *, clipped: bool = True) -> float:
        """The mean of these over the seeds; nan: none is done."""
        scores = self.scores(task, cell, algorithm, clipped=clipped).values()
        return math.fsum(scores) / len(scores) if scores else math.nan

    def decided(self, task: str, cell: str, algorithm: str, reference: float) -> bool | None:
        """Whether an algorithm is better than a reference, runs that are not done being worse."""
        scores, experiment = self.scores(task, cell, algorithm), self.found.suite.experiments[0]
        better = self.found.manifest.tasks[task].metric.better
        return decided([*scores.values()], reference, better, lost=experiment.seeds - len(scores))

    def floor(self, task: str) -> float:
        """The best score without any dependency."""
        facts = self.found.manifest.tasks[task]
        floors = [reference.value for reference in facts.references if reference.kind == "floor"]
        return min(floors) if facts.metric.better == "lower" else max(floors)

    def rows(self, table: str, **of: Any) -> pd.DataFrame:
        """Those of a table in which columns have these values."""
        frame = self.frames[table]
        for column, value in of.items():
            frame = frame[frame[column] == value]
        return frame

    def fidelities(self, column: str, **of: Any) -> pd.Series:
        """A figure of one batch's gradient by seed; the mean over moments, unless one is asked for."""
        rows = self.rows("fidelity", **{"against": "batch", "group": "all", **of})
        return rows[column].astype(float).groupby(rows["seed"]).mean()

    def fidelity(self, column: str, **of: Any) -> float:
        """The mean of these over the seeds."""
        return float(self.fidelities(column, **of).mean())

    def decades(self, task: str, cell: str, lag: int) -> pd.Series:
        """The logarithm of `gain` before training, by seed."""
        rows = self.rows("reach", task=task, cell=cell, lag=lag, moment="start", algorithm="full")
        return rows["gain"].astype(float).groupby(rows["seed"]).mean().map(math.log10)

    def gain(self, task: str, cell: str, lag: int, moment: str = "start", algorithm: str = "full") -> float:
        """‖∂ℓ_t/∂s_{t−k}‖ as a multiple of that at lag 0, the median over seeds."""
        rows = self.rows("reach", task=task, cell=cell, lag=lag, moment=moment, algorithm=algorithm)
        return float(rows["gain"].astype(float).median())

    @property
    def matrix(self) -> tuple[str, list[str], list[str]]:
        """The task on which many algorithms are laid on several cells, those cells, and those algorithms."""
        one = max(self.found.suite.experiments, key=lambda experiment: len(experiment.algorithms))
        return one.tasks[0], list(one.cells), list(one.algorithms)

    @property
    def long(self) -> tuple[str, int]:
        """The task of the textbook's picture, and its last lag."""
        task = self.found.suite.experiments[0].tasks[0]
        return task, int(self.rows("reach", task=task)["lag"].max())

    @property
    def exploding(self) -> tuple[str, str]:
        """The task and the cell that explodes."""
        one = self.found.suite.experiments[-1]
        return one.tasks[0], one.cells[0]


def decided(values: Sequence[float], reference: float, better: str, *, lost: int = 0) -> bool | None:
    """Whether runs are better than a reference, by the tests that tables are judged by; None: the seeds do not tell.

    Args:
        values: one a seed.
        reference: what they are to be better than.
        better: "lower" or "higher".
        lost: runs without a value, which count as worse.
    """
    if not values:
        return False if lost else None
    if better_p(values, reference, better, lost=lost) <= SURE:
        return True
    return False if better_p(values, reference, "higher" if better == "lower" else "lower") <= SURE else None
