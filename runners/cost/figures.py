"""Costs as log–log figures, one for each axis: a panel for each cell, below it the same for every cost.

An algorithm has the same colour in every figure. A thin dotted line of the theoretical slope ends at each line's
largest size; where theory names a range, or nothing, there is none.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from throughtime.runners.showing.canvas import Look, as_text, canvas, looks, nothing, plain_log
from throughtime.runners.showing.saved import save_and_close

from .point import Axis, Cost
from .scaling import Quantity
from .store import Costs, Line, load_costs
from .suite import AXES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZES: dict[Axis, str] = {"length": "sequence length T", "hidden_size": "hidden size n", "batch_size": "batch size B"}


class Shown(NamedTuple):
    """A cost as a figure shows it.

    Attributes:
        label: of the axis.
        law: the counted quantity whose theory gives the guide's slope.
        per_step: whether it is divided by T.
    """

    label: str
    law: Quantity
    per_step: bool


TIME = Shown("time per step of the batch (ms)", "flops", True)
MEMORY = Shown("peak memory of the updates (MiB)", "peak_bytes", False)
FLOPS = Shown("matrix products per step (MFLOP)", "flops", True)
FIGURES: dict[Axis, list[Shown]] = {
    "length": [TIME, MEMORY],
    "hidden_size": [TIME, MEMORY, FLOPS],
    "batch_size": [TIME, MEMORY],
}


def write_figures(directory: str | Path) -> list[Path]:
    """Draw every figure into the directory's folder `figures`; `BadInput` if it holds no costs."""
    folder = Path(directory) / "figures"
    return [save_and_close(draw(), folder / f"{name}.png") for name, draw in _figures(load_costs(directory)).items()]


def draw_figures(costs: Costs) -> "dict[str, Figure]":
    """A figure for each axis that a sweep goes along, by the axis's name."""
    return {axis: draw() for axis, draw in _figures(costs).items()}


def _figures(costs: Costs) -> "dict[str, Callable[[], Figure]]":
    """What draws each."""
    known = looks(list(dict.fromkeys(line.algorithm for line in costs.lines)))
    swept = [axis for axis in AXES if any(line.sweep.axis == axis for line in costs.lines)]
    return {axis: partial(as_text(partial(_figure, axis=axis, known=known)), costs) for axis in swept}


def _figure(costs: Costs, axis: Axis, known: dict[str, Look]) -> "Figure":
    cells = list(dict.fromkeys(line.cell for line in costs.lines if line.sweep.axis == axis))
    panels = {cell: [line for line in costs.lines if (line.sweep.axis, line.cell) == (axis, cell)] for cell in cells}
    kinds = FIGURES[axis]
    title = f"What an update costs against the {SIZES[axis]}; dotted: theory's slope, through the largest size"
    figure, axes = canvas(
        [_panel_title(cell, lines) for cell, lines in panels.items()],
        f"{title}\n{costs.suite.title}. Measured on {costs.measured_on}",
        kinds=len(kinds),
    )
    for shown, row in zip(kinds, axes, strict=True):
        for lines, ax in zip(panels.values(), row, strict=True):
            _panel(ax, lines, axis, shown, known)
    there = {line.algorithm for lines in panels.values() for line in lines}
    _legend(figure, {name: look for name, look in known.items() if name in there})
    return figure


def _panel_title(cell: str, lines: list[Line]) -> str:
    """The cell, the sizes that are held, by whom if not by all alike, and what failed."""
    held: dict[str, list[str]] = {}
    for line in lines:
        held.setdefault(line.sweep.held, []).append(line.algorithm)
    common, *others = sorted(held, key=lambda words: -len(held[words]))
    title = f"{cell}: {common}" + "".join(f"; {', '.join(held[words])}: {words}" for words in others)
    failures = [f"{line.algorithm}: {line.failures}" for line in lines if line.failures]
    return "\n".join([title, *failures])


def _panel(ax: "Axes", lines: list[Line], axis: Axis, shown: Shown, known: dict[str, Look]) -> None:
    drawn: list[float] = []
    sizes: set[int] = set()
    for line in lines:
        done = [cost for cost in line.costs if cost.status == "done"]
        if not done:
            continue
        look = known[line.algorithm]
        x = [getattr(cost.point, axis) for cost in done]
        y = [_value(cost, shown) for cost in done]
        ax.plot(x, y, color=look.colour, marker=look.marker, markersize=5, linewidth=1.3)
        if shown is TIME:
            low, high = ([1e3 * getattr(cost.wall, end) for cost in done] for end in ("lower", "upper"))
            ax.fill_between(x, low, high, color=look.colour, alpha=0.2, linewidth=0)
        law = line.scaling.laws.get(shown.law)
        if law is not None and law.low == law.high:
            slope = law.low - (shown.per_step and axis == "length")
            start = max(x[0], x[-1] / 4) if shown is TIME and slope else x[0]  # overhead rules the small sizes' times
            guide = [y[-1] * (size / x[-1]) ** slope for size in (start, x[-1])]
            ax.plot((start, x[-1]), guide, color=look.colour, linestyle=":", linewidth=1, zorder=1.5)
        drawn += y
        sizes |= set(x)
    if not drawn:
        nothing(ax, "nothing was measured")
        return
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(_apart(sorted(sizes)), minor=False)
    ax.set_xticks([], minor=True)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_ylim(min(drawn) / 1.6, max(drawn) * 1.6)
    plain_log(ax.yaxis)
    ax.set(xlabel=SIZES[axis], ylabel=shown.label)


def _value(cost: Cost, shown: Shown) -> float:
    assert cost.wall is not None
    if shown is TIME:
        return 1e3 * cost.wall.median
    if shown is MEMORY:
        return (cost.peak_bytes or 0) / 2**20
    return (cost.flops or 0) / cost.point.length / 1e6


def _apart(sizes: list[int]) -> list[int]:
    """The sizes without those that stand too near to a larger one to be read.

    >>> _apart([16, 32, 48, 64, 80, 128])
    [16, 32, 48, 80, 128]
    """
    kept: list[int] = []
    for size in reversed(sizes):
        if not kept or kept[-1] >= 1.4 * size:
            kept.append(size)
    return kept[::-1]


def _legend(figure: "Figure", known: dict[str, Look]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=look.colour, marker=look.marker, label=name) for name, look in known.items()]
    handles.append(Line2D([], [], color="#444444", linestyle=":", linewidth=1, label="theory's slope"))
    figure.legend(handles=handles, loc="outside right upper", title="algorithm", frameon=False)
