"""docs/results.md: the suite `core`, a task and cell a row."""

from throughtime.runners.showing.summary import Row, TaskTable, summarise

from .situations import CONTROL, CUT, below_its_best
from .words import REFERENCE, markdown


def core() -> str:
    """Full BPTT, its cut form, the best of the others, and a readout alone, beside the floor and the best baseline."""
    summary = summarise(REFERENCE / "core")
    link = "[every row](../results/reference/core/table.md)"
    return f"{markdown([_line(table) for table in summary.tables])}\n\nMeasured on: {summary.machine}; {link}."


def _line(table: TaskTable) -> dict[str, str]:
    runs = [row for row in table.rows if row.kind == "run" and row.score is not None]
    others = [row for row in runs if row.name not in ("full", CUT) and not row.name.startswith(CONTROL)]
    known = [row for row in table.rows if row.kind == "baseline"]
    assert table.floor is not None
    return {
        "task": f"{table.task}, {table.metric.name} {'↓' if table.metric.better == 'lower' else '↑'}",
        "cell": table.cell,
        "full": _told([row for row in runs if row.name == "full"]),
        CUT: _told([row for row in runs if row.name == CUT]),
        "best of the others": _told(others[:1], named=True),
        "readout alone": _told([row for row in runs if row.name.startswith(CONTROL)]),
        "floor": f"{table.floor.value:.3g}",
        "best baseline": _told(known[:1], named=True),
    }


def _told(rows: list[Row], *, named: bool = False) -> str:
    """A row's score, with a star where it is below the row's best; its name where it is not the column's."""
    if not rows or rows[0].score is None:
        return "–"
    (row,) = rows
    return f"{row.score.mean:.3g}{below_its_best(row)}" + (f" ({row.name})" if named else "")
