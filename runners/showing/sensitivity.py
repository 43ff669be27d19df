"""The score against the learning rate, for every algorithm: what was tried, what was chosen, and where runs failed."""

import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from throughtime.runners.records.manifest import GroupKeys, Manifest

from .canvas import Look, canvas, legend, nothing
from .panels import Drawing, Panel, score_axes
from .tuned import KEPT, Tried, Tuned, tuned

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RING: dict[str, Any] = {"marker": "o", "markersize": 13, "markerfacecolor": "none", "markeredgewidth": 1.5}
"""Around what was chosen."""

ROOM = 0.045
"""Of a panel's height, for the cross of each algorithm that failed at a learning rate."""


SPREAD = 0.1
"""Powers of ten, over which the algorithms of one learning rate stand side by side."""


class _Line(NamedTuple):
    """An algorithm in a panel: how it looks, what tuning found of it, and the learning rate that was chosen.

    `aside` is the factor by which it is drawn beside its learning rates: others may have the same scores.
    """

    look: Look
    aside: float
    tuned: Tuned
    chosen: float | None


def varied(manifest: Manifest) -> bool:
    """Whether any row is tuned over more than one learning rate."""
    return any(_varied(manifest, group) for group in manifest.groups)


def _varied(manifest: Manifest, group: GroupKeys) -> bool:
    return bool(group.tuning) and len(manifest.suite.experiments[group.experiment].rates) > 1


def sensitivities(drawing: Drawing) -> "Figure":
    """A panel for each task and cell that is tuned over several learning rates, with a line for each algorithm."""
    panels = [
        replace(panel, failures="")  # of report runs, which are not shown
        for panel in drawing.panels
        if any(_varied(drawing.manifest, group) for group in panel.groups)
    ]
    title = drawing.title(
        "Sensitivity: score on validation data by learning rate, mean and range over tuning seeds; a ring: chosen\n"
        f"Thick: the good range, which keeps {100 * KEPT:.0f} % of the way from the floor; references: of test data"
    )
    figure, axes = canvas([panel.title for panel in panels], title)
    found = [_lines(drawing, panel) for panel in panels]
    scores = [_panel(ax, lines) for lines, ax in zip(found, axes[0], strict=True)]
    score_axes(panels, axes[0], scores)
    for panel, lines, ax in zip(panels, found, axes[0], strict=True):
        _failures(ax, lines, panel.better)
    failed = any(one.failed for lines in found for line in lines for one in line.tuned.tried)
    legend(figure, drawing.looks, "algorithm", crosses=failed)
    return figure


def _lines(drawing: Drawing, panel: Panel) -> list[_Line]:
    sign = 1 if panel.better == "lower" else -1
    floors = [sign * reference.value for reference in panel.references if reference.kind == "floor"]
    floor = sign * min(floors) if floors else None
    return [
        _Line(
            drawing.looks[group.algorithm],
            10 ** (SPREAD * ((number + 0.5) / len(panel.groups) - 0.5)),
            tuned(group, drawing.tuning, panel.better, floor),
            group.choice.learning_rate if group.choice else None,
        )
        for number, group in enumerate(panel.groups)
    ]


def _panel(ax: "Axes", lines: Sequence[_Line]) -> pd.Series:
    """The scores that it shows."""
    from matplotlib.ticker import NullLocator

    shown: list[float] = []
    for line in lines:
        sound = [one for one in line.tuned.tried if not one.failed]
        low, high = line.tuned.good or (0.0, 0.0)
        _draw(ax, line, sound, linewidth=1.2, marker=line.look.marker, markersize=5)
        _draw(ax, line, [one for one in sound if low <= one.rate <= high], linewidth=3.5, solid_capstyle="round")
        _draw(ax, line, [one for one in sound if one.rate == line.chosen], **RING)
        for one in sound:
            ends = (min(one.scores.values()), max(one.scores.values()))
            ax.plot([line.aside * one.rate] * 2, ends, color=line.look.colour, linewidth=1, alpha=0.6)
            shown += ends
    if rates := sorted({one.rate for line in lines for one in line.tuned.tried}):
        ax.set_xscale("log")
        ax.set_xlim(rates[0] / 1.4, rates[-1] * 1.4)
        ax.xaxis.set_minor_locator(NullLocator())
        every = 1 if len(rates) <= 6 else 2  # there is no room for more
        ax.set_xticks(rates, [f"{rate:g}" if number % every == 0 else "" for number, rate in enumerate(rates)])
    if not shown:
        nothing(ax, "no tuning run is done")
    ax.set_xlabel("learning rate")
    return pd.Series(shown, dtype=float)


def _draw(ax: "Axes", line: _Line, tried: Sequence[Tried], **style: Any) -> None:
    """The mean scores of some learning rates."""
    means = [statistics.fmean(one.scores.values()) for one in tried]
    ax.plot([line.aside * one.rate for one in tried], means, color=line.look.colour, **style)


def _failures(ax: "Axes", lines: Sequence[_Line], better: str) -> None:
    """A cross where a run failed, on the side where scores are bad: several stand one below the other."""
    there: dict[float, int] = {}
    for line in lines:
        for one in line.tuned.tried:
            if one.failed:
                place = there.setdefault(one.rate, 0)
                there[one.rate] += 1
                height = ROOM * (place + 0.7)
                height = 1 - height if better == "lower" else height
                at: dict[str, Any] = {"transform": ax.get_xaxis_transform(), "clip_on": False, "zorder": 5}
                ax.plot([one.rate], [height], color=line.look.colour, marker="x", markersize=8, **at)
