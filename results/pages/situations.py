"""README: which algorithm when, a situation a row, each answered from the suites that have it."""

from collections import Counter
from collections.abc import Sequence
from statistics import median

from throughtime.runners import load_suite
from throughtime.runners.showing.summary import Row, TaskTable, summarise
from throughtime.runners.showing.verdicts import NOT_LEARNED

from .words import REFERENCE, listed, markdown

LONG = ("adding(length=100)", "temporal_order", "two_lag(a=10, b=24, length=48)", "copy(symbols=4)")
"""Tasks of `core` whose dependencies are of 20 to 100 steps: one row of the answer each."""

CUT = "truncated(k1=10, k2=10)"
CONTROL = "readout_only"


def situations() -> str:
    """What a reader may have, what to take, and by how much."""
    core = summarise(REFERENCE / "core").tables
    rows = [{"you have": have, "take": take, "by how much": told} for have, (take, told) in _answers(core).items()]
    return f"{markdown(rows)}\n\n{_limits()}"


def _answers(core: Sequence[TaskTable]) -> dict[str, tuple[str, str]]:
    return {
        "a dependency of 20 to 100 steps": long_dependency([table for table in core if table.task in LONG]),
        "too little memory for whole sequences": little_memory(core),
        "a stream that is learned from at every step": stream(summarise(REFERENCE / "online").tables),
        "a chaotic series": series([table for table in core if table.task.startswith("lorenz")]),
        "a short real series": series([table for table in core if table.task.startswith("sunspots")]),
    }


def long_dependency(tables: Sequence[TaskTable]) -> tuple[str, str]:
    """The algorithm that is best on most tasks, and on each task the best, the cut one, the control and the floor."""
    told, best = [], Counter[str]()
    for task in dict.fromkeys(table.task for table in tables):
        ranked = _ranked([table for table in tables if table.task == task])
        (first, on), floor = ranked[0], ranked[0][1].floor
        best[first.name] += 1
        cut, control = (next(one for one in ranked if one[0].name.startswith(name)) for name in (CUT, CONTROL))
        assert floor is not None
        told.append(
            f"{task} ({on.metric.name}): {_score(first, on)} by `{first.name}` on {on.cell}; {_score(*cut)} by `{CUT}` "
            f"on {cut[1].cell}; {_score(*control)} by a readout alone; floor {floor.value:.3g}"
        )
    (name, times), *_ = best.most_common()
    return f"`{name}`, the best on {times} of {len(told)} tasks", ".<br>".join(told)


def little_memory(tables: Sequence[TaskTable]) -> tuple[str, str]:
    """On how many of the tables in which full BPTT learns truncation is not found worse, and its memory in full's."""
    learned = [table for table in tables if _row(table, "full").verdict != NOT_LEARNED and _has(table, CUT)]
    worse = [table for table in learned if _worse(table, _row(table, CUT))]
    shares = [
        (_row(table, CUT).costs["peak_bytes"] or 0) / (_row(table, "full").costs["peak_bytes"] or 1)
        for table in learned
    ]
    names = listed(list(dict.fromkeys(table.task.partition("(")[0] for table in worse)))
    held = f"not found worse than `full` on {len(learned) - len(worse)} of {len(learned)} tables that it learns"
    return f"`{CUT}`", f"{median(shares):.2f} of `full`'s memory (median); {held}; worse on {names}"


def stream(tables: Sequence[TaskTable]) -> tuple[str, str]:
    """The best of each protocol on the cell that forgets."""
    plain = [table for table in tables if table.cell == "rnn"]
    firsts = [(_runs(table)[0], table) for table in plain]
    (name, times), *_ = Counter(row.name for row, _ in firsts).most_common()
    told = [
        f"equal {_budget(table)}: {_score(row, table)} by `{row.name}`"
        + ("" if row.name == "full" else f", {_score(_row(table, 'full'), table)} by `full`")
        for row, table in firsts
    ]
    task = plain[0].task
    return f"`{name}`, the best by {times} of {len(firsts)} protocols", f"{task}: " + ".<br>".join(told)


def _budget(table: TaskTable) -> str:
    """What all algorithms of a table have as much of: "updates", from "…; equal budget: 1,600 updates for every …"."""
    return table.protocol.partition("equal budget: ")[2].partition(" for every")[0].partition(" ")[2]


def series(tables: Sequence[TaskTable]) -> tuple[str, str]:
    """For each task the best run and the best classical method, and whether a test finds the one before the other."""
    told, best = [], Counter[str]()
    for task in dict.fromkeys(table.task for table in tables):
        row, on = _ranked([table for table in tables if table.task == task])[0]
        classic = next(one for one in on.rows if one.kind == "baseline")
        best[row.name] += 1
        told.append(
            f"{task} ({on.metric.name}): {_score(row, on)} by `{row.name}` on {on.cell} ({row.verdict}); "
            f"{_score(classic, on)} by {classic.name}"
        )
    (name, times), *_ = best.most_common()
    most = f", the best on {times} of {len(told)}" if len(told) > 1 else ""
    return f"`{name}`{most}", ".<br>".join(told)


def _ranked(tables: Sequence[TaskTable]) -> list[tuple[Row, TaskTable]]:
    """The run rows of several tables of one task, from the best."""
    rows = [(row, table) for table in tables for row in _runs(table)]
    return sorted(rows, key=lambda one: _sign(one[1]) * one[0].score.mean if one[0].score else 0.0)


def _sign(table: TaskTable) -> int:
    return 1 if table.metric.better == "lower" else -1


def _runs(table: TaskTable) -> list[Row]:
    return [row for row in table.rows if row.kind == "run" and row.score is not None]


def _has(table: TaskTable, name: str) -> bool:
    return any(row.name == name for row in _runs(table))


def _row(table: TaskTable, name: str) -> Row:
    return next(row for row in _runs(table) if row.name == name)


def _worse(table: TaskTable, row: Row) -> bool:
    """Whether a test finds it worse than full BPTT."""
    assert row.difference is not None
    return bool(row.difference.supported) and _sign(table) * row.difference.interval.mean > 0


def _score(row: Row, table: TaskTable) -> str:
    assert row.score is not None
    return f"{row.score.mean:.3g}"


def _limits() -> str:
    """What the table does not show, with the suite's own numbers."""
    suite = load_suite("core")
    units = sorted({one.hidden_size for one in suite.experiments})
    seeds = min(one.seeds for one in suite.experiments)
    return (
        f"Test scores over {seeds} seeds; [docs/results.md](docs/results.md#long-dependencies-and-series) has all "
        "cells and links every row, with its interval and its costs.\n\n"
        f"**What this does not show.** Networks of {listed([str(size) for size in units])} units, budgets of seconds: "
        "larger networks and longer training may rank otherwise. What a test over so few seeds does not find is not "
        "proven equal. A score on a short series is the score on those years."
    )
