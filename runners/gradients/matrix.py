"""The fidelity matrix: for each task, algorithms against cells, the cosine of one draw and the relative bias."""

import textwrap
from typing import TYPE_CHECKING

import pandas as pd

from throughtime.runners.showing.canvas import canvas, nothing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = (("cosine", "cosine of one draw", "crest", 0.0, 1.0), ("relative bias", "relative bias", "flare", 0.0, 1.0))
"""The column, its words, the colours, and what they span: the scale says where a cosine is negative or a bias huge."""


def matrix(fidelity: pd.DataFrame, title: str) -> "Figure":
    """Heat maps of the whole gradient at the end of each run."""
    import seaborn as sns

    if len(fidelity):
        kept = (fidelity["moment"] == "end") & (fidelity["against"] == "batch") & (fidelity["group"] == "all")
        fidelity = fidelity[kept]
    keys = ["task", "forcing"]
    panels = [*fidelity.groupby(keys, sort=False)] if len(fidelity) else [(("nothing", ""), fidelity)]
    titles = [f"{task}{'' if forcing in ('teacher', '') else f', {forcing}'}" for (task, forcing), _ in panels]
    figure, axes = canvas(titles, title, kinds=len(SHOWN))
    for (column, words, colours, low, high), row in zip(SHOWN, axes, strict=True):
        for (_, frame), ax in zip(panels, row, strict=True):
            ax.grid(visible=False)
            if not len(frame):
                nothing(ax)
                continue
            cells, algorithms = (list(dict.fromkeys(frame[name])) for name in ("cell", "algorithm"))
            table = frame.astype({column: float}).pivot_table(column, "algorithm", "cell", sort=False, dropna=False)
            table = table.reindex(index=algorithms, columns=cells)
            sns.heatmap(
                table,
                annot=table.map(_word),
                fmt="",
                cmap=colours,
                vmin=low,
                vmax=high,
                linewidths=1,
                cbar_kws={"label": words},
                annot_kws={"fontsize": 8},
                ax=ax,
            )
            ax.set(xlabel="", ylabel="")
            ax.set_xticklabels([textwrap.fill(cell, 18) for cell in cells], rotation=0, fontsize=8)
            ax.tick_params(axis="y", labelsize=8, labelrotation=0)
    return figure


def _word(value: float) -> str:
    """Three digits, 0 of what is rounding, and nothing of nothing."""
    return "" if pd.isna(value) else f"{0 if abs(value) < 1e-6 else value:.3g}"
