"""What was measured as figures: the fidelity matrix, error against draws, cosine against truncation, bias and variance,
reach, the gradient's norm along training, and staleness. An algorithm has the colour that it has in every figure.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from throughtime.parts.specs import parse_spec
from throughtime.runners.showing.canvas import (
    MARKERS,
    Look,
    as_text,
    canvas,
    legend,
    looks,
    nothing,
    plain_log,
    powers_of_ten,
)
from throughtime.runners.showing.saved import save_and_close

from .matrix import matrix
from .point import TABLES
from .store import Gradients, open_gradients

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EXACT = 1e-8
"""What is smaller is drawn here, at the edge of a logarithmic axis: exact but for rounding."""

LOWEST = 1e-20
"""Of a gain; what has fallen further has vanished."""


class Drawing(NamedTuple):
    """A directory's content as figures need it."""

    found: Gradients
    frames: dict[str, pd.DataFrame]
    algorithms: dict[str, Look]
    cells: dict[str, Look]

    @property
    def tasks(self) -> list[str]:
        """In order."""
        return list(dict.fromkeys(group.task for group in self.found.manifest.groups))

    def title(self, words: str) -> str:
        """What a figure shows, and the suite's own title."""
        return f"{words}\n{self.found.suite.title}"

    def panels(self) -> list[tuple[str, str, str]]:
        """Task, cell and forcing of each."""
        return list(dict.fromkeys((g.task, g.cell, g.forcing) for g in self.found.manifest.groups))

    def of(self, table: str, panel: tuple[str, str, str], moment: str = "end") -> pd.DataFrame:
        """A panel's rows of a table at one moment."""
        frame = self.frames[table]
        if not len(frame):
            return frame
        here = (frame["task"] == panel[0]) & (frame["cell"] == panel[1]) & (frame["forcing"] == panel[2])
        return frame[here & (frame["moment"] == moment)] if "moment" in frame else frame[here]


def write_figures(directory: str | Path) -> list[Path]:
    """Draw every figure into the directory's folder `figures`; `BadInput` if it holds no gradients."""
    folder = Path(directory) / "figures"
    figures = _figures(open_gradients(directory))
    return [save_and_close(draw(), folder / f"{name}.png") for name, draw in figures.items()]


def draw_figures(found: Gradients) -> "dict[str, Figure]":
    """Every figure by name."""
    return {name: draw() for name, draw in _figures(found).items()}


def _figures(found: Gradients) -> "dict[str, Callable[[], Figure]]":
    groups = found.manifest.groups
    known = looks(list(dict.fromkeys(group.algorithm for group in groups)))
    cells = _looks_of_cells(list(dict.fromkeys(group.cell for group in groups)))
    drawing = Drawing(found, {table: found.frame(table) for table in TABLES}, known, cells)
    kinds: dict[str, Callable[[Drawing], Figure]] = {
        "matrix": lambda d: matrix(d.frames["fidelity"], d.title("Fidelity at the end of each run, mean over seeds")),
        "draws": _draws,
        "truncation": _truncation,
        "plane": _plane,
        "reach": _reach,
        "norms": _norms,
        "stale": _stale,
    }
    return {name: partial(as_text(draw), drawing) for name, draw in kinds.items()}


def _looks_of_cells(cells: list[str]) -> dict[str, Look]:
    """Colours in the palette's order; an algorithm's are its own."""
    import seaborn as sns

    palette = sns.color_palette("colorblind", 10)
    return {cell: Look(palette[n % 8], MARKERS[n % len(MARKERS)]) for n, cell in enumerate(cells)}


def _name(panel: tuple[str, str, str]) -> str:
    task, cell, forcing = panel
    return f"{task}, {cell}" + ("" if forcing == "teacher" else f", {forcing}")


def _draws(drawing: Drawing) -> "Figure":
    """The error of a mean of draws, with the slope that independent draws have."""
    title = drawing.title("Error of the mean of draws against their number; dotted: 1/√draws")
    figure, axes = canvas([_name(panel) for panel in drawing.panels()], title)
    for panel, ax in zip(drawing.panels(), axes[0], strict=True):
        frame = drawing.of("trail", panel)
        rows = [] if not len(frame) else [*frame.groupby("algorithm", sort=False)]
        drawn = False
        for name, of_one in rows:
            mean = of_one.astype({"relative error": float}).groupby("draws")["relative error"].mean().clip(lower=EXACT)
            if mean.index.max() <= 2:
                continue  # nothing is drawn: a line of no slope says nothing of it
            look = drawing.algorithms[str(name)]
            ax.plot(mean.index, mean, color=look.colour, marker=look.marker, markersize=5)
            guide = [mean.iloc[0], mean.iloc[0] * (mean.index[-1] / mean.index[0]) ** -0.5]
            ax.plot([mean.index[0], mean.index[-1]], guide, color=look.colour, linestyle=":", linewidth=1)
            drawn = True
        _log_log(ax) if drawn else nothing(ax, "no algorithm draws at random")
        ax.set(xlabel="draws", ylabel="‖mean − exact‖ / ‖exact‖")
    legend(figure, drawing.algorithms, "algorithm")
    return figure


def _log_log(ax: "Axes") -> None:
    ax.set_xscale("log")
    ax.set_yscale("log")
    plain_log(ax.xaxis)
    plain_log(ax.yaxis)


def _truncation(drawing: Drawing) -> "Figure":
    """The cosine of truncated BPTT against how far it walks back: one line a cell and spacing of updates."""
    title = drawing.title("Truncated BPTT: cosine with the exact gradient against k2, mean over seeds")
    figure, axes = canvas(drawing.tasks, title)
    for task, ax in zip(drawing.tasks, axes[0], strict=True):
        frame = drawing.frames["fidelity"]
        if len(frame):
            kept = (frame["task"] == task) & (frame["moment"] == "end") & (frame["against"] == "batch")
            frame = frame[kept & (frame["group"] == "cell")]
        drawn = False
        for cell, look in drawing.cells.items():
            for style, points in _by_kind(frame[frame["cell"] == cell] if len(frame) else frame).items():
                if len(points) > 1:
                    x, y = zip(*sorted(points.items()), strict=True)
                    ax.plot(x, y, color=look.colour, marker=look.marker, linestyle=style, markersize=6)
                    drawn = True
        if drawn:
            ax.set_xscale("log", base=2)
            ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        else:
            nothing(ax, "fewer than two truncations")
        ax.set(xlabel="k2: steps walked back (solid: k1 = 1; dashed: k1 = k2)", ylabel="cosine, parameters of the cell")
    legend(figure, drawing.cells, "cell")
    return figure


def _by_kind(frame: pd.DataFrame) -> dict[str, dict[int, float]]:
    """By line style: k2 and the cosine there."""
    found: dict[str, dict[int, float]] = {"-": {}, "--": {}}
    for spec, rows in frame.groupby("algorithm", sort=False) if len(frame) else []:
        name, parameters = parse_spec(str(spec))
        if name == "truncated" and {"k1", "k2"} <= set(parameters):
            k1, k2 = (int(parameters[key]) for key in ("k1", "k2"))
            style = "-" if k1 == 1 else "--" if k1 == k2 else ""
            if style:
                found[style][k2] = float(rows["cosine"].astype(float).mean())
    return found


def _plane(drawing: Drawing) -> "Figure":
    """Bias against noise: towards the lower left is better."""
    title = drawing.title("Bias and noise of one draw at the end of each run; at an axis: none but rounding")
    figure, axes = canvas([_name(panel) for panel in drawing.panels()], title)
    for panel, ax in zip(drawing.panels(), axes[0], strict=True):
        frame = drawing.of("fidelity", panel)
        if not len(frame):
            nothing(ax)
            continue
        frame = frame[(frame["against"] == "batch") & (frame["group"] == "all")]
        columns = {"relative bias": float, "relative variance": float}
        for name, rows in frame.astype(columns).groupby("algorithm", sort=False):
            look = drawing.algorithms[str(name)]
            bias, noise = rows["relative bias"].mean(), rows["relative variance"].mean() ** 0.5
            ax.scatter([max(bias, EXACT)], [max(noise, EXACT)], color=[look.colour], marker=look.marker, s=90, zorder=3)
        ax.set(xscale="log", yscale="log", xlim=(EXACT / 3, 30), ylim=(EXACT / 3, 3e3))
        powers_of_ten(ax.xaxis)
        powers_of_ten(ax.yaxis)
        ax.set(xlabel="relative bias", ylabel="relative noise of one draw")
    legend(figure, drawing.algorithms, "algorithm")
    return figure


def _reach(drawing: Drawing) -> "Figure":
    """How far back the gradient of each cell reaches, before and after training."""
    import seaborn as sns

    moments = ("start", "end")
    title = drawing.title(
        "Reach: ‖∂ℓ_t/∂s_{t−k}‖ as a multiple of that at lag 0, mean over seeds; trained by full BPTT"
    )
    titles = [f"{task}: {moment} of training" for task in drawing.tasks for moment in moments]
    figure, axes = canvas(titles, title, columns=2)
    places = [(task, moment) for task in drawing.tasks for moment in moments]
    first = {group.algorithm: None for group in drawing.found.manifest.groups}
    by = "full" if "full" in first else next(iter(first))
    for (task, moment), ax in zip(places, axes[0], strict=True):
        frame = drawing.frames["reach"]
        if len(frame):
            kept = (frame["task"] == task) & (frame["moment"] == moment) & (frame["algorithm"] == by)
            frame = frame[kept].astype({"gain": float})
            frame = frame[frame["gain"] > 0]
        if not len(frame):
            nothing(ax)
            continue
        cells = {cell: look for cell, look in drawing.cells.items() if cell in set(frame["cell"])}
        sns.lineplot(
            data=frame,
            x="lag",
            y="gain",
            hue="cell",
            hue_order=list(cells),
            palette={cell: look.colour for cell, look in cells.items()},
            style="cell",
            style_order=list(cells),
            markers={cell: look.marker for cell, look in cells.items()},
            dashes=False,
            markevery=8,
            markersize=5,
            estimator="median",
            errorbar=None,
            legend=False,
            ax=ax,
        )
        ax.axhline(1, color="#777777", linewidth=1)
        ax.set_yscale("log")
        ax.set_ylim(bottom=max(ax.get_ylim()[0], LOWEST))
        powers_of_ten(ax.yaxis)
        ax.set(xlabel="lag k (time steps)", ylabel="gain")
    legend(figure, drawing.cells, "cell")
    return figure


def _norms(drawing: Drawing) -> "Figure":
    """The norm of the updates' gradients along training, with the range of eight in ten."""
    title = drawing.title("Norm of the updates' gradients before clipping: median, and the range of eight in ten")
    figure, axes = canvas([_name(panel) for panel in drawing.panels()], title)
    for panel, ax in zip(drawing.panels(), axes[0], strict=True):
        frame = drawing.of("training", panel)
        for name, rows in frame.groupby("algorithm", sort=False) if len(frame) else []:
            look = drawing.algorithms[str(name)]
            rows = rows[rows["seed"] == rows["seed"].min()].astype({"q10": float, "q50": float, "q90": float})
            share = rows["until"] / rows["until"].max()
            ax.plot(share, rows["q50"], color=look.colour, marker=look.marker, markersize=4, linewidth=1.2)
            ax.fill_between(share, rows["q10"], rows["q90"], color=look.colour, alpha=0.1, linewidth=0)
        if len(frame):
            ax.set_yscale("log")
            plain_log(ax.yaxis)
        else:
            nothing(ax)
        ax.set(xlabel="share of the run's updates (first seed)", ylabel="gradient norm")
    legend(figure, drawing.algorithms, "algorithm")
    return figure


def _stale(drawing: Drawing) -> "Figure":
    """The cosine to the exact gradient at today's parameters against the learning rate."""
    title = drawing.title("Staleness: cosine to the exact gradient at today's parameters, mean over seeds, at the end")
    figure, axes = canvas([_name(panel) for panel in drawing.panels()], title)
    for panel, ax in zip(drawing.panels(), axes[0], strict=True):
        frame = drawing.of("stale", panel)
        for name, rows in frame.groupby("algorithm", sort=False) if len(frame) else []:
            look = drawing.algorithms[str(name)]
            mean = rows.astype({"cosine": float}).groupby("learning rate")["cosine"].mean()
            ax.plot(mean.index, mean, color=look.colour, marker=look.marker, markersize=5)
        if len(frame):
            moving = frame.loc[frame["learning rate"] > 0, "learning rate"]
            ax.set_xscale("symlog", linthresh=float(moving.min()) if len(moving) else 1.0)
            ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        else:
            nothing(ax, "no target in the second half")
        ax.set(xlabel="learning rate", ylabel="cosine")
    legend(figure, drawing.algorithms, "algorithm")
    return figure
