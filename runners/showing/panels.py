"""What the figures show: a panel for each task, cell, forcing and protocol, and a look for each algorithm."""

import itertools
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from throughtime.runners.records.manifest import GroupKeys, Manifest
from throughtime.runners.records.record import Record
from throughtime.runners.records.results import Results
from throughtime.runners.suite.experiment import Experiment
from throughtime.tasks import Reference

from .canvas import MOST_COLUMNS, Level, Look, levels, looks, name_at_edge, plain_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Panel:
    """What one panel shows: a task on a cell, in one experiment.

    Attributes:
        of_all: what its runs have in common besides: the forcing, or in a figure of horizons perhaps the algorithm;
            empty where that goes without saying.
        protocol: what was the same for every algorithm.
        keys: the report runs.
        failures: which of them are not done, in words.
        groups: whose runs these are.
    """

    task: str
    cell: str
    of_all: str
    metric: str
    better: str
    references: tuple[Reference, ...]
    protocol: str
    keys: tuple[str, ...]
    failures: str
    groups: tuple[GroupKeys, ...] = ()

    @property
    def title(self) -> str:
        """The task with the cell, the protocol, and what failed."""
        lines = [f"{self.task}, {self.cell}{f', {self.of_all}' if self.of_all else ''}", self.protocol]
        return "\n".join([*lines, *textwrap.wrap(self.failures, 64, max_lines=3, placeholder=" …")])

    @property
    def score(self) -> str:
        """The metric and which way it goes."""
        return f"{self.metric}, {'lower' if self.better == 'lower' else 'higher'} is better"

    @property
    def levels(self) -> list[Level]:
        """The references, to be drawn in."""
        return [Level(reference.name, reference.value, reference.kind) for reference in self.references]

    def scale(self, ax: "Axes", values: pd.Series) -> None:
        """A logarithmic score axis where errors span more than a factor of 5: the good ones can be told apart.

        An optimum of 0, or less, is below such an axis, and said to be.
        """
        scores, known = [*values.astype(float).dropna()], [reference.value for reference in self.references]
        shown = [*scores, *(value for value in known if value > 0 or not scores)]
        if self.better == "lower" and shown and min(shown) > 0 and max(shown) > 5 * min(shown):
            ax.set_yscale("log")
            plain_log(ax.yaxis)

    def of(self, rows: "ByRun") -> pd.DataFrame:
        """The rows that belong to this panel."""
        return rows.of(self.keys)


def score_axes(panels: Sequence[Panel], axes: "Sequence[Axes]", scores: Sequence[pd.Series]) -> None:
    """References drawn in, and one y axis for all panels of a task: what is better stands higher, or lower, in both.

    Args:
        panels: what was drawn, but for references.
        axes: each panel's, whose x axis is final.
        scores: that each panel shows; none where it shows nothing.
    """
    for task in dict.fromkeys(panel.task for panel in panels):
        same = [number for number, panel in enumerate(panels) if panel.task == task]
        together = pd.concat([scores[number].astype(float) for number in same])
        for number in same:
            panels[number].scale(axes[number], together)
            levels(axes[number], panels[number].levels)
        drawn = [number for number in same if len(scores[number])] or same
        limits = [limit for number in drawn for limit in axes[number].get_ylim()]
        for number in same:
            axes[number].set_ylim(min(limits), max(limits))
            axes[number].set_ylabel(panels[number].score)
            name_at_edge(axes[number], panels[number].levels)


class ByRun:
    """Rows, and where those of each run are: a panel takes its own without a look at all others'.

    Args:
        frame: the rows, in the column ``key`` of which run.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self._places = frame.groupby("key", sort=False).indices if len(frame) else {}

    def of(self, keys: Iterable[str]) -> pd.DataFrame:
        """The rows of some runs, in their order."""
        found = [self._places[key] for key in dict.fromkeys(keys) if key in self._places]
        return self.frame.iloc[np.sort(np.concatenate(found)) if found else []]


class Drawing:
    """A directory's results, ready to be drawn."""

    def __init__(self, results: str | Path | Results) -> None:
        read = Results.of(results)
        self.manifest: Manifest = read.manifest
        keys = dict.fromkeys(key for group in self.manifest.groups for key in group.report if key in read.records)
        self.records = {key: read.records[key] for key in keys}
        self.tuning = read.records
        self.curves = ByRun(
            pd.DataFrame(
                {
                    "key": key,
                    "algorithm": record.config.algorithm,
                    "status": record.status,
                    "machine": read.runs[key]["machine"],
                    "number": number,
                    **point.model_dump(),
                }
                for key, record in self.records.items()
                for number, point in enumerate(record.curve)
            )
        )
        self.runs = ByRun(pd.DataFrame(read.runs[key] for key in keys if self.records[key].status == "done"))
        self.panels = self.panels_by("forcing")
        self.algorithms = list(dict.fromkeys(group.algorithm for group in self.manifest.groups))
        self.forcings = list(dict.fromkeys(group.forcing for group in self.manifest.groups))
        self.timed_on = read.timed_on
        self.looks: dict[str, Look] = looks(self.algorithms)

    def panels_by(self, axis: Literal["forcing", "algorithm"], *, closed: bool = False) -> list[Panel]:
        """One for each task and cell of each experiment, runs of two protocols are never averaged, and for each
        forcing or algorithm; `closed`: of tasks with feedback alone.
        """
        panels = []
        found: list[dict[tuple[str, str, str], list[GroupKeys]]] = [{} for _ in self.manifest.suite.experiments]
        for group in self.manifest.groups:
            if not closed or self.manifest.tasks[group.task].horizon:
                block = (group.task, group.cell, getattr(group, axis))
                found[group.experiment].setdefault(block, []).append(group)
        for experiment, blocks in zip(self.manifest.suite.experiments, found, strict=True):
            for (task, cell, of_all), groups in blocks.items():
                facts = self.manifest.tasks[task]
                keys = tuple(key for group in groups for key in group.report)
                protocol = f"{experiment.size(cell)}; equal budget: {experiment.budget}"
                failures = _failures(experiment, groups, self.records, "algorithm" if axis == "forcing" else "forcing")
                name, better = facts.metric.name, facts.metric.better
                common = "" if axis == "forcing" and experiment.forcing == ("teacher",) else of_all
                about = (task, cell, common, name, better, facts.references, protocol, keys, failures)
                panels.append(Panel(*about, tuple(groups)))
        return panels

    @property
    def columns(self) -> int:
        """Panels side by side: a task's on different cells or in different forcings, where all tasks have as many.

        The last one may have fewer, which leaves the others' columns as they are.
        """
        sizes = [len(list(block)) for _, block in itertools.groupby(self.panels, key=lambda panel: panel.task)]
        alike = len(set(sizes[:-1])) == 1 and sizes[-1] <= sizes[0]
        return sizes[0] if alike and 1 < sizes[0] <= MOST_COLUMNS else 0

    def title(self, words: str) -> str:
        """A figure's title: what it shows, and the suite's own."""
        return f"{words}\n{self.manifest.suite.title}"

    @property
    def ended_early(self) -> bool:
        """Whether a run with a curve is not done."""
        return any(record.curve and record.status != "done" for record in self.records.values())


def _failures(experiment: Experiment, groups: list[GroupKeys], records: dict[str, Record], axis: str) -> str:
    """Say "rtrl: 1 of 3 diverged", by the axis along which the groups differ; what all share is said once."""
    told = {}
    for group in groups:
        statuses = [records[key].status if key in records else "not run yet" for key in group.report]
        statuses = statuses or ["not run yet"] * experiment.seeds
        bad = [status for status in dict.fromkeys(statuses) if status != "done"]
        if bad:
            told[getattr(group, axis)] = f"{', '.join(f'{statuses.count(s)} of {len(statuses)} {s}' for s in bad)}"
    if len(told) == len(groups) > 1 and len(set(told.values())) == 1:
        return f"every {axis}: {next(iter(told.values()))}"
    return "; ".join(f"{name}: {words}" for name, words in told.items())
