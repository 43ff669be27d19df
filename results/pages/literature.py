"""docs/literature.md: published scores, and ours beside them."""

from throughtime.runners.literature.beside import compare
from throughtime.runners.literature.published import load_published
from throughtime.runners.literature.tables import markdown
from throughtime.runners.records.results import Results

from .words import REFERENCE


def literature() -> str:
    """Every setting, from the committed runs."""
    return markdown(compare(load_published(), Results.of(REFERENCE / "literature"))).strip()
