"""A suite's test scores by row and seed: what tier 2 keeps of a run, and what two directories are compared by."""

import math
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

from throughtime.runners.records.manifest import RunStore
from throughtime.runners.records.results import load_results
from throughtime.runners.suite.suite import Group


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
    manifest = RunStore.open(directory).manifest()
    runs = load_results(directory)
    runs = runs[runs["purpose"] == "report"] if len(runs) else pd.DataFrame(columns=["key", "seed", "status", "test"])
    found = {}
    for group, keys in zip(manifest.suite.groups(), manifest.groups, strict=True):
        better = manifest.tasks[group.task].metric.better
        found[_name(group)] = _scores(group, runs[runs["key"].isin(keys.report)], better)
    return found


_NO_SETTING = {"tasks", "cells", "algorithms", "forcing", "seeds", "tuning_seeds", "evaluations", "deadline", "target"}


def _name(group: Group) -> str:
    return " · ".join([group.task, group.cell, group.algorithm, *([group.forcing] * (group.forcing != "teacher"))])


def _scores(group: Group, runs: pd.DataFrame, better: Literal["lower", "higher"]) -> Scores:
    kept = group.experiment.model_dump(mode="json", exclude=_NO_SETTING, exclude_defaults=True)
    ended = list(zip(runs["seed"].astype(int), runs["status"].astype(str), runs["test"].astype(float), strict=True))
    return Scores(
        settings=", ".join(f"{key}={value}" for key, value in kept.items()),
        better=better,
        status={seed: status for seed, status, _ in ended},
        scores={seed: score for seed, status, score in ended if status == "done" and math.isfinite(score)},
    )
