"""The rows of a table judged together: their scores, which references they beat, and how they differ from full BPTT."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from throughtime.runners.records.manifest import GroupKeys, TaskFacts
from throughtime.runners.records.results import Results

from .statistics import Difference, corrected, paired_difference
from .verdicts import SHARES, Scores, Verdict, sampling_error, verdicts


@dataclass(frozen=True)
class Judged:
    """Of each row of a table.

    Attributes:
        scores: of its report runs.
        verdicts: what these show.
        differences: to full BPTT in the same forcing; None for full itself, and where there is none.
        sampled: whether the sampling error of the test data is in both.
    """

    scores: list[Scores]
    verdicts: list[Verdict]
    differences: list[Difference | None]
    sampled: bool


def judged(results: Results, groups: Sequence[GroupKeys], facts: TaskFacts) -> Judged:
    """The rows of one table."""
    scores = [_of_row(results, group) for group in groups]
    if not (sampled := _losses_known(scores, facts)):
        scores = [replace(own, losses=()) for own in scores]
    found = verdicts(scores, facts.metric, facts.references, facts.test_sequences)
    sampled = sampled or facts.metric.name in SHARES
    return Judged(scores, found, _differences(groups, scores, facts), sampled)


def _of_row(results: Results, group: GroupKeys) -> Scores:
    """Of a row's report runs; with the mean losses of a small test's targets, where all its done runs have them."""
    runs = runs_of(results, group.report)
    records = [results.records[key] for key in group.report if key in results.records]
    losses = [one.test_losses for one in records if one.status == "done"]
    kept = len({len(one) for one in losses}) == 1
    means = tuple(math.fsum(of_one) / len(losses) for of_one in zip(*losses, strict=True)) if kept else ()
    return Scores(by_seed(runs, "test"), sum(run["status"] == "diverged" for run in runs), means)


def _losses_known(scores: Sequence[Scores], facts: TaskFacts) -> bool:
    """Whether all that a table compares has the losses of all targets: its rows, and what they are to beat."""
    rows = [own.losses for own in scores if own.by_seed]
    to_beat = [one.losses for one in facts.references if one.kind != "optimum"]
    return bool(rows) and all(len(losses) == facts.test_targets > 0 for losses in (*rows, *to_beat))


def _differences(groups: Sequence[GroupKeys], scores: Sequence[Scores], facts: TaskFacts) -> list[Difference | None]:
    """To full BPTT in the same forcing, judged together; None for full itself, and where there is none."""
    full = {group.forcing: own for group, own in zip(groups, scores, strict=True) if group.algorithm == "full"}
    found: list[Difference | None] = []
    for group, own in zip(groups, scores, strict=True):
        other = full.get(group.forcing)
        if group.algorithm == "full" or not other or not (own.by_seed and other.by_seed):
            found.append(None)
            continue
        means, losses = (own.mean, other.mean), (own.losses, other.losses)
        error = sampling_error(facts.metric, means, facts.test_sequences, losses)
        found.append(paired_difference(own.by_seed, other.by_seed, error))
    return corrected(found)


def runs_of(results: Results, keys: Iterable[str]) -> list[dict[str, Any]]:
    """Those of some keys that there are."""
    return [results.runs[key] for key in keys if key in results.runs]


def by_seed(runs: Sequence[Mapping[str, Any]], column: str) -> dict[int, float]:
    """Of the done ones that have one, by seed."""
    return {run["seed"]: run[column] for run in runs if run["status"] == "done" and told(run[column])}


def told(value: float | None) -> bool:
    """Whether it is a number."""
    return value is not None and not math.isnan(value)
