"""A results directory as figures: learning curves over steps and seconds, cost against accuracy, memory, gradients.

An algorithm has the same colour in every figure, floors and optima are drawn in, and bands are 95 % bootstrap intervals
over seeds. The plotting libraries are imported when a figure is drawn: they take seconds to load.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from throughtime.tasks import Reference

from .store import Manifest, Store, load_curves, load_results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

DPI = 150
MARKERS = "osD^vP*X<>hpd8"
STYLES = {"floor": ("#444444", "--"), "baseline": ("#777777", "-."), "optimum": ("#2b7a3d", ":")}


@dataclass(frozen=True)
class Panel:
    """What one panel shows: a task on a cell."""

    task: str
    cell: str
    metric: str
    better: str
    references: tuple[Reference, ...]

    @property
    def title(self) -> str:
        """The task, with the cell."""
        return f"{self.task}, {self.cell}"

    @property
    def score(self) -> str:
        """The metric and which way it goes."""
        return f"{self.metric}, {'lower' if self.better == 'lower' else 'higher'} is better"

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows that belong to this panel."""
        return frame[(frame["task"] == self.task) & (frame["cell"] == self.cell)] if len(frame) else frame


class Drawing:
    """A directory's results, ready to be drawn."""

    def __init__(self, directory: str | Path) -> None:
        store = Store.open(directory)
        self.manifest: Manifest = store.manifest()
        self.curves = load_curves(directory)
        results = load_results(directory)
        self.runs = (
            results[(results["purpose"] == "report") & (results["status"] == "done")] if len(results) else results
        )
        self.panels = [
            Panel(task, cell, facts.metric.name, facts.metric.better, facts.references)
            for task, cell in dict.fromkeys((group.task, group.cell) for group in self.manifest.groups)
            for facts in [self.manifest.tasks[task]]
        ]
        self.algorithms = list(dict.fromkeys(group.algorithm for group in self.manifest.groups))

    def palette(self) -> dict[str, Any]:
        """A colour for each algorithm, told apart by colour-blind readers as far as ten go."""
        import seaborn as sns

        many = len(self.algorithms) > 10
        colours = sns.color_palette("husl" if many else "colorblind", len(self.algorithms))
        return dict(zip(self.algorithms, colours, strict=True))

    def marker(self, algorithm: str) -> str:
        """A mark for each algorithm."""
        return MARKERS[self.algorithms.index(algorithm) % len(MARKERS)]


def write_figures(directory: str | Path) -> list[Path]:
    """Draw every figure into the directory's folder `figures`; `BadInput` if it holds no results."""
    drawing = Drawing(directory)
    figures: dict[str, Callable[[Drawing], Figure]] = {
        "curves_steps": lambda d: _curves(d, "steps", "time steps of training data"),
        "curves_seconds": lambda d: _curves(d, "seconds", "training time (s, this machine)"),
        "cost_accuracy": _cost_accuracy,
        "memory": _memory,
        "gradient": _gradient,
    }
    folder = Path(directory) / "figures"
    folder.mkdir(exist_ok=True)
    paths = []
    for name, draw in figures.items():
        temporary = folder / f".{name}.{os.getpid()}.png"
        draw(drawing).savefig(temporary, dpi=DPI, metadata={"Software": None})
        paths.append(temporary.replace(folder / f"{name}.png"))
    return paths


def _canvas(drawing: Drawing, title: str, rows: int = 1) -> tuple["Figure", "list[list[Axes]]"]:
    """A figure with a column for each panel; drawn without a screen."""
    import seaborn as sns
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = len(drawing.panels)
    with sns.axes_style("whitegrid"):
        figure = Figure(figsize=(1.5 + 5.5 * columns + 2, 0.8 + 3.9 * rows), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False)
    figure.suptitle(f"{title}\n{drawing.manifest.suite.title}", fontsize=12)
    return figure, axes.tolist()


def _legend(figure: "Figure", drawing: Drawing) -> None:
    """One legend for all panels, at the right."""
    from matplotlib.lines import Line2D

    palette = drawing.palette()
    handles = [
        Line2D([], [], color=palette[name], marker=drawing.marker(name), linestyle="-", label=name)
        for name in drawing.algorithms
    ]
    figure.legend(handles=handles, loc="outside right upper", title="algorithm", frameon=False)


def _references(axes: "Axes", panel: Panel) -> None:
    """Lines for floors, baselines and optima, named at the inner edge."""
    for reference in panel.references:
        colour, style = STYLES[reference.kind]
        axes.axhline(reference.value, color=colour, linestyle=style, linewidth=1)
        axes.annotate(
            f"{reference.kind}: {reference.name}",
            (0.995, reference.value),
            xycoords=axes.get_yaxis_transform(),
            xytext=(0, 1),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=7,
            color=colour,
            annotation_clip=True,
        )


def _plain_log(axis: "Axis") -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def _nothing(axes: "Axes", text: str = "no run is done") -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#777777")


def _by_seed_mean(frame: pd.DataFrame, x: str) -> pd.DataFrame:
    """Curves share their steps but not their seconds: a point's seconds become the mean over the seeds."""
    if x == "seconds":
        frame = frame.assign(seconds=frame.groupby(["algorithm", "steps"])["seconds"].transform("mean"))
    return frame


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


def _curves(drawing: Drawing, x: str, label: str) -> "Figure":
    """The score on test data along training, with the references."""
    figure, axes = _canvas(drawing, "Learning curves: score on test data, mean and 95 % interval over seeds")
    for panel, ax in zip(drawing.panels, axes[0], strict=True):
        frame = panel.of(drawing.curves)
        if len(frame):
            _line(ax, drawing, _by_seed_mean(frame, x), x, "metric")
            _scale(ax, panel, frame["metric"])
        else:
            _nothing(ax)
        _references(ax, panel)
        if x == "seconds" and len(frame):
            ax.set_xscale("symlog", linthresh=0.1)
            ax.set_xlim(left=0)
        ax.set(title=panel.title, xlabel=label, ylabel=panel.score)
    _legend(figure, drawing)
    return figure


def _scale(ax: "Axes", panel: Panel, values: pd.Series) -> None:
    """A logarithmic score axis where errors span more than a factor of 5, so that the good ones can be told apart."""
    shown = [*values.astype(float).dropna(), *(reference.value for reference in panel.references)]
    if panel.better == "lower" and shown and min(shown) > 0 and max(shown) > 5 * min(shown):
        ax.set_yscale("log")
        _plain_log(ax.yaxis)


def _cost_accuracy(drawing: Drawing) -> "Figure":
    """The test score against the time of a step: down and left is better, where lower scores are."""
    figure, axes = _canvas(drawing, "Cost against accuracy: test score, mean and range over seeds")
    palette = drawing.palette()
    for panel, ax in zip(drawing.panels, axes[0], strict=True):
        frame = panel.of(drawing.runs)
        for name, runs in frame.groupby("algorithm", sort=False) if len(frame) else []:
            score, cost = runs["test"].astype(float), 1e3 * float(runs["wall_per_step"].astype(float).median())
            spread = [[score.mean() - score.min()], [score.max() - score.mean()]]
            ax.errorbar(
                [cost],
                [score.mean()],
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
        ax.set(
            title=panel.title, xlabel="training time per time step of the batch (ms, this machine)", ylabel=panel.score
        )
    _legend(figure, drawing)
    return figure


def _memory(drawing: Drawing) -> "Figure":
    """The peak bytes of one batch's updates."""
    figure, axes = _canvas(drawing, "Memory of one batch's updates, beyond parameters and data (16 sequences)")
    palette = drawing.palette()
    for panel, ax in zip(drawing.panels, axes[0], strict=True):
        frame = panel.of(drawing.runs)
        peak = frame.groupby("algorithm", sort=False)["peak_bytes"].first().astype(float) / 1024 if len(frame) else None
        if peak is None:
            _nothing(ax)
        else:
            peak = peak.reindex([name for name in reversed(drawing.algorithms) if name in peak.index])
            bars = ax.barh(list(peak.index), peak.to_list(), color=[palette[str(name)] for name in peak.index])
            ax.bar_label(bars, fmt="{:,.1f}", padding=3, fontsize=8)
            ax.set_xscale("log")
            _plain_log(ax.xaxis)
            ax.margins(x=0.2)
        ax.set(title=panel.title, xlabel="KiB (exact count on a CPU)")
    return figure


def _gradient(drawing: Drawing) -> "Figure":
    """The gradient's norm and its cosine with the exact gradient, along training."""
    figure, axes = _canvas(drawing, "Gradients along training, mean and 95 % interval over seeds", rows=2)
    shown = (("gradient_norm", "mean norm of the updates' gradients"), ("cosine", "cosine with the exact gradient"))
    for row, (column, label) in zip(axes, shown, strict=True):
        for panel, ax in zip(drawing.panels, row, strict=True):
            frame = panel.of(drawing.curves)
            frame = frame[frame[column].notna()].astype({column: float}) if len(frame) else frame
            if len(frame):
                _line(ax, drawing, frame, "steps", column)
            else:
                _nothing(ax)
            if column == "gradient_norm" and len(frame) and float(frame[column].min()) > 0:
                ax.set_yscale("log")
                _plain_log(ax.yaxis)
            if column == "cosine":
                ax.axhline(0, color="#777777", linewidth=1)
            ax.set(title=panel.title, xlabel="time steps of training data", ylabel=label)
    _legend(figure, drawing)
    return figure
