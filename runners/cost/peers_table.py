"""The table of ratios to other code: on a terminal, and as peers.md and peers.csv."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console

from throughtime.runners.records.files import write_text
from throughtime.runners.records.machine import machine
from throughtime.runners.showing.words import draw, markdown_table, say

from .row import Row

HEADINGS = ["comparison", "at", "median [quartiles]", "limit", "verdict"]


def words(row: Row) -> list[str]:
    """A row's words under `HEADINGS`."""
    spread, unit = row.measured, row.unit
    limit = "–" if row.limit is None else f"{'≥' if row.at_least else '≤'} {row.limit:g} {unit}"
    tells = row.reason and row.verdict in WITH_REASON
    verdict = f"{row.verdict}: {row.reason}" if tells else row.verdict
    if spread is None:
        return [row.what, row.sizes, "–", limit, verdict]
    quartiles = f" [{_number(spread.lower)}, {_number(spread.upper)}]" if spread.lower < spread.upper else ""
    return [row.what, row.sizes, f"{_number(spread.median)} {unit}{quartiles}", limit, verdict]


WITH_REASON = ("missed", "not measured")
"""The verdicts that are followed by a reason."""


def _number(value: float) -> str:
    """Three digits, or as many as tell it from 1."""
    digits = (f"{value:.{count}g}" for count in range(3, 9))
    return next((text for text in digits if text != "1"), "1")


def markdown(rows: Sequence[Row]) -> str:
    """The table as Markdown."""
    body = markdown_table(HEADINGS, [words(row) for row in rows])
    about = f"Measured on: {machine('cpu')}; one process, one thread, in turns; ratios are medians of paired ratios."
    return "\n\n".join(["### Ratios to other code", about, body]) + "\n"


def csv(rows: Sequence[Row]) -> str:
    """The rows with unrounded numbers."""
    lines = [
        {
            "what": row.what,
            "sizes": row.sizes,
            "median": row.measured and row.measured.median,
            "lower": row.measured and row.measured.lower,
            "upper": row.measured and row.measured.upper,
            "unit": row.unit,
            "limit": row.limit,
            "better": "higher" if row.at_least else "lower",
            "verdict": row.verdict,
            "reason": row.reason if row.verdict in WITH_REASON else "",
        }
        for row in rows
    ]
    return pd.DataFrame(lines).to_csv(index=False)


def write_rows(rows: Sequence[Row], directory: Path) -> list[Path]:
    """Write peers.md and peers.csv into the directory."""
    return [write_text(directory / "peers.md", markdown(rows)), write_text(directory / "peers.csv", csv(rows))]


def print_rows(rows: Sequence[Row], console: Console) -> None:
    """Drawn on a terminal, as Markdown in a log."""
    if console.is_terminal:
        draw(console, "Ratios to other code", HEADINGS, [words(row) for row in rows])
    else:
        say(console, markdown(rows))
