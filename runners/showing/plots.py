"""A results directory as figures: learning curves over steps and seconds, cost against accuracy, memory, gradients.

An algorithm has the same colour in every figure, floors and optima are drawn in, and bands are 95 % bootstrap intervals
over seeds. A run that ended early leaves the mean that it was part of, so every panel names those that did, and a cross
marks where. The plotting libraries are imported when a figure is drawn: they take seconds to load.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from .canvas import Level, canvas, legend, levels, nothing, plain_log, save, whole_numbers
from .horizons import horizons
from .panels import Drawing, Panel
from .statistics import interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def write_figures(directory: str | Path) -> list[Path]:
    """Draw every figure into the directory's folder `figures`; `BadInput` if it holds no results."""
    folder = Path(directory) / "figures"
    return [save(figure, folder / f"{name}.png") for name, figure in draw_figures(directory).items()]


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
    if drawing.panels_by("forcing", closed=True):
        figures["horizon"] = horizons
    return {name: draw(drawing) for name, draw in figures.items()}


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
        palette={name: look.colour for name, look in drawing.looks.items()},
        errorbar=("ci", 95),
        seed=0,
        style="algorithm",
        style_order=drawing.algorithms,
        markers={name: look.marker for name, look in drawing.looks.items()},
        dashes=False,
        markersize=5,
        legend=False,
        ax=axes,
    )


def _ends(axes: "Axes", drawing: Drawing, frame: pd.DataFrame, x: str, y: str) -> None:
    """A cross where a run ended that is not done."""
    for (_, algorithm), points in frame[frame["status"] != "done"].groupby(["key", "algorithm"], sort=False):
        last = points.iloc[-1]
        axes.scatter([last[x]], [last[y]], marker="x", s=70, color=[drawing.looks[str(algorithm)].colour], zorder=5)


def _curves(drawing: Drawing, x: str, label: str) -> "Figure":
    """The score on test data along training, with the references."""
    title = drawing.title("Learning curves: score on test data, mean and 95 % interval over seeds")
    figure, axes = canvas([panel.title for panel in drawing.panels], title)
    for panel, ax in zip(drawing.panels, axes[0], strict=True):
        frame = panel.of(drawing.curves)
        if len(frame):
            frame = _by_seed_mean(frame, x)
            _line(ax, drawing, frame, x, "metric")
            _ends(ax, drawing, frame, x, "metric")
            _scale(ax, panel, frame["metric"])
        else:
            nothing(ax)
        if x == "seconds" and len(frame):
            ax.set_xscale("symlog", linthresh=0.1)
            ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            ax.set_xlim(left=0)
        if x == "steps":
            whole_numbers(ax.xaxis)
        levels(ax, _levels(panel))
        ax.set(xlabel=label, ylabel=panel.score)
    legend(figure, drawing.looks, "algorithm", crosses=drawing.ended_early)
    return figure


def _levels(panel: Panel) -> list[Level]:
    return [Level(reference.name, reference.value, reference.kind) for reference in panel.references]


def _scale(ax: "Axes", panel: Panel, values: pd.Series) -> None:
    """A logarithmic score axis where errors span more than a factor of 5, so that the good ones can be told apart."""
    shown = [*values.astype(float).dropna(), *(reference.value for reference in panel.references)]
    if panel.better == "lower" and shown and min(shown) > 0 and max(shown) > 5 * min(shown):
        ax.set_yscale("log")
        plain_log(ax.yaxis, min(shown), max(shown))


def _cost_accuracy(drawing: Drawing) -> "Figure":
    """The test score against the time of a step: down and left is better, where lower scores are."""
    title = drawing.title("Cost against accuracy: test score, mean and 95 % interval over seeds")
    figure, axes = canvas([panel.title for panel in drawing.panels], title)
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
                fmt=drawing.looks[str(name)].marker,
                color=drawing.looks[str(name)].colour,
                markersize=8,
                capsize=3,
            )
        if len(frame):
            _scale(ax, panel, frame["test"])
            ax.set_xscale("log")
            plain_log(ax.xaxis)
        else:
            nothing(ax)
        levels(ax, _levels(panel))
        ax.set(xlabel="training time per time step of the batch (ms, this machine)", ylabel=panel.score)
    legend(figure, drawing.looks, "algorithm")
    return figure


def _memory(drawing: Drawing) -> "Figure":
    """The peak bytes of one batch's updates."""
    title = drawing.title("Memory of one batch's updates, beyond parameters and data (16 sequences)")
    figure, axes = canvas([panel.title for panel in drawing.panels], title)
    for panel, ax in zip(drawing.panels, axes[0], strict=True):
        frame = panel.of(drawing.measured)  # counted before training, so known of diverged runs too
        frame = frame[frame["peak_bytes"].notna()] if len(frame) else frame
        if not len(frame):
            nothing(ax, "nothing was measured")
        else:
            peak = frame.groupby("algorithm", sort=False)["peak_bytes"].first().astype(float) / 1024
            peak = peak.reindex([name for name in reversed(drawing.algorithms) if name in peak.index])
            colours = [drawing.looks[str(name)].colour for name in peak.index]
            bars = ax.barh(list(peak.index), peak.to_list(), color=colours)
            ax.bar_label(bars, fmt="{:,.1f}", padding=3, fontsize=8)
            ax.set_xscale("log")
            plain_log(ax.xaxis)
            ax.margins(x=0.2)
        ax.set(xlabel="KiB (exact count on a CPU)")
    return figure


def _gradient(drawing: Drawing) -> "Figure":
    """The gradient's norm and its cosine with the exact gradient, along training."""
    title = drawing.title("Gradients along training, mean and 95 % interval over seeds")
    figure, axes = canvas([panel.title for panel in drawing.panels], title, kinds=2)
    shown = (("gradient_norm", "mean norm of the updates' gradients"), ("cosine", "cosine with the exact gradient"))
    for row, (column, label) in zip(axes, shown, strict=True):
        for panel, ax in zip(drawing.panels, row, strict=True):
            frame = panel.of(drawing.curves)
            frame = frame[frame[column].notna()].astype({column: float}) if len(frame) else frame
            if len(frame):
                _line(ax, drawing, _by_seed_mean(frame, "steps"), "steps", column)
                _ends(ax, drawing, frame, "steps", column)
            else:
                nothing(ax)
            if column == "gradient_norm" and len(frame) and float(frame[column].min()) > 0:
                ax.set_yscale("log")
                plain_log(ax.yaxis)
            if column == "cosine":
                ax.axhline(0, color="#777777", linewidth=1)
            whole_numbers(ax.xaxis)
            ax.set(xlabel="time steps of training data", ylabel=label)
    legend(figure, drawing.looks, "algorithm", crosses=drawing.ended_early)
    return figure
