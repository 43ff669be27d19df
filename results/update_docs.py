"""Writes what README and docs say of the reference results from the results, each piece between two marks."""

from collections.abc import Callable

from pages.core import core
from pages.cost import cost, relatives
from pages.forcing import forcing
from pages.gpu import same_scores, times
from pages.literature import literature
from pages.many_machines import many
from pages.misconceptions import numbers, verdicts
from pages.quickstart import which
from pages.real import coverage, real, whole_table
from pages.relatives import table, told
from pages.situations import situations
from pages.words import ROOT

PAGES: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"situations": situations, "relatives told": told, "gpu": same_scores},
    "docs/results.md": {
        "quickstart table": whole_table,
        "which": which,
        "core": core,
        "coverage": coverage,
        "real": real,
    },
    "docs/relatives.md": {"relatives told": told, "relatives table": table},
    "docs/literature.md": {"literature": literature},
    "docs/forcings.md": {"forcing": forcing},
    "docs/cost.md": {"cost": cost, "relatives cost": relatives, "gpu": times},
    "docs/misconceptions.md": {"verdicts": verdicts, "numbers": numbers},
    "docs/many-machines.md": {"many": many},
}
"""Of each page the pieces by their marks."""


def updated(page: str, text: str) -> str:
    """A page's text with every piece between its marks."""
    for name, write in PAGES[page].items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{write()}\n\n{end}{after}"
    return text


if __name__ == "__main__":
    for page in PAGES:
        path = ROOT / page
        path.write_text(updated(page, path.read_text(encoding="utf-8")), encoding="utf-8")
