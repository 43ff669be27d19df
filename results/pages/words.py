"""Where the reference results are, and the words that pages share."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from throughtime.runners.showing.summary import Row
from throughtime.runners.showing.words import markdown_table

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "results" / "reference"


def listed(names: list[str]) -> str:
    """Names one after the other.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names) or "no task"


def number_of(row: Row) -> str:
    """A row's mean score in four digits."""
    return "–" if row.score is None else f"{row.score.mean:.4g}"


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of words by column as a table; a cell of which a row has no word is empty."""
    headings = list(dict.fromkeys(name for row in rows for name in row))
    return markdown_table(headings, [[row.get(name, "") for name in headings] for row in rows])
