"""What the figures show: a panel for each task, cell and protocol, and a colour and a mark for each algorithm."""

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from throughtime.tasks import Reference

from .store import GroupKeys, Manifest, Record, Store, load_results
from .suite import Experiment

MARKERS = "osD^vP*X<>hpd8"


@dataclass(frozen=True)
class Panel:
    """What one panel shows: a task on a cell, in one experiment.

    Attributes:
        protocol: what was the same for every algorithm.
        keys: the report runs.
        failures: which runs are not done, in words.
    """

    task: str
    cell: str
    metric: str
    better: str
    references: tuple[Reference, ...]
    protocol: str
    keys: tuple[str, ...]
    failures: str

    @property
    def title(self) -> str:
        """The task with the cell, the protocol, and what failed."""
        lines = [f"{self.task}, {self.cell}", self.protocol]
        return "\n".join([*lines, *textwrap.wrap(self.failures, 64, max_lines=3, placeholder=" …")])

    @property
    def score(self) -> str:
        """The metric and which way it goes."""
        return f"{self.metric}, {'lower' if self.better == 'lower' else 'higher'} is better"

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows that belong to this panel."""
        return frame[frame["key"].isin(self.keys)] if len(frame) else frame


class Drawing:
    """A directory's results, ready to be drawn."""

    def __init__(self, directory: str | Path) -> None:
        store = Store.open(directory)
        self.manifest: Manifest = store.manifest()
        keys = dict.fromkeys(key for group in self.manifest.groups for key in group.report)
        self.records = {key: record for key in keys for record in [store.record(key)] if record is not None}
        self.curves = pd.DataFrame(
            {"key": key, "algorithm": record.config.algorithm, "status": record.status, "number": number, **point}
            for key, record in self.records.items()
            for number, point in enumerate(record.curve)
        )
        results = load_results(directory)
        self.measured = results[results["purpose"] == "report"] if len(results) else results
        self.runs = self.measured[self.measured["status"] == "done"] if len(results) else results
        self.panels = self._panels()
        self.algorithms = list(dict.fromkeys(group.algorithm for group in self.manifest.groups))

    def _panels(self) -> list[Panel]:
        """One for each task and cell of each experiment: runs of two protocols are never averaged."""
        groups = iter(self.manifest.groups)
        panels = []
        for experiment in self.manifest.suite.experiments:
            blocks: dict[tuple[str, str], list[GroupKeys]] = {}
            for group in (next(groups) for _ in experiment.groups()):
                blocks.setdefault((group.task, group.cell), []).append(group)
            for (task, cell), block in blocks.items():
                facts = self.manifest.tasks[task]
                keys = tuple(key for group in block for key in group.report)
                protocol = f"{experiment.hidden_size} units; equal budget: {experiment.budget}"
                failures = _failures(experiment, block, self.records)
                name, better = facts.metric.name, facts.metric.better
                panels.append(Panel(task, cell, name, better, facts.references, protocol, keys, failures))
        return panels

    def palette(self) -> dict[str, Any]:
        """A colour for each algorithm, told apart by colour-blind readers as far as ten go."""
        import seaborn as sns

        many = len(self.algorithms) > 10
        colours = sns.color_palette("husl" if many else "colorblind", len(self.algorithms))
        return dict(zip(self.algorithms, colours, strict=True))

    def marker(self, algorithm: str) -> str:
        """A mark for each algorithm."""
        return MARKERS[self.algorithms.index(algorithm) % len(MARKERS)]


def _failures(experiment: Experiment, groups: list[GroupKeys], records: dict[str, Record]) -> str:
    """Say "rtrl: 1 of 3 diverged"; what all algorithms share is said once."""
    told = {}
    for group in groups:
        statuses = [records[key].status if key in records else "not run yet" for key in group.report]
        statuses = statuses or ["not run yet"] * experiment.seeds
        bad = [status for status in dict.fromkeys(statuses) if status != "done"]
        if bad:
            told[group.algorithm] = f"{', '.join(f'{statuses.count(s)} of {len(statuses)} {s}' for s in bad)}"
    if len(told) == len(groups) > 1 and len(set(told.values())) == 1:
        return f"every algorithm: {next(iter(told.values()))}"
    return "; ".join(f"{name}: {words}" for name, words in told.items())
