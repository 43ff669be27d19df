"""README: which algorithm when, a situation and task a row, each answered from the suites that have it."""

from collections.abc import Sequence
from statistics import median

from throughtime.runners import load_suite
from throughtime.runners.showing.summary import Row, TaskTable, summarise
from throughtime.runners.showing.verdicts import NOT_LEARNED

from .words import REFERENCE, listed, markdown

LONG = (
    "adding(length=100)",
    "temporal_order",
    "two_lag(a=10, b=24, length=48)",
    "copy(symbols=4)",
    "digits(view='pixels')",
)
"""Tasks of `core` whose dependencies are of 20 to 100 steps: one row of the answer each."""

CUT = "truncated(k1=10, k2=10)"
CONTROL = "readout_only"
COLUMNS = ("you have", "task", "take", f"`{CUT}`", "a readout alone", "to beat")


def situations() -> str:
    """What a reader may have, what to take, and by how much."""
    core = summarise(REFERENCE / "core").tables
    online, stream = summarise(REFERENCE / "online").tables, summarise(REFERENCE / "literature").tables
    per_second = [table for table in online if table.budget and table.budget.seconds]
    rows = [
        *answers("a dependency of 20 to 100 steps", [table for table in core if table.task in LONG]),
        little_memory("too little memory for whole sequences", core),
        *answers("one stream, learned from at every step", [table for table in stream if table.task == "add"]),
        *answers("sequences, and a limit of seconds", per_second),
        *answers("a chaotic series", [table for table in core if table.task.startswith("lorenz")]),
        *answers("a short real series", [table for table in core if table.task.startswith("sunspots")]),
    ]
    return f"{markdown(rows)}\n\n{_limits()}"


def answers(have: str, tables: Sequence[TaskTable]) -> list[dict[str, str]]:
    """A row for each task: over all cells the best run, cut one and control, and what is to be beaten."""
    rows = []
    for task in dict.fromkeys(table.task for table in tables):
        ranked = _ranked([table for table in tables if table.task == task])
        (first, on), *_ = ranked
        cut, control = _first(ranked, CUT, "truncated"), _first(ranked, CONTROL)
        of_cut = "" if cut.name == CUT else f"{cut.name.removeprefix('truncated')}: "
        arrow = "↓" if on.metric.better == "lower" else "↑"
        apart = "" if _apart(first, on) else "~"
        take = f"{apart}`{first.name}` on {_plain(on.cell)}: {_score(first)}"
        values = (f"{task}, {on.metric.name} {arrow}", take, of_cut + _score(cut), _score(control))
        rows.append(dict(zip(COLUMNS, ("" if rows else have, *values, to_beat(first, on)), strict=True)))
    return rows


def _apart(row: Row, table: TaskTable) -> bool:
    """Whether a test finds the best row better than full BPTT on its cell, or, if it is that, than truncation there."""
    rows = {one.name: one for one in _runs(table)}
    if "full" not in rows:
        return False
    judged = [one for name, one in rows.items() if name.startswith("truncated")] if row.name == "full" else [row]
    return all(one.difference is not None and bool(one.difference.supported) for one in judged)


def to_beat(row: Row, table: TaskTable) -> str:
    """The best of the floor and the classical methods, and whether a test finds the row before it."""
    known = [one for one in table.rows if one.kind in ("floor", "baseline") and one.score is not None]
    best = min(known, key=lambda one: _sign(table) * _mean(one))
    ahead = _sign(table) * (_mean(best) - _mean(row)) > 0
    told = "beaten" if best.name in row.beaten else "undecided" if ahead else "not beaten"
    return f"{best.name}: {_score(best)}, {told}"


def little_memory(have: str, tables: Sequence[TaskTable]) -> dict[str, str]:
    """Where full BPTT learns: the memory of truncation and of the control in full's, and where they aren't worse."""
    learned = [table for table in tables if _row(table, "full").verdict != NOT_LEARNED]
    told = (_beside_full(name, learned) for name in (CUT, CONTROL))
    task = f"the {len(learned)} tables of `core` that `full` learns"
    return dict(zip(COLUMNS, (have, task, "`full` where it fits", *told, "–"), strict=True))


def _beside_full(name: str, tables: Sequence[TaskTable]) -> str:
    pairs = [(_row(table, "full"), _row(table, name), table) for table in tables]
    share = median((row.costs["peak_bytes"] or 0) / (full.costs["peak_bytes"] or 1) for full, row, _ in pairs)
    worse = sum(_worse(table, row) for _, row, table in pairs)
    return f"{share:.2f} of its memory; found worse on {worse}"


def _plain(cell: str) -> str:
    """A cell as a line of a table has room for it."""
    return "an orthogonal rnn" if "orthogonal" in cell else cell


def _ranked(tables: Sequence[TaskTable]) -> list[tuple[Row, TaskTable]]:
    """The run rows of several tables of one task, from the best."""
    rows = [(row, table) for table in tables for row in _runs(table)]
    return sorted(rows, key=lambda one: _sign(one[1]) * _mean(one[0]))


def _first(ranked: Sequence[tuple[Row, TaskTable]], *names: str) -> Row:
    """The best of the rows whose names begin so, by the first of the names that there is."""
    for name in names:
        for row, _ in ranked:
            if row.name.startswith(name):
                return row
    raise ValueError(f"{ranked[0][1].task} has no row of {' or '.join(names)}")


def _sign(table: TaskTable) -> int:
    return 1 if table.metric.better == "lower" else -1


def _runs(table: TaskTable) -> list[Row]:
    return [row for row in table.rows if row.kind == "run" and row.score is not None]


def _row(table: TaskTable, name: str) -> Row:
    return next(row for row in _runs(table) if row.name.startswith(name))


def _worse(table: TaskTable, row: Row) -> bool:
    """Whether a test finds it worse than full BPTT."""
    assert row.difference is not None
    return bool(row.difference.supported) and _sign(table) * row.difference.interval.mean > 0


def _mean(row: Row) -> float:
    assert row.score is not None
    return row.score.mean


def _score(row: Row) -> str:
    """The mean, with a star where it is below the row's best."""
    return f"{_mean(row):.3g}{below_its_best(row)}"


def below_its_best(row: Row) -> str:
    """A star where the budget ended before a plateau, or the rate stands at an end of all that were tried."""
    return "*" if row.still_learning or row.tuned.end else ""


def _limits() -> str:
    """What the table does not show, with the suite's own numbers."""
    suites = {name: load_suite(name) for name in ("core", "online", "literature")}
    units = sorted({one.hidden_size for one in suites["core"].experiments})
    seeds = sorted({one.seeds for suite in suites.values() for one in suite.experiments})
    return (
        'Mean test scores, each on the cell that suits it best; "take" is the best mean. ~ stands before it where no '
        "test finds it better than `full` on that cell, or, where it is `full`, than truncation there: other seeds may "
        "rank them otherwise. \\* marks a score below the row's best, since it was still learning, or the best "
        "learning rate lay at an end of those tried. The readout alone learns at the end of a sequence in `core`, for "
        "which its states are kept, and else at every step; on add, learning rates are the published one. "
        "[docs/results.md](docs/results.md#long-dependencies-and-series) has every cell, and "
        "[core's table](results/reference/core/table.md) intervals, costs and tests.\n\n"
        f"**What this does not show.** {seeds[0]} to {seeds[-1]} seeds, {listed([str(size) for size in units])} "
        "units, budgets of seconds: larger networks and longer training may rank otherwise. What a test over so few "
        "seeds does not find is not proven equal. A score on a short series is the score on those years."
    )
