"""What all figures share: the grid of panels, the legend, and the references drawn in and named at the edge."""

import functools
import math
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

D = TypeVar("D")
F = TypeVar("F")

COLUMNS, MOST_COLUMNS = 3, 5
"""Panels side by side; of one task's in a row of its own, more."""

MARKERS = "osD^vP*X<>hpd8"
STYLES = {"floor": ("#444444", "--"), "baseline": ("#777777", "-."), "optimum": ("#2b7a3d", ":")}


class Look(NamedTuple):
    """The colour and the mark by which one thing is known in every panel of a figure."""

    colour: tuple[float, float, float]
    marker: str


FAMILIES = ("full", "truncated", "online", "stochastic", "rtrl", "uoro", "readout_only")
"""What has a colour of its own, in every figure of every suite."""

RELATIVES = (
    *("checkpointed", "artbp", "adaptive", "dni", "fptt", "forward_errors", "blocked_rtrl"),
    *("kf_rtrl", "ok", "sparse_rtrl", "layerwise_rtrl", "snap", "rflo", "eprop"),
)
"""So have these, of a palette of their own: more than ten colours can't be told apart without their markers."""

SHADES = (0.0, -0.3, 0.35, -0.5, 0.55)
"""Of the same algorithm with other parameters: towards black, or towards white."""


def looks(names: Sequence[str]) -> dict[str, Look]:
    """A look for each name, told apart by colour-blind readers as far as ten go.

    An algorithm has the same colour whatever stands beside it; with other parameters it is lighter or darker.
    """
    import seaborn as sns

    known = FAMILIES + RELATIVES
    bases = list(dict.fromkeys(name.partition("(")[0] for name in names))
    others = [base for base in bases if base not in known]
    palette = sns.color_palette("colorblind", 10)
    colours = dict(zip(FAMILIES, (palette[k] for k in (0, 1, 2, 3, 4, 5, 7)), strict=True))
    colours |= dict(zip(RELATIVES, sns.husl_palette(len(RELATIVES), s=0.7, l=0.5), strict=True))
    free = [palette[k] for k in (8, 9, 6)] if len(others) <= 3 else sns.color_palette("husl", len(others))
    colours |= dict(zip(others, free, strict=False))
    found: dict[str, Look] = {}
    taken: set[Look] = set()
    of_base: dict[str, int] = {}
    for number, name in enumerate(names):
        base = name.partition("(")[0]
        shade = SHADES[of_base.setdefault(base, 0) % len(SHADES)]
        of_base[base] += 1
        place = (*known, *others).index(base)
        marker = MARKERS[(place + 7 * (of_base[base] - 1)) % len(MARKERS)]
        look = Look(_shaded(colours[base], shade), marker)
        found[name] = look._replace(marker=MARKERS[number % len(MARKERS)]) if look in taken else look
        taken.add(found[name])
    return found


def _shaded(colour: Sequence[float], shade: float) -> tuple[float, float, float]:
    towards = 1.0 if shade > 0 else 0.0
    red, green, blue = (part + abs(shade) * (towards - part) for part in colour[:3])
    return red, green, blue


def canvas(titles: Sequence[str], title: str, kinds: int = 1, columns: int = 0) -> tuple["Figure", "list[list[Axes]]"]:
    """A figure, drawn without a screen, and for each kind of curve the axes of every panel.

    Args:
        titles: the panels'.
        columns: panels side by side; 0: as many as leave the least of the page blank.
        title: the figure's, a line that is broken where it must be for each line break.
        kinds: how many curves each panel has, one below the other.
    """
    import seaborn as sns
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = columns or _columns(len(titles))
    rows = -(-len(titles) // columns) * kinds
    with sns.axes_style("whitegrid"):
        figure = Figure(figsize=(3 + 6 * columns, 0.8 + 4.1 * rows), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(rows, columns, squeeze=False)
    words = "\n".join(textwrap.fill(line, 70 * columns) for line in title.split("\n"))
    figure.suptitle(words, fontsize=11, x=0.01, ha="left", parse_math=False)  # at the left, clear of the legend
    axes = [[ax for row in grid[kind::kinds] for ax in row] for kind in range(kinds)]
    for row in axes:
        for words, ax in zip(titles, row, strict=False):
            ax.set_title(words, fontsize=9)
        for ax in row[len(titles) :]:
            ax.remove()
    return figure, [row[: len(titles)] for row in axes]


def _columns(panels: int) -> int:
    """Three, or fewer where they would leave more than a quarter of the page blank.

    >>> [_columns(panels) for panels in (1, 2, 3, 4, 5, 7, 10)]
    [1, 2, 3, 2, 3, 3, 3]
    """
    wide = min(panels, COLUMNS)
    blank = -panels % wide
    return wide if 4 * blank <= panels + blank else wide - 1


def as_text(draw: Callable[[D], F]) -> Callable[[D], F]:
    """The same drawing function, but what is between two dollar signs is no formula: titles come from outside."""

    @functools.wraps(draw)
    def drawn(what: D) -> F:
        import matplotlib as mpl

        with mpl.rc_context({"text.parse_math": False}):
            return draw(what)

    return drawn


def legend(figure: "Figure", known: dict[str, Look], title: str, *, crosses: bool = False) -> None:
    """One legend for all panels, at the right; `crosses`: with the mark of a run that ended early."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, linestyle="-", label=name) for name, look in known.items()
    ]
    if crosses:
        handles.append(Line2D([], [], color="#444444", marker="x", linestyle="", label="a run ended early"))
    figure.legend(handles=handles, loc="outside right upper", title=title, frameon=False)


class Level(NamedTuple):
    """A reference as a figure shows it: its words, its height at the right edge, its kind."""

    words: str
    value: float
    kind: str


def levels(axes: "Axes", shown: Sequence[Level]) -> None:
    """Horizontal lines for floors, baselines and optima; a logarithmic axis has no zero."""
    for level in shown:
        if _below(axes, level):
            continue
        colour, style = STYLES[level.kind]
        axes.axhline(level.value, color=colour, linestyle=style, linewidth=1)


def name_at_edge(axes: "Axes", named: Sequence[Level]) -> None:
    """Names at the right edge, spread out where they would cover each other; the limits are final from here on.

    What a logarithmic axis can't show is named at its lower end, with its value.
    """
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    to_axes = axes.transScale + axes.transLimits
    right = axes.get_xlim()[1]
    heights = [0.0 if _below(axes, one) else float(to_axes.transform((right, one.value))[1]) for one in named]
    for level, height, shown in zip(named, heights, spread(heights), strict=True):
        axes.annotate(
            textwrap.fill(f"{level.kind}: {level.words}{f', {level.value:g}' if _below(axes, level) else ''}", 42),
            (1, height),
            xycoords="axes fraction",
            xytext=(1.03, shown),
            ha="left",
            va="center",
            fontsize=7,
            color=STYLES[level.kind][0],
            arrowprops={"arrowstyle": "-", "color": STYLES[level.kind][0], "linewidth": 0.6, "shrinkA": 0},
        )


def _below(axes: "Axes", level: Level) -> bool:
    """Whether it is a zero, or less, that a logarithmic axis can't show."""
    return level.value <= 0 and str(axes.get_yscale()) == "log"


def spread(heights: list[float], gap: float = 0.06) -> list[float]:
    """Heights in the same order, from 0 to 1, as near to the given ones as a gap between neighbours lets them be.

    >>> spread([0.5, 0.5], gap=0.25)
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


def plain_log(axis: "Axis") -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5, or at the powers of 10 alone where there are many.

    Where fewer than two of these are in view, a few round numbers stand in for them, far enough apart to be read.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    class AsManyAsAreRead(LogLocator):
        def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
            if vmax >= 1e3 * vmin:
                return LogLocator(numticks=12).tick_values(vmin, vmax)
            ticks = super().tick_values(vmin, vmax)
            in_view = sum(vmin <= tick <= vmax for tick in ticks)  # of less than a decade LogLocator's are linear
            return ticks if vmax > 10 * vmin or 2 <= in_view <= 4 else MaxNLocator(4).tick_values(vmin, vmax)

    axis.set_major_locator(AsManyAsAreRead(subs=(1, 2, 5), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def powers_of_ten(axis: "Axis") -> None:
    """A logarithmic axis over many powers of ten, in characters and not as a formula.

    >>> power_in_words(1e-12), power_in_words(1), power_in_words(1e3)
    ('10⁻¹²', '1', '10³')
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(numticks=9))
    axis.set_major_formatter(FuncFormatter(lambda value, _: power_in_words(value)))
    axis.set_minor_locator(NullLocator())


def power_in_words(value: float) -> str:
    """A power of ten; 1 as it is."""
    exponent = round(math.log10(value)) if value > 0 else 0
    return f"10{str(exponent).translate(_RAISED)}" if exponent else "1"


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def whole_numbers(axis: "Axis") -> None:
    """Ticks at a few whole numbers, far enough apart to be read."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(6, integer=True))


def nothing(axes: "Axes", text: str = "no run is done") -> None:
    """An empty panel says why it is."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#777777")
