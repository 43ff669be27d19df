"""Accuracy against time and against memory, with the frontier: the algorithms that nothing cheaper does better than."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from .canvas import canvas, legend, nothing, plain_log
from .panels import Drawing, Panel, score_axes
from .statistics import Interval, interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FRONTIER = "#999999"


class Cost(NamedTuple):
    """A cost as the figure shows it: the column of a run, its unit's size, and the axis's label."""

    column: str
    unit: float
    label: str


COSTS = (
    Cost("time_per_step", 1e-3, "training time per time step of the batch (ms of this machine)"),
    Cost("peak_bytes", 1024, "memory of the updates of 16 sequences (KiB)"),
)


def frontier(costs: Mapping[str, float], scores: Mapping[str, float], better: str) -> list[str]:
    """The names that no other beats at the same cost or less, from the cheapest to the best.

    >>> frontier({"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 0.5, "b": 0.7, "c": 0.2}, "lower")
    ['a', 'c']
    """
    sign = 1 if better == "lower" else -1
    found: list[str] = []
    for name in sorted(costs, key=lambda name: (costs[name], sign * scores[name])):
        if not found or sign * scores[name] < sign * scores[found[-1]]:
            found.append(name)
    return found


def frontiers(drawing: Drawing) -> "Figure":
    """Two rows of panels: the score against a step's time, and against memory; towards the left is cheaper."""
    title = drawing.title(
        "Accuracy against cost: score on test data, mean and 95 % interval over seeds\n"
        "Grey: the frontier, on which an algorithm stands that nothing cheaper betters"
    )
    figure, axes = canvas([panel.title for panel in drawing.panels], title, kinds=len(COSTS), columns=drawing.columns)
    for cost, row in zip(COSTS, axes, strict=True):
        scores = [_panel(ax, drawing, panel, cost) for panel, ax in zip(drawing.panels, row, strict=True)]
        score_axes(drawing.panels, row, scores)
    legend(figure, drawing.looks, "algorithm", crosses=False)
    return figure


def _panel(ax: "Axes", drawing: Drawing, panel: Panel, cost: Cost) -> pd.Series:
    """The scores that it shows."""
    frame = panel.of(drawing.runs)
    costs: dict[str, float] = {}
    scores: dict[str, Interval] = {}
    for name, runs in frame.groupby("algorithm", sort=False) if len(frame) else []:
        comparable = runs if cost.column != "time_per_step" else runs[runs["machine"] == drawing.timed_on]
        if not len(comparable):
            continue
        costs[str(name)] = float(comparable[cost.column].astype(float).median()) / cost.unit
        scores[str(name)] = interval(runs["test"].to_list())
    for name, score in scores.items():
        below, above = score.mean - score.low, score.high - score.mean
        look = drawing.looks[name]
        ax.errorbar(
            [costs[name]],
            [score.mean],
            yerr=[[max(below, 0.0)], [max(above, 0.0)]],  # rounding must not make a bar negative
            fmt=look.marker,
            color=look.colour,
            markersize=8,
            capsize=3,
        )
    if scores:
        ax.set_xscale("log")
        plain_log(ax.xaxis)
        _steps(ax, [(costs[name], scores[name].mean) for name in _on_it(costs, scores, panel.better)])
    else:
        nothing(ax)
    ax.set_xlabel(cost.label)
    return pd.Series([score.mean for score in scores.values()], dtype=float)


def _on_it(costs: Mapping[str, float], scores: Mapping[str, Interval], better: str) -> list[str]:
    return frontier(costs, {name: score.mean for name, score in scores.items()}, better)


def _steps(ax: "Axes", corners: Sequence[tuple[float, float]]) -> None:
    """From the cheapest down to the best, and on to the edge."""
    right = ax.get_xlim()[1]
    x, y = [cost for cost, _ in corners], [score for _, score in corners]
    ax.step([*x, right], [*y, y[-1]], where="post", color=FRONTIER, linewidth=4, alpha=0.5, zorder=1)
    ax.set_xlim(right=right)
