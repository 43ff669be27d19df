"""Where the reference results are, and the words that pages share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from throughtime.runners.showing.summary import Row

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


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of words by column as a table."""
    return pd.DataFrame(list(rows)).to_markdown(index=False, disable_numparse=True)
