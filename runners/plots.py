"""A results directory as figures: learning curves over steps and seconds, cost against accuracy, memory, gradients.

An algorithm has the same colour in every figure, floors and optima are drawn in, and bands are 95 % bootstrap intervals
over seeds. A run that ended early leaves the mean that it was part of, so every panel names those that did, and a cross
marks where. The plotting libraries are imported when a figure is drawn: they take seconds to load.
"""

import os
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from .panels import Drawing, Panel
from .statistics import interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

DPI = 150
COLUMNS = 3
"""Panels side by side."""
STYLES = {"floor": ("#444444", "--"), "baseline": ("#777777", "-."), "optimum": ("#2b7a3d", ":")}


def write_figures(directory: str | Path) -> list[Path]:
    """Draw every figure into the directory's folder `figures`; `BadInput` if it holds no results."""
    folder = Path(directory) / "figures"
    paths = []
    for name, figure in draw_figures(directory).items():
        folder.mkdir(exist_ok=True)
        temporary = folder / f".{name}.{os.getpid()}.png"
        figure.savefig(temporary, dpi=DPI, metadata={"Software": None})
        paths.append(temporary.replace(folder / f"{name}.png"))
    return paths


def draw_figures(directory: str | Path) -> "dict[str, Figure]":
    """Every figure by name; `BadInput` if the directory holds no results."""
    drawing = Drawing(directory)
    figures: dict[str, Callable[[Drawing], Figure]] = {
        "curves_steps": lambda d: _curves(d, "steps", "time steps of training data"),
        "curves_seconds": lambda d: _curves(d, "seconds", "training time (s, this machine)"),
        "cost_accuracy": _cost_accuracy,
        "memory": _memory,
        "gradient": _gradient,
    }
    return {name: draw(drawing) for name, draw in figures.items()}


def _canvas(drawing: Drawing, title: str, kinds: int = 1) -> tuple["Figure", "list[list[Axes]]"]:
    """A figure, drawn without a screen, and for each kind of curve the axes of every panel."""
    import seaborn as sns
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(len(drawing.panels), COLUMNS)
    rows = -(-len(drawing.panels) // columns) * kinds
    with sns.axes_style("whitegrid"):
        figure = Figure(figsize=(3 + 6 * columns, 0.8 + 4.1 * rows), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(rows, columns, squeeze=False)
    words = f"{title}\n{textwrap.fill(drawing.manifest.suite.title, 70 * columns)}"
    figure.suptitle(words, fontsize=11, x=0.01, ha="left", parse_math=False)  # at the left, clear of the legend
    axes = [[ax for row in grid[kind::kinds] for ax in row] for kind in range(kinds)]
    for row in axes:
        for panel, ax in zip(drawing.panels, row, strict=False):
            ax.set_title(panel.title, fontsize=9)
        for ax in row[len(drawing.panels) :]:
            ax.remove()
    return figure, [row[: len(drawing.panels)] for row in axes]


def _legend(figure: "Figure", drawing: Drawing, *, crosses: bool = False) -> None:
    """One legend for all panels, at the right."""
    from matplotlib.lines import Line2D

    palette = drawing.palette()
    handles = [
        Line2D([], [], color=palette[name], marker=drawing.marker(name), linestyle="-", label=name)
        for name in drawing.algorithms
    ]
    if crosses and len(drawing.curves) and (drawing.curves["status"] != "done").any():
        handles.append(Line2D([], [], color="#444444", marker="x", linestyle="", label="a run ended early"))
    figure.legend(handles=handles, loc="outside right upper", title="algorithm", frameon=False)


def _references(axes: "Axes", panel: Panel) -> None:
    """Lines for floors, baselines and optima, named at the right edge; called when the scales are set."""
    for reference in panel.references:
        colour, style = STYLES[reference.kind]
        axes.axhline(reference.value, color=colour, linestyle=style, linewidth=1)
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())  # what follows is placed in them, so they are final
    to_axes = axes.transScale + axes.transLimits
    heights = [float(to_axes.transform((axes.get_xlim()[1], reference.value))[1]) for reference in panel.references]
    for reference, height, shown in zip(panel.references, heights, _spread(heights), strict=True):
        axes.annotate(
            textwrap.fill(f"{reference.kind}: {reference.name}", 28),
            (1, height),
            xycoords="axes fraction",
            xytext=(1.03, shown),
            ha="left",
            va="center",
            fontsize=7,
            color=STYLES[reference.kind][0],
            arrowprops={"arrowstyle": "-", "color": STYLES[reference.kind][0], "linewidth": 0.6, "shrinkA": 0},
        )


def _spread(heights: list[float], gap: float = 0.06) -> list[float]:
    """Heights in the same order, from 0 to 1, as near to the given ones as a gap between neighbours lets them be.

    >>> _spread([0.5, 0.5], gap=0.25)
    [0.375, 0.625]
    """
    order = sorted(range(len(heights)), key=heights.__getitem__)
    gap = min(gap, 1 / max(len(heights) - 1, 1))
    placed: list[list[float]] = []  # clusters of neighbours that touch
    for number in order:
        cluster = [heights[number]]
        while placed and _lowest(cluster, gap) - gap < _lowest(placed[-1], gap) + gap * (len(placed[-1]) - 1):
            cluster = placed.pop() + cluster
        placed.append(cluster)
    spread = [_lowest(cluster, gap) + gap * place for cluster in placed for place in range(len(cluster))]
    shown = [0.0] * len(heights)
    for number, height in zip(order, spread, strict=True):
        shown[number] = height
    return shown


def _lowest(cluster: list[float], gap: float) -> float:
    """Where the lowest label of a cluster stands: centred on its heights, within 0 and 1."""
    extent = gap * (len(cluster) - 1)
    return min(max(sum(cluster) / len(cluster) - extent / 2, 0.0), 1.0 - extent)


def _plain_log(axis: "Axis") -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def _nothing(axes: "Axes", text: str = "no run is done") -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#777777")


def _by_seed_mean(frame: pd.DataFrame, x: str) -> pd.DataFrame:
    """Seeds are not evaluated at the same seconds, nor steps under other budgets: a point's x is the mean over them."""
    return frame.assign(**{x: frame.groupby(["algorithm", "number"])[x].transform("mean")})


def _line(axes: "Axes", drawing: Drawing, frame: pd.DataFrame, x: str, y: str) -> None:
    import seaborn as sns

    sns.lineplot(
        data=frame,
        x=x,
        y=y,
        hue="algorithm",
        hue_order=drawing.algorithms,
        palette=drawing.palette(),
        errorbar=("ci", 95),
        seed=0,
        style="algorithm",
        style_order=drawing.algorithms,
        markers={name: drawing.marker(name) for name in drawing.algorithms},
        dashes=False,
        markersize=5,
        legend=False,
        ax=axes,
    )


def _ends(axes: "Axes", drawing: Drawing, frame: pd.DataFrame, x: str, y: str) -> None:
    """A cross where a run ended that is not done."""
    palette = drawing.palette()
    for (_, algorithm), points in frame[frame["status"] != "done"].groupby(["key", "algorithm"], sort=False):
        last = points.iloc[-1]
        axes.scatter([last[x]], [last[y]], marker="x", s=70, color=[palette[str(algorithm)]], zorder=5)


def _curves(drawing: Drawing, x: str, label: str) -> "Figure":
    """The score on test data along training, with the references."""
    figure, axes = _canvas(drawing, "Learning curves: score on test data, mean and 95 % interval over seeds")
    for panel, ax in zip(drawing.panels, axes[0], strict=True):
        frame = panel.of(drawing.curves)
        if len(frame):
            frame = _by_seed_mean(frame, x)
            _line(ax, drawing, frame, x, "metric")
            _ends(ax, drawing, frame, x, "metric")
            _scale(ax, panel, frame["metric"])
        else:
            _nothing(ax)
        if x == "seconds" and len(frame):
            ax.set_xscale("symlog", linthresh=0.1)
            ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            ax.set_xlim(left=0)
        _references(ax, panel)
        ax.set(xlabel=label, ylabel=panel.score)
    _legend(figure, drawing, crosses=True)
    return figure


def _scale(ax: "Axes", panel: Panel, values: pd.Series) -> None:
    """A logarithmic score axis where errors span more than a factor of 5, so that the good ones can be told apart."""
    shown = [*values.astype(float).dropna(), *(reference.value for reference in panel.references)]
    if panel.better == "lower" and shown and min(shown) > 0 and max(shown) > 5 * min(shown):
        ax.set_yscale("log")
        _plain_log(ax.yaxis)


def _cost_accuracy(drawing: Drawing) -> "Figure":
    """The test score against the time of a step: down and left is better, where lower scores are."""
    figure, axes = _canvas(drawing, "Cost against accuracy: test score, mean and 95 % interval over seeds")
    palette = drawing.palette()
    for panel, ax in zip(drawing.panels, axes[0], strict=True):
        frame = panel.of(drawing.runs)
        for name, runs in frame.groupby("algorithm", sort=False) if len(frame) else []:
            score, cost = interval(runs["test"].to_list()), 1e3 * float(runs["wall_per_step"].astype(float).median())
            below, above = score.mean - score.low, score.high - score.mean
            spread = [[max(below, 0.0)], [max(above, 0.0)]]  # rounding must not make a bar negative
            ax.errorbar(
                [cost],
                [score.mean],
                yerr=spread,
                fmt=drawing.marker(str(name)),
                color=palette[str(name)],
                markersize=8,
                capsize=3,
            )
        if len(frame):
            _scale(ax, panel, frame["test"])
            ax.set_xscale("log")
            _plain_log(ax.xaxis)
        else:
            _nothing(ax)
        _references(ax, panel)
        ax.set(xlabel="training time per time step of the batch (ms, this machine)", ylabel=panel.score)
    _legend(figure, drawing)
    return figure


def _memory(drawing: Drawing) -> "Figure":
    """The peak bytes of one batch's updates."""
    figure, axes = _canvas(drawing, "Memory of one batch's updates, beyond parameters and data (16 sequences)")
    palette = drawing.palette()
    for panel, ax in zip(drawing.panels, axes[0], strict=True):
        frame = panel.of(drawing.measured)  # counted before training, so known of diverged runs too
        frame = frame[frame["peak_bytes"].notna()] if len(frame) else frame
        if not len(frame):
            _nothing(ax, "nothing was measured")
        else:
            peak = frame.groupby("algorithm", sort=False)["peak_bytes"].first().astype(float) / 1024
            peak = peak.reindex([name for name in reversed(drawing.algorithms) if name in peak.index])
            bars = ax.barh(list(peak.index), peak.to_list(), color=[palette[str(name)] for name in peak.index])
            ax.bar_label(bars, fmt="{:,.1f}", padding=3, fontsize=8)
            ax.set_xscale("log")
            _plain_log(ax.xaxis)
            ax.margins(x=0.2)
        ax.set(xlabel="KiB (exact count on a CPU)")
    return figure


def _gradient(drawing: Drawing) -> "Figure":
    """The gradient's norm and its cosine with the exact gradient, along training."""
    figure, axes = _canvas(drawing, "Gradients along training, mean and 95 % interval over seeds", kinds=2)
    shown = (("gradient_norm", "mean norm of the updates' gradients"), ("cosine", "cosine with the exact gradient"))
    for row, (column, label) in zip(axes, shown, strict=True):
        for panel, ax in zip(drawing.panels, row, strict=True):
            frame = panel.of(drawing.curves)
            frame = frame[frame[column].notna()].astype({column: float}) if len(frame) else frame
            if len(frame):
                _line(ax, drawing, _by_seed_mean(frame, "steps"), "steps", column)
                _ends(ax, drawing, frame, "steps", column)
            else:
                _nothing(ax)
            if column == "gradient_norm" and len(frame) and float(frame[column].min()) > 0:
                ax.set_yscale("log")
                _plain_log(ax.yaxis)
            if column == "cosine":
                ax.axhline(0, color="#777777", linewidth=1)
            ax.set(xlabel="time steps of training data", ylabel=label)
    _legend(figure, drawing, crosses=True)
    return figure
