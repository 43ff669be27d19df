"""What tuning found of a row: each learning rate's score, where the chosen one stands, how broad its good range is.

All of it is of tuning runs, and so of validation data. A learning rate's score is that of its best clip norm.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from throughtime.runners.records.manifest import GroupKeys
from throughtime.runners.records.record import Record
from throughtime.runners.suite.experiment import Experiment
from throughtime.runners.suite.ladder import Choice, End, end_of, mean_cost

from .statistics import Difference, paired_difference

KEPT = 0.9
"""Of the way from the floor to the best score: what a learning rate of the good range keeps."""

LEAST_RATES = 3
"""Fewer learning rates tell nothing of a range."""

LEVEL = 0.05


@dataclass(frozen=True)
class Tried:
    """A learning rate, with its best clip norm.

    Attributes:
        scores: by seed, of the runs that are done.
        failed: how many are not.
        broke: whether one ended in an error, at its deadline or without memory: its score is not known.
        cost: the mean score, so that lower is better; infinite where a run failed.
    """

    rate: float
    scores: Mapping[int, float]
    failed: int
    broke: bool
    cost: float


@dataclass(frozen=True)
class Tuned:
    """A row's tuning.

    Attributes:
        runs: how many tuning runs there are.
        tried: the learning rates, the smallest first.
        end: at which end of those whose score is known the chosen one stands.
        good: the smallest and the largest of the good range; None where fewer than three were tried, nothing is chosen,
            or the floor is not beaten.
        reaches_end: whether the good range ends only where the rates tried do.
        runner_up: the next best learning rate.
        difference: its score less the chosen one's, paired by tuning seed.
    """

    runs: int
    tried: tuple[Tried, ...]
    end: End = ""
    good: tuple[float, float] | None = None
    reaches_end: bool = False
    runner_up: float | None = None
    difference: Difference | None = None

    @property
    def ratio(self) -> float | None:
        """How broad the good range is: the largest rate by the smallest."""
        return None if self.good is None else self.good[1] / self.good[0]

    @property
    def told_apart(self) -> bool:
        """Whether the tuning seeds tell the chosen learning rate from the next best one (t-test, 5 %)."""
        return self.difference is not None and self.difference.p < LEVEL

    @property
    def columns(self) -> dict[str, Any]:
        """For a file of numbers."""
        good, difference = self.good or (None, None), self.difference
        return {
            "tuning_runs": self.runs,
            "rates_tried": len(self.tried),
            "rate_at_end": self.end,
            "good_from": good[0],
            "good_to": good[1],
            "good_range": self.ratio,
            "good_range_reaches_end": None if self.good is None else self.reaches_end,
            "runner_up": self.runner_up,
            "runner_up_difference": difference.interval.mean if difference else None,
            "runner_up_p": difference.p if difference else None,
        }


NOTHING = Tuned(0, ())
"""Of a row that was not tuned."""


def tuned(group: GroupKeys, records: Mapping[str, Record], better: str, floor: float | None) -> Tuned:
    """What the tuning runs of a row tell.

    Args:
        group: the row's keys and its choice.
        records: those that there are.
        better: which way the score goes, "lower" or "higher".
        floor: the best one.
    """
    found = [records[key] for key in group.tuning if key in records]
    tried = tuple(_tried(found, better))
    known = [one.rate for one in tried if not one.broke]
    best = next((one for one in tried if group.choice and one.rate == group.choice.learning_rate), None)
    if best is None:
        return Tuned(len(found), tried)
    end = end_of(best.rate, {*known, best.rate})
    others = [one for one in tried if one is not best and math.isfinite(one.cost)]
    next_best = min(others, key=lambda one: one.cost, default=None)
    good = _good(tried, best, (1 if better == "lower" else -1) * floor) if floor is not None else None
    return Tuned(
        len(found),
        tried,
        end,
        good,
        reaches_end=good is not None and (good[0] <= min(known) or good[1] >= max(known)),
        runner_up=next_best.rate if next_best else None,
        difference=paired_difference(next_best.scores, best.scores) if next_best else None,
    )


def _tried(records: Iterable[Record], better: str) -> Iterable[Tried]:
    """Each learning rate with its best clip norm, the smallest first."""
    points: dict[Choice, list[Record]] = {}
    for record in records:
        points.setdefault(Choice(record.config.learning_rate, record.config.clip_norm), []).append(record)
    for rate in sorted({choice.learning_rate for choice in points}):
        yield min((_at(rate, runs, better) for choice, runs in points.items() if choice.learning_rate == rate),
                  key=lambda one: (one.cost, one.failed))  # fmt: skip


def _at(rate: float, runs: Sequence[Record], better: str) -> Tried:
    scores = {run.config.seed: run.validation for run in runs if run.validation is not None}
    cost = mean_cost([run.validation for run in runs], better)
    return Tried(rate, scores, len(runs) - len(scores), any(run.broke for run in runs), cost)


def _good(tried: Sequence[Tried], best: Tried, floor: float) -> tuple[float, float] | None:
    """The rates around the best one that keep 90 % of its way from the floor, which is a cost here."""
    if len(tried) < LEAST_RATES or not best.cost < floor:
        return None
    most = floor - KEPT * (floor - best.cost)
    first = last = tried.index(best)
    while first > 0 and tried[first - 1].cost <= most:
        first -= 1
    while last + 1 < len(tried) and tried[last + 1].cost <= most:
        last += 1
    return tried[first].rate, tried[last].rate


def tuning_in_words(experiment: Experiment, rows: Sequence[Tuned]) -> str:
    """What was tried, how many runs that took, and in how many rows the tuning seeds decide."""
    clips = ", ".join("none" if math.isinf(clip) else f"{clip:g}" for clip in experiment.clip_norms)
    words = f"learning rates {experiment.rates_in_words}, clip norms {clips}"
    if len(experiment.grid) == 1:
        return f"{words} (nothing tuned)"
    seeds = f"{experiment.tuning_seeds} tuning seeds"
    told = [f"{len(experiment.grid)} settings × {seeds}" if experiment.ladder is None else f"{seeds} a setting"]
    runs = [row.runs for row in rows if row.runs]
    if experiment.ladder is not None and runs:
        count = f"{min(runs)}" if min(runs) == max(runs) else f"{min(runs)} to {max(runs)}"
        told.append(f"the same rule for every algorithm, which took {count} tuning runs a row")
    compared = [row for row in rows if row.difference is not None]
    if compared and experiment.tuning_seeds > 1:
        decided = sum(row.told_apart for row in compared)
        told.append(f"the seeds tell the chosen rate from the next best in {decided} of {len(compared)} rows")
    return f"{words} ({'; '.join(told)})"
