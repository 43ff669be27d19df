"""What the scores of a table's rows show, row by row but judged together: which references each of them beats.

A verdict names the best reference that the row's mean beats, so that a better mean never carries a weaker name; a ~
stands before what the seeds do not support.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from throughtime.tasks import Metric, Reference

from .statistics import beaten, better_p, error_of_mean, seeds_needed

MARGIN = 0.01
"""By how much of its value a floor must be beaten: test data is a sample, and a floor is often an expectation."""

NOT_LEARNED = "not learned"
TOO_FEW = "too few seeds for a verdict"

SHARES = ("accuracy",)
"""Metrics that are the share of what is right: their sampling error follows from the score and the test's size."""


@dataclass(frozen=True)
class Scores:
    """The scores of one row's runs by seed, and how many runs diverged: those are worse than any score.

    Of a small test the losses of its targets belong to them, the mean over the seeds of each; empty: not known.
    """

    by_seed: dict[int, float]
    diverged: int = 0
    losses: tuple[float, ...] = ()

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return math.fsum(self.by_seed.values()) / len(self.by_seed)


@dataclass(frozen=True)
class Verdict:
    """In words, and by name the references that are beaten with support, the best one last."""

    words: str = ""
    beaten: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Mark:
    """A reference to beat: at which value, and how it is called in a verdict."""

    reference: Reference
    value: float
    called: str

    @property
    def name(self) -> str:
        return self.reference.name


def verdicts(rows: Sequence[Scores], metric: Metric, references: Sequence[Reference], tests: int = 0) -> list[Verdict]:
    """Of every row of a table.

    Below its best floor a row on average is "not learned", which claims nothing and so needs no test.

    Args:
        rows: a table's.
        metric: of the scores.
        references: optima are left out: below one is luck of the test data.
        tests: the sequences of the test data; 0 where not known.
    """
    sign = 1 if metric.better == "lower" else -1
    marks = _marks(references, sign)
    needed = seeds_needed(sum(bool(row.by_seed) for row in rows))
    p = [[_p(row, mark, metric, tests) for mark in marks] for row in rows if row.by_seed]
    supported = iter(beaten(p))
    return [_verdict(row, marks, next(supported), needed, sign) if row.by_seed else Verdict() for row in rows]


def sampling_error(
    metric: Metric, scores: Sequence[float], tests: int, losses: tuple[Sequence[float], Sequence[float]] = ((), ())
) -> float:
    """What of the test data's sampling error is in the difference of two scores; 0 where that is not known.

    A share of N right answers has the variance p (1 − p) / N at most, of a mean over seeds too, and the difference of
    two on the same data the sum of both at most, for they are wrong on like examples. Of other scores it is the error
    of the mean difference of the targets' losses, in the score's unit.

    Args:
        metric: of the scores.
        scores: both.
        tests: the sequences of the test data; 0 where not known.
        losses: on the same targets, in order of time, that the scores are made of; empty where not known.
    """
    if metric.name in SHARES:
        return math.sqrt(sum(max(score * (1 - score), 0.0) for score in scores) / tests) if tests else 0.0
    one, other = losses
    if not len(one) or not len(other):
        return 0.0
    differences = np.subtract(one, other)
    apart = float(differences.mean())
    # A score may be the root of a mean loss: its unit is taken from where both lie.
    return error_of_mean(differences.tolist()) * abs((scores[0] - scores[1]) / apart) if apart else 0.0


def _marks(references: Sequence[Reference], sign: int) -> list[_Mark]:
    """The best floor and the baselines better than it, the easiest first."""
    floors = sorted((one for one in references if one.kind == "floor"), key=lambda one: sign * one.value)
    marks = [_Mark(one, one.value - sign * MARGIN * abs(one.value), "the floor") for one in floors[:1]]
    baselines = sorted((one for one in references if one.kind == "baseline"), key=lambda one: -sign * one.value)
    beyond = [one for one in baselines if not marks or sign * one.value < sign * marks[0].value]
    return marks + [_Mark(one, one.value, one.name) for one in beyond]


def _p(row: Scores, mark: _Mark, metric: Metric, tests: int) -> float:
    error = sampling_error(metric, (row.mean, mark.reference.value), tests, (row.losses, mark.reference.losses))
    return better_p([*row.by_seed.values()], mark.value, metric.better, lost=row.diverged, error=error)


def _verdict(row: Scores, marks: Sequence[_Mark], supported: int, needed: int, sign: int) -> Verdict:
    on_average = sum(sign * row.mean < sign * mark.value for mark in marks)
    if not on_average:
        return Verdict(NOT_LEARNED if marks and marks[0].called == "the floor" else "")
    if len(row.by_seed) + row.diverged < needed:
        return Verdict(TOO_FEW)
    names = tuple(mark.name for mark in marks[:supported])
    best = marks[on_average - 1].called
    if supported == on_average:
        return Verdict(f"beats {best}", names)
    return Verdict(f"beats {marks[supported - 1].called}, ~{best}" if supported else f"~beats {best}", names)
