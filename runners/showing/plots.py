"""A results directory as figures: accuracy against cost, learning curves, gradients, sensitivity to learning rates.

An algorithm has the same colour in every figure, floors and optima are drawn in, and bands are 95 % t intervals
over seeds. A run that ended early leaves the mean that it was part of, so every panel names those that did, and a cross
marks where. The plotting libraries are imported when a figure is drawn: they take seconds to load.
"""

import functools
import hashlib
import importlib.metadata
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from throughtime.runners.records.results import Results
from throughtime.runners.suite.fingerprint import Code

from .canvas import as_text, canvas, legend, nothing, plain_log, whole_numbers
from .frontier import frontiers
from .horizons import horizons
from .panels import Drawing, score_axes
from .saved import is_marked, save_and_close
from .sensitivity import sensitivities, varied
from .statistics import bounds
from .strips import ended
from .windows import crossed, windows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def write_figures(results: str | Path | Results, *, keep: bool = False) -> list[Path]:
    """Draw every figure into the directory's folder `figures`; `BadInput` if it holds no results.

    Args:
        results: the directory, or what was read of it.
        keep: a figure that this very code drew of the same results stays: hundreds of panels take minutes.
    """
    read = Results.of(results)
    folder, mark = read.store.directory / "figures", _mark(read)
    paths = []
    for name, draw in _figures(read).items():
        path = folder / f"{name}.png"
        paths.append(path if keep and is_marked(path, mark) else save_and_close(draw(), path, mark))
    return paths


def _mark(results: Results) -> str:
    """The hash of what figures depend on: the results, and the code and the libraries that draw them."""
    libraries = " ".join(importlib.metadata.version(name) for name in ("matplotlib", "seaborn"))
    parts = [Code((__name__,)).fingerprint(libraries), results.manifest.model_dump_json()]
    parts += [record.model_dump_json() for record in results.records.values()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def draw_figures(results: str | Path | Results) -> "dict[str, Figure]":
    """Every figure by name; `BadInput` if the directory holds no results."""
    return {name: draw() for name, draw in _figures(results).items()}


def _figures(results: str | Path | Results) -> "dict[str, Callable[[], Figure]]":
    """What draws each figure, one after the other: together they may fill the memory."""
    read = Results.of(results)
    drawing = functools.cache(partial(Drawing, read))
    figures: dict[str, Callable[[Drawing], Figure]] = {
        "frontier": frontiers,
        "curves_steps": lambda d: _curves(d, "steps", "time steps of training data"),
        "curves_seconds": lambda d: _curves(d, "seconds", "training time (s, this machine)"),
        "gradient": _gradient,
    }
    if varied(read.manifest):
        figures["sensitivity"] = sensitivities
    if crossed(read.manifest):
        figures["windows"] = windows
    if any(read.manifest.tasks[group.task].horizon for group in read.manifest.groups):
        figures["horizon"] = horizons
    return {name: partial(_drawn, draw, drawing) for name, draw in figures.items()}


def _drawn(draw: "Callable[[Drawing], Figure]", drawing: Callable[[], Drawing]) -> "Figure":
    return as_text(draw)(drawing())


def _by_seed_mean(frame: pd.DataFrame, x: str) -> pd.DataFrame:
    """Seeds are not evaluated at the same seconds, nor steps under other budgets: a point's x is the mean over them."""
    return frame.assign(**{x: frame.groupby(["algorithm", "number"])[x].transform("mean")})


def _started(frame: pd.DataFrame) -> pd.DataFrame:
    """A logarithm has no zero: before training a curve stands at half of the shortest time that follows."""
    positive = frame.loc[frame["seconds"] > 0, "seconds"]
    start = float(positive.min()) / 2 if len(positive) else 1.0
    return frame.assign(seconds=frame["seconds"].where(frame["seconds"] > 0, start))


def _line(axes: "Axes", drawing: Drawing, frame: pd.DataFrame, x: str, y: str) -> None:
    import seaborn as sns

    sns.lineplot(
        data=frame,
        x=x,
        y=y,
        hue="algorithm",
        hue_order=drawing.algorithms,
        palette={name: look.colour for name, look in drawing.looks.items()},
        errorbar=bounds,
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
    figure, axes = canvas([panel.title for panel in drawing.panels], title, columns=drawing.columns)
    scores = []
    for panel, ax in zip(drawing.panels, axes[0], strict=True):
        frame = panel.of(drawing.curves)
        scores.append(frame["metric"] if len(frame) else pd.Series(dtype=float))
        if x == "seconds" and len(frame) and drawing.timed_on:
            frame = frame[frame["machine"] == drawing.timed_on]
        if len(frame):
            frame = _by_seed_mean(frame, x)
            if x == "seconds":
                frame = _started(frame)
            _line(ax, drawing, frame, x, "metric")
            _ends(ax, drawing, frame, x, "metric")
        else:
            nothing(ax)
        if x == "seconds" and len(frame) and drawing.timed_on:
            ax.set_xscale("log")
            plain_log(ax.xaxis)
        if x == "steps":
            whole_numbers(ax.xaxis)
        ax.set_xlabel(label)
    score_axes(drawing.panels, axes[0], scores)
    legend(figure, drawing.looks, "algorithm", crosses=drawing.ended_early)
    return figure


def _gradient(drawing: Drawing) -> "Figure":
    """The gradient's norm and its cosine with the exact gradient, along training; its bias and reach at the end."""
    title = drawing.title("Gradients along training, mean and 95 % interval over seeds; below: at its end")
    figure, axes = canvas([panel.title for panel in drawing.panels], title, kinds=4, columns=drawing.columns)
    shown = (("gradient_norm", "mean norm of the updates' gradients"), ("cosine", "cosine with the exact gradient"))
    for row, (column, label) in zip(axes[:2], shown, strict=True):
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
    for panel, bias, lag in zip(drawing.panels, *axes[2:], strict=True):
        ended(bias, drawing, panel.of(drawing.runs), "relative_bias", "relative bias of the mean gradient")
        ended(lag, drawing, panel.of(drawing.runs), "lag_90", "lag within which 90 % of the gradient lie")
    legend(figure, drawing.looks, "algorithm", crosses=drawing.ended_early)
    return figure
