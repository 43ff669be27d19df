"""docs/results.md: which algorithm when, by the quickstart alone."""

import math
from collections.abc import Callable

from throughtime.algorithms import make_algorithm
from throughtime.runners import load_suite
from throughtime.runners.showing.statistics import LEAST_SEEDS
from throughtime.runners.showing.summary import Row, TaskTable, summarise
from throughtime.runners.showing.verdicts import NOT_LEARNED, TOO_FEW
from throughtime.runners.showing.words import bytes_in_words

from .words import REFERENCE, markdown, number_of


def which() -> str:
    """For each thing that a reader may want, the algorithm of the quickstart that gives it, on each task."""
    tables = summarise(REFERENCE / "quickstart").tables
    rows = []
    for wish, pick in WISHES.items():
        rows.append({"you want": wish, **{table.task: answer(table, pick(table)) for table in tables}})
    floors = {table.task: f"{number_of(_floor(table))} ({_floor(table).name})" for table in tables}
    rows.append({"you want": "*beside it: the floor, no dependency learned*", **floors})
    body = markdown(rows)
    return f"{body}\n\n{_limits()}"


def _runs(table: TaskTable) -> list[Row]:
    return [row for row in table.rows if row.kind == "run" and row.score is not None and row.verdict != NOT_LEARNED]


def _as_good_as_full(table: TaskTable) -> list[Row]:
    """Those that no test finds worse than full BPTT; empty where one has too few seeds to be tested."""
    sign = 1 if table.metric.better == "lower" else -1
    rows = [row for row in _runs(table) if row.difference is None or row.difference.supported is not None]
    if len(rows) < len(_runs(table)):
        return []
    return [
        row
        for row in rows
        if row.difference is None or not (row.difference.supported and sign * row.difference.interval.mean > 0)
    ]


def cheapest(table: TaskTable, cost: str) -> Row | None:
    """The row with the least of a cost among those that no test finds worse than full; None: no verdict."""
    return min(_as_good_as_full(table), key=lambda row: row.costs[cost] or math.inf, default=None)


WISHES: dict[str, Callable[[TaskTable], Row | None]] = {
    "the best score": lambda table: _runs(table)[0],
    "as little memory as possible, not found worse than `full`": lambda table: cheapest(table, "peak_bytes"),
    "as little time as possible, not found worse than `full`": lambda table: cheapest(table, "time_per_step"),
    "memory that does not grow with the sequence": lambda table: next(
        row for row in _runs(table) if make_algorithm(row.name).online
    ),
    "the exact gradient, whatever the cost": lambda table: next(row for row in _runs(table) if row.name == "full"),
    "to know what recurrent learning is worth: the control": lambda table: next(
        row for row in _runs(table) if row.name == "readout_only"
    ),
}


def answer(table: TaskTable, row: Row | None) -> str:
    """A row in words, with its score and its costs."""
    if row is None:
        return TOO_FEW
    memory, wall = row.costs["peak_bytes"] or 0.0, row.costs["time_per_step"] or 0.0
    assert row.score is not None
    apart = ""
    if row.difference is not None:
        apart = f" ({'' if row.difference.supported else '~'}{row.difference.interval.mean:+.4f} to `full`)"
    return f"`{row.name}`: {row.score.mean:.4f}{apart}, {bytes_in_words(memory)}, {1e3 * wall:.2g} ms a step"


def _floor(table: TaskTable) -> Row:
    return next(row for row in table.rows if row.kind == "floor")


def _limits() -> str:
    """What the table does not show, with the suite's own numbers."""
    suite = load_suite("quickstart")
    tables = summarise(REFERENCE / "quickstart").tables
    seeds = min(one.seeds for one in suite.experiments)
    rates = max(len(one.rates) for one in suite.experiments)
    steps = " and ".join(str(one.budget) for one in suite.experiments)
    units = max(one.hidden_size for one in suite.experiments)
    metrics = "; ".join(f"{table.task.partition('(')[0]}: {table.metric.name}" for table in tables)
    unproven = "What a test over so few seeds does not find is not proven equal"
    if seeds < LEAST_SEEDS:
        unproven = "So few seeds allow no verdict"
    return (
        f"Test scores ({metrics}; lower is better), peak memory of 16 sequences' updates, time of a training step of a "
        f"batch.\n\n**What this does not show.** These are small problems: {units} units, {steps}, {seeds} seeds, "
        f"{rates} learning rates or more tried for each algorithm. {unproven}, and longer dependencies, other cells "
        "and larger networks may rank otherwise: run a suite of your own."
    )
