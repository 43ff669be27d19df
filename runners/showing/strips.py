"""What runs end with, a dot a run: algorithms one below the other, through the dots the mean with its interval."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from .canvas import nothing
from .panels import Drawing
from .statistics import bounds

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def ended(ax: "Axes", drawing: Drawing, runs: pd.DataFrame, column: str, label: str) -> None:
    """Draw one column of the runs that are done.

    Args:
        ax: where.
        drawing: whose looks.
        runs: as `load_results` has them.
        column: of them.
        label: of the axis.
    """
    import seaborn as sns

    told = runs[runs[column].notna()].astype({column: float}) if len(runs) else runs
    if not len(told):
        nothing(ax, "not measured")
        ax.set(xlabel=label, ylabel="algorithm")
        return
    names = [name for name in drawing.algorithms if name in set(told["algorithm"])]
    colours = {name: drawing.looks[name].colour for name in names}
    shared: dict[str, Any] = {
        "data": told,
        "x": column,
        "y": "algorithm",
        "hue": "algorithm",
        "order": names,
        "hue_order": names,
    }
    shared |= {"palette": colours, "legend": False, "ax": ax}
    sns.stripplot(**shared, size=4, alpha=0.5, jitter=False)
    shared["markers"] = [drawing.looks[name].marker for name in names]
    sns.pointplot(**shared, linestyle="none", errorbar=bounds)
    ax.set_xlim(left=-0.02 * ax.get_xlim()[1])  # a mark at 0 whole
    ax.tick_params(axis="y", labelsize=8)
    ax.set(xlabel=label, ylabel="algorithm")
