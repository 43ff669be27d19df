"""How far ahead a network holds when it runs free: the error against the lead, for each forcing or algorithm."""

from typing import TYPE_CHECKING

import pandas as pd

from .canvas import STYLES, Level, canvas, legend, looks, name_at_edge, nothing, plain_log, whole_numbers
from .panels import ByRun
from .statistics import bounds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .panels import Drawing, Panel


MARKS = 12
"""About so many marks on a line."""


def horizons(drawing: "Drawing") -> "Figure":
    """A panel for each algorithm with a line for each forcing; where there is one forcing, a line an algorithm."""
    import seaborn as sns

    hue = "forcing" if len(drawing.forcings) > 1 else "algorithm"
    panels = drawing.panels_by("algorithm" if hue == "forcing" else "forcing", closed=True)
    known = looks(drawing.forcings if hue == "forcing" else drawing.algorithms)
    title = drawing.title("Free running: score on test data by the steps ahead, mean and 95 % interval over seeds")
    figure, axes = canvas([panel.title for panel in panels], title)
    by_lead = _by_lead(drawing)
    for panel, ax in zip(panels, axes[0], strict=True):
        frame = panel.of(by_lead)
        if len(frame):
            sns.lineplot(
                data=frame,
                x="lead",
                y="score",
                hue=hue,
                hue_order=list(known),
                palette={name: look.colour for name, look in known.items()},
                style=hue,
                style_order=list(known),
                markers={name: look.marker for name, look in known.items()},
                dashes=False,
                markevery=-(-int(frame["lead"].max()) // MARKS),
                errorbar=bounds,
                legend=False,
                ax=ax,
            )
        else:
            nothing(ax)
        _references(ax, panel, [*frame["score"]] if len(frame) else [])
        whole_numbers(ax.xaxis)
        ax.set(xlabel="steps ahead", ylabel=panel.score)
    legend(figure, known, hue)
    return figure


def _by_lead(drawing: "Drawing") -> ByRun:
    """One row for each done run and lead."""
    return ByRun(
        pd.DataFrame(
            {
                "key": key,
                "algorithm": record.config.algorithm,
                "forcing": record.config.forcing,
                "lead": lead,
                "score": score,
            }
            for key, record in drawing.records.items()
            if record.status == "done"
            for lead, score in enumerate(record.by_lead, start=1)
            if score is not None
        )
    )


def _references(ax: "Axes", panel: "Panel", scores: list[float]) -> None:
    """Floors, baselines and optima as curves of their own, named at the right edge."""
    shown = [reference for reference in panel.references if reference.by_lead]
    for reference in shown:
        colour, style = STYLES[reference.kind]
        leads = range(1, len(reference.by_lead) + 1)
        ax.plot(leads, reference.by_lead, color=colour, linestyle=style, linewidth=1)
    values = [*scores, *(value for reference in shown for value in reference.by_lead)]
    if panel.better == "lower" and values and min(values) > 0 and max(values) > 5 * min(values):
        ax.set_yscale("log")
        plain_log(ax.yaxis)
    name_at_edge(ax, [Level(reference.name, reference.by_lead[-1], reference.kind) for reference in shown])
