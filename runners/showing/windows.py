"""TBPTT(k1, k2) as heat maps: the score and the time of every window, k1 from below, k2 to the right."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from throughtime.parts.specs import parse_spec
from throughtime.runners.records.manifest import Manifest

from .canvas import canvas, nothing
from .panels import Drawing, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST = 3
"""Of both k1 and k2: fewer are told as well by any other figure."""


def window_of(algorithm: str) -> tuple[int, int] | None:
    """k1 and k2 of truncated BPTT; None for any other algorithm.

    >>> window_of("truncated(k1=2, k2=6)"), window_of("full")
    ((2, 6), None)
    """
    name, parameters = parse_spec(algorithm)
    if name != "truncated" or not {"k1", "k2"} <= parameters.keys():
        return None
    return int(parameters["k1"]), int(parameters["k2"])


def crossed(manifest: Manifest) -> bool:
    """Whether any task has windows enough for a heat map."""
    blocks: dict[tuple[int, str, str, str], set[tuple[int, int]]] = {}
    for group in manifest.groups:
        if window := window_of(group.algorithm):
            block = (group.experiment, group.task, group.cell, group.forcing)
            blocks.setdefault(block, set()).add(window)
    return any(_enough(windows) for windows in blocks.values())


def _enough(windows: set[tuple[int, int]]) -> bool:
    return all(len({window[place] for window in windows}) >= LEAST for place in (0, 1))


def windows(drawing: Drawing) -> "Figure":
    """Two panels for each task and cell: the mean score over seeds, and the time of a training step."""
    shown = [panel for panel in drawing.panels if _enough(_windows(panel))]
    title = drawing.title("TBPTT(k1, k2): mean test score over seeds, and milliseconds of a training step")
    figure, axes = canvas([panel.title for panel in shown], title, kinds=2)
    for panel, score, time in zip(shown, *axes, strict=True):
        runs = panel.of(drawing.runs)
        better = "viridis_r" if panel.better == "lower" else "viridis"
        _map(score, _table(runs, "test"), better, f"{panel.score}\n{_beside(panel, runs)}")
        timed = runs[runs["machine"] == drawing.timed_on] if len(runs) else runs
        _map(time, 1e3 * _table(timed, "time_per_step"), "viridis_r", "ms a step of a batch")
    return figure


def _windows(panel: Panel) -> set[tuple[int, int]]:
    return {window for group in panel.groups if (window := window_of(group.algorithm))}


def _table(runs: pd.DataFrame, column: str) -> pd.DataFrame:
    """The means of a column, k1 by k2."""
    if not len(runs):
        return pd.DataFrame(dtype=float)
    means = runs.groupby("algorithm")[column].mean()
    found = [(*window, mean) for name, mean in means.items() if (window := window_of(str(name)))]
    frame = pd.DataFrame(found, columns=["k1", "k2", "value"])
    return frame.pivot_table(index="k1", columns="k2", values="value").sort_index(ascending=False).astype(float)


def _map(ax: "Axes", table: pd.DataFrame, colours: str, words: str) -> None:
    import seaborn as sns

    if table.empty:
        nothing(ax)
    else:
        sns.heatmap(table, annot=True, fmt=".3g", cmap=colours, cbar=False, ax=ax, linewidths=1)
        ax.grid(visible=False)
        ax.set_ylabel("k1: steps from one update to the next")
    ax.set_xlabel(f"k2: steps that an update walks back\n{words}")


def _beside(panel: Panel, runs: pd.DataFrame) -> str:
    """Full BPTT's score, and the best floor."""
    sign = 1 if panel.better == "lower" else -1
    floors = [sign * one.value for one in panel.references if one.kind == "floor"]
    scores: Mapping[str, float] = dict(runs.groupby("algorithm")["test"].mean()) if len(runs) else {}
    told = [f"full: {scores['full']:.3g}"] if math.isfinite(scores.get("full", math.nan)) else []
    return ", ".join([*told, *([f"floor: {sign * min(floors):.3g}"] if floors else [])])
