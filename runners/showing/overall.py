"""What a suite of several tasks comes to over all of them: a block below its tables, drawn from their rows alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .aggregates import interquartile_mean, mean_ranks, performance_profile
from .statistics import Interval, interval
from .summary import Row, TaskTable
from .verdicts import MARGIN, SHARES
from .words import markdown_table

FEWEST_TASKS = 3
FEWEST_ALGORITHMS = 3
FACTORS = [1.1, 1.5, 2.0]

RANKS = """\
mean rank: over the tasks, seed by seed, 1 is best [95 % t interval over seeds; another choice of tasks is not in it].
normalised score: 0 is the floor and 1 what full BPTT reaches on average; interquartile mean over tasks and seeds."""
PROFILE = """
within f ×: the share of tasks on which the mean error (the score, or what an accuracy lacks of 1) is at most f times
the least of these algorithms' (Dolan & Moré 2002)."""


@dataclass(frozen=True)
class Line:
    """One algorithm over all tasks.

    Attributes:
        rank: the mean over tasks, and its interval over seeds.
        normalised: the interquartile mean over tasks and seeds of (score − floor) / (full − floor).
        within: of the tasks the share on which its mean error is within each factor of the least one.
    """

    name: str
    rank: Interval
    normalised: float
    within: tuple[float, ...] = ()


@dataclass(frozen=True)
class Block:
    """The algorithms that all tasks of a cell and forcing have, best rank first.

    Attributes:
        left_out: tasks that full BPTT does not learn: no scale leads from their floor to it.
    """

    cell: str
    forcing: str
    tasks: tuple[str, ...]
    left_out: tuple[str, ...]
    seeds: int
    lines: tuple[Line, ...]


def blocks(tables: Sequence[TaskTable]) -> list[Block]:
    """One for each cell and forcing in which at least three tasks share three algorithms, `full` among them."""
    places = dict.fromkeys((table.cell, forcing) for table in tables for forcing in table.forcings)
    found = (_block(cell, forcing, [one for one in tables if one.cell == cell]) for cell, forcing in places)
    return [one for one in found if one is not None]


def block_markdown(block: Block) -> str:
    """A block with its words, as Markdown."""
    factors = [f"within {factor:g} ×" for factor in FACTORS] if block.lines[0].within else []
    rows = [
        [line.name, _rank(line.rank), f"{line.normalised:.2f}", *(f"{share:.2f}" for share in line.within)]
        for line in block.lines
    ]
    body = markdown_table(["algorithm", "mean rank", "normalised score", *factors], rows)
    forcing = "" if block.forcing == "teacher" else f", {block.forcing}"
    left_out = f" Left out, for full BPTT is not above the floor there: {', '.join(block.left_out)}."
    return (
        f"**Over all {len(block.tasks)} tables, {block.cell}{forcing}**\n\n"
        f"{', '.join(block.tasks)}; {block.seeds} seeds.{left_out if block.left_out else ''}\n\n{body}\n\n"
        f"{RANKS}{PROFILE if factors else ''}"
    )


def _rank(rank: Interval) -> str:
    return f"{rank.mean:.2f}" + (f" [{rank.low:.2f}, {rank.high:.2f}]" if rank.n > 1 else "")


def _block(cell: str, forcing: str, tables: Sequence[TaskTable]) -> Block | None:
    rows = [(table, {row.name: row for row in _runs(table, forcing)}) for table in tables]
    learned = [(table, runs) for table, runs in rows if "full" in runs and _learned(table, runs["full"])]
    names = [name for name in (learned[0][1] if learned else {}) if all(name in runs for _, runs in learned)]
    if len(learned) < FEWEST_TASKS or len(names) < FEWEST_ALGORITHMS:
        return None
    of_all = [runs[name].by_seed.keys() for _, runs in learned for name in names]
    seeds = sorted(set.intersection(*map(set, of_all)))
    if not seeds:
        return None
    scores = np.array([[[runs[name].by_seed[seed] for seed in seeds] for name in names] for _, runs in learned])
    ranks = mean_ranks(scores, [table.metric.better for table, _ in learned])
    pairs = zip(learned, scores, strict=True)
    normalised = np.array([_normalised(table, runs["full"], one) for (table, runs), one in pairs])
    within = _within([table for table, _ in learned], scores.mean(axis=-1))
    lines = [
        Line(name, interval(ranks[k].tolist()), interquartile_mean(normalised[:, k]), within[k])
        for k, name in enumerate(names)
    ]
    tasks, unlearned = tuple(table.task for table, _ in learned), [table.task for table, runs in rows if "full" in runs]
    left_out = tuple(task for task in unlearned if task not in tasks)
    ordered = tuple(sorted(lines, key=lambda line: line.rank.mean))
    return Block(cell, forcing, tasks, left_out, len(seeds), ordered)


def _runs(table: TaskTable, forcing: str) -> Iterator[Row]:
    return (row for row in table.rows if row.kind == "run" and row.forcing == forcing and row.score)


def _learned(table: TaskTable, full: Row) -> bool:
    """Whether full BPTT is above the floor by the margin that a verdict asks for."""
    if table.floor is None or full.score is None:
        return False
    gain = full.score.mean - table.floor.value
    return (gain if table.metric.better == "higher" else -gain) > MARGIN * abs(table.floor.value)


def _normalised(table: TaskTable, full: Row, scores: np.ndarray) -> np.ndarray:
    assert table.floor is not None
    assert full.score is not None
    return (scores - table.floor.value) / (full.score.mean - table.floor.value)


def _within(tables: Sequence[TaskTable], means: np.ndarray) -> list[tuple[float, ...]]:
    """Of each algorithm its performance profile; empty where some score is no error, or less than none."""
    pairs = zip(tables, means, strict=True)
    errors = np.array([1 - row if table.metric.name in SHARES else row for table, row in pairs])
    sound = all(table.metric.better == "lower" or table.metric.name in SHARES for table in tables)
    if not sound or (errors < 0).any():
        return [()] * means.shape[1]
    return [tuple(map(float, shares)) for shares in performance_profile(errors, FACTORS)]
