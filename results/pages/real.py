"""docs/results.md: the whole table, real data, and how often tables are wrong."""

from collections.abc import Sequence

from throughtime.runners.showing.summary import TaskTable, summarise
from throughtime.runners.showing.verdicts import TOO_FEW

from .words import REFERENCE, listed, markdown, number_of


def whole_table() -> str:
    """The quickstart's table as it is."""
    return (REFERENCE / "quickstart" / "table.md").read_text(encoding="utf-8").strip()


def real() -> str:
    """For each task of the suite `real`, the best run beside the best floor and the best classical method."""
    tables = summarise(REFERENCE / "real").tables
    rows = [_best_of(table) for table in tables]
    body = markdown(rows)
    return f"{body}\n\n{networks_and_classics(tables)} {FLATTERED}"


FLATTERED = (
    "A method is beaten where the verdict of a table says so. The best run is the best row of a table on this very "
    "test data, which flatters it a little; other test data might decide otherwise, and how much it might is in the "
    "verdicts of the tables that say so."
)


def networks_and_classics(tables: Sequence[TaskTable]) -> str:
    """On which tasks a run beats every baseline, on which none does, and on which the seeds are too few to tell."""
    found: dict[str, list[str]] = {}
    for name in dict.fromkeys(table.task.partition("(")[0] for table in tables):
        found.setdefault(_best_known([one for one in tables if one.task.partition("(")[0] == name]), []).append(name)
    words = {
        "beaten": "a recurrent network beats the best classical method on {}",
        "unbeaten": "on {} no recurrent network is found to beat the best classical method",
        TOO_FEW: "on {} there are too few seeds for a verdict",
    }
    told = "; ".join(words[one].format(listed(found[one])) for one in words if one in found)
    return f"{told[:1].upper()}{told[1:]}."


def _best_known(tables: Sequence[TaskTable]) -> str:
    """Of the tables of one task: whether a run beats the best baseline, or the floor where there is none."""
    verdicts = []
    for table in tables:
        known = next((row.name for row in table.rows if row.kind == "baseline"), table.floor and table.floor.name)
        verdicts += [known in row.beaten or row.verdict for row in table.rows if row.kind == "run"]
    return "beaten" if True in verdicts else TOO_FEW if TOO_FEW in verdicts else "unbeaten"


def _best_of(table: TaskTable) -> dict[str, str]:
    run = next(row for row in table.rows if row.kind == "run")
    baseline = next((row for row in table.rows if row.kind == "baseline"), None)
    assert table.floor is not None
    return {
        "task": table.task,
        "metric": f"{table.metric.name} {'↓' if table.metric.better == 'lower' else '↑'}",
        "best run": f"{run.name}, {table.cell}",
        "score": number_of(run),
        "floor": f"{table.floor.value:.4g} ({table.floor.name})",
        "best classical method": "" if baseline is None else f"{number_of(baseline)} ({baseline.name})",
        "verdict": run.verdict,
    }


def coverage() -> str:
    """How often intervals, marks and verdicts are wrong, over seeds and on small tests."""
    files = ("coverage.md", "small_tests.md")
    return "\n\n".join((REFERENCE / "statistics" / name).read_text(encoding="utf-8").strip() for name in files)
