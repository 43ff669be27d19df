"""A suite's test scores by row and seed: what tier 2 keeps of a run, and what two directories are compared by."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from throughtime.runners.records.record import Record
from throughtime.runners.records.results import Results
from throughtime.runners.suite.experiment import Group


class Scores(BaseModel):
    """One row of the suite.

    Attributes:
        settings: what its scores depend on besides the code.
        better: "lower" or "higher".
        status: how each seed's run ended.
        scores: of the runs that are done.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    settings: str
    better: Literal["lower", "higher"]
    status: dict[int, str]
    scores: dict[int, float]


def scores_of(directory: str | Path) -> dict[str, Scores]:
    """The rows of a results directory by name; `BadInput` if it holds no results."""
    results = Results.of(directory)
    manifest, found = results.manifest, {}
    for group, keys in zip(manifest.suite.groups(), manifest.groups, strict=True):
        better = manifest.tasks[group.task].metric.better
        records = [results.records[key] for key in keys.report if key in results.records]
        found[_name(group)] = _scores(group, records, better)
    return found


_NO_SETTING = {"tasks", "cells", "algorithms", "forcing", "seeds", "tuning_seeds", "evaluations", "deadline", "target"}


def _name(group: Group) -> str:
    return " · ".join([group.task, group.cell, group.algorithm, *([group.forcing] * (group.forcing != "teacher"))])


def _scores(group: Group, records: Sequence[Record], better: Literal["lower", "higher"]) -> Scores:
    kept = group.experiment.model_dump(mode="json", exclude=_NO_SETTING, exclude_defaults=True)
    done = [record for record in records if record.status == "done"]
    scores = {record.config.seed: record.test for record in done if record.test is not None}
    return Scores(
        settings=", ".join(f"{key}={value}" for key, value in kept.items()),
        better=better,
        status={record.config.seed: record.status for record in records},
        scores={seed: score for seed, score in scores.items() if math.isfinite(score)},
    )
