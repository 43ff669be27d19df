"""A table's rows in words: what stands in each column, in the whole table and in the short one."""

from collections.abc import Sequence

from .statistics import Interval, seeds_needed
from .summary import Row, TaskTable
from .tuned import LEAST_RATES
from .words import counted, memory_in_words, number_in_words

HEADINGS = [
    "algorithm",
    "forcing",
    "score",
    "floor",
    "verdict",
    "vs full",
    "free-running",
    "free floor",
    "exposure bias",
    "cosine",
    "bias",
    "90 % lag",
    "updates",
    "ms/step",
    "memory",
    "tuned",
    "good range",
    "runs",
]
"""All columns; those on free running are left out where nothing is fed back, forcing's where it is teacher alone."""

STILL = "still learning"

LEGEND = """\
- Rows stand in order of merit; those in italics are not runs but references: *floor* is reached without learning any
  dependency, *baseline* is a classical method, *optimum* the best that is possible.
- score: mean over seeds on test data [95 % t interval over seeds: exact for normal scores, and docs/results.md tells
  how often it holds others; it may reach beyond what a metric can be]. floor: the best floor, beside every score.
- verdict: "not learned": the mean is not better than the floor by 1 %, which needs no test. "beats X" names the best
  reference that the mean beats, and says that more than half of all runs would (sign test, in which diverged runs
  count as worse; a t-test of the mean must agree). ~ stands before what the seeds do not support: "beats the floor,
  ~X". Some verdict is wrong in 4 % of the tables at most (Holm, over the rows). "too few seeds for a verdict": so few
  that no scores could support one, fewer than 5 for one row and fewer than 8 for seven.
- vs full: mean difference to full BPTT in the same forcing, paired by seed. ~ marks what the seeds do not support
  (paired t-test, 2 %, Holm over the table's rows); in brackets, not judged: there are fewer than 5 seeds.
- Where a task's inputs are its own past: score is one step ahead, given the truth at every step; free-running is the
  score over the horizon that stands above the table when the network gets nothing but its own output, with the best
  floor that runs free beside it; exposure bias is free-running less the score one step ahead on the same targets,
  those that follow an origin. Learning rates are chosen by the score.
- The test data is a sample too. Its error is in the tests where scores are accuracies, as if the sequences of two rows
  were different ones, which is the most that it can be, and of a series where the losses of all its targets are known,
  by the differences of these, of which neighbours may be alike. Elsewhere it is in none: little data deserves doubt.
- cosine: of the algorithm's gradient with the exact one, on 16 sequences, at parameters of its own training that are
  held still meanwhile. bias: of the mean gradient at the end of training, relative to the exact one's norm, ± its
  standard error where the algorithm draws at random. 90 % lag: beyond so many steps back lies less than a tenth of the
  cell's exact gradient, at the end of training, median over seeds; –: it is zero, or its loss judges whole windows.
  updates: the optimizer's, which is what a budget of steps does not hold equal.
- ms/step: median training time, updates included, per time step of the whole batch, on this machine: of the CPU, or
  of a run on a GPU on the wall; time on the wall stands beside it where it is longer by a tenth. memory: the most
  bytes alive at once during one batch's updates beyond parameters and data, counted on 16 sequences before training
  (of `scheduled`: with as little truth as at its end).
- tuned: chosen by the mean over the tuning seeds, on validation data. (lowest) or (highest): the learning rate stands
  at that end of those tried, and beyond it there may be a better one. good range: the largest by the smallest rate
  around the chosen one that keep 90 % of its way from the floor; ≥ where the rates tried end before it does; – where it
  does not beat the floor.
- runs: how the report runs ended; "still learning": in the last quarter of training the score on test data gained more
  than 5 % of its progress (from the floor, once that is beaten) on the quarter before, and a t-test over seeds (5 %)
  says that it gained at all.
- Scores, cosines and memory repeat exactly on the same machine and versions; ms/step is a measurement of this machine.
"""


def headings(table: TaskTable) -> list[str]:
    """Those of `HEADINGS` that the table has something to say on."""
    left_out = set() if table.horizon else {"free-running", "free floor", "exposure bias"}
    left_out |= set() if any(row.costs.get("relative_bias") is not None for row in table.rows) else {"bias", "90 % lag"}
    left_out |= set() if any(len(row.tuned.tried) >= LEAST_RATES for row in table.rows) else {"good range"}
    left_out |= {"forcing"} if table.forcings in ([], ["teacher"]) else set()
    return [name for name in HEADINGS if name not in left_out]


def short_headings(table: TaskTable) -> list[str]:
    """The six that tell most: of a table that compares forcings, what free running comes to in place of the costs."""
    costs = ["ms/step", "memory"]
    last = ["free-running", "free floor"] if len(table.forcings) > 1 and table.horizon else costs
    return ["algorithm", "score", "floor", "verdict", *last]


def cells(table: TaskTable, row: Row) -> list[str]:
    """A row's words, one for each of the table's headings."""
    words = _words(table, row)
    return [words.get(name, "") for name in headings(table)]


def short_cells(table: TaskTable, row: Row) -> list[str]:
    """A row's words, one for each of the short table's headings.

    The forcing stands with the algorithm where there are several, and what did not end well with the verdict.
    """
    words = _words(table, row)
    if row.kind == "run":
        if len(table.forcings) > 1:
            words["algorithm"] += f" · {row.forcing}"
        well = set(row.statuses) == {"done"} and _runs(row) == _counts(row.statuses)
        told = [row.verdict, "" if well else _runs(row), STILL if row.still_learning else ""]
        words["verdict"] = "; ".join(filter(None, told))
    return [words.get(name, "") for name in short_headings(table)]


_MARKED = {True: "{}", False: "~{}", None: "({})"}


def _words(table: TaskTable, row: Row) -> dict[str, str]:
    digits = table.decimals
    if row.kind != "run":
        assert row.score is not None
        return {
            "algorithm": f"{row.kind}: {row.name}",
            "score": _number(row.score.mean, digits),
            "free-running": "" if row.free is None else _number(row.free.mean, digits),
        }
    difference = ""
    if row.difference is not None:
        mean = round(row.difference.interval.mean, digits) + 0.0  # never −0.0000
        difference = _MARKED[row.difference.supported].format(f"{mean:+.{digits}f}")
    cosine, memory = (row.costs.get(name) for name in ("cosine", "peak_bytes"))
    mean_memory = row.costs.get("mean_peak_bytes")
    free_floor = None if table.free_floor is None else table.free_floor.free
    return {
        "algorithm": row.name,
        "forcing": row.forcing,
        "score": _score(row, row.score, digits),
        "floor": "–" if table.floor is None else _number(table.floor.value, digits),
        "verdict": row.verdict,
        "vs full": difference,
        "free-running": _score(row, row.free, digits),
        "free floor": "–" if free_floor is None else _number(free_floor, digits),
        "exposure bias": "" if row.exposure_bias is None else f"{row.exposure_bias.mean:+.{digits}f}",
        "cosine": "" if cosine is None else f"{cosine:.3f}",
        "bias": _bias(row),
        "90 % lag": _lag(row),
        "updates": "" if row.costs.get("updates") is None else f"{row.costs['updates']:,.0f}",
        "ms/step": _time(row),
        "memory": memory_in_words(memory, mean_memory),
        "tuned": "" if set(row.statuses) == {"skipped"} else _choice(row),
        "good range": _good_range(row),
        "runs": "; ".join(filter(None, [_runs(row), STILL if row.still_learning else ""])),
    }


def _number(value: float, digits: int) -> str:
    """With so many digits after the point, or two significant ones of what would not be seen then."""
    return f"{value:.1e}" if 0 < abs(value) < 10.0 ** (1 - digits) else f"{value:.{digits}f}"


def _score(row: Row, score: Interval | None, digits: int) -> str:
    """The mean, its interval, and of how many seeds where some are missing."""
    if score is None:
        return "–"
    words = _number(score.mean, digits)
    if score.n > 1:
        words += f" [{_number(score.low, digits)}, {_number(score.high, digits)}]"
    return words if score.n >= row.planned else f"{words} (mean of {score.n} of {row.planned})"


def _bias(row: Row) -> str:
    bias, error = row.costs.get("relative_bias"), row.costs.get("relative_bias_error")
    if bias is None:
        return ""
    return f"{_share(bias)} ± {_share(error)}" if error else _share(bias)


def _share(value: float) -> str:
    """In thousandths; of what is thousands of times too large, its power of ten.

    >>> _share(0.5), _share(8.4e24)
    ('0.500', '8.4e+24')
    """
    return f"{value:.3f}" if value < 1000 else f"{value:.1e}"


def _lag(row: Row) -> str:
    """In steps; – where it was looked for and not found."""
    if row.costs.get("relative_bias") is None:
        return ""
    lag = row.costs.get("lag_90")
    return "–" if lag is None else f"{lag:g}"


def _choice(row: Row) -> str:
    choice = row.choice
    if choice is None:
        return ""
    words = f"lr {choice.learning_rate:g}" + (f" ({row.tuned.end})" if row.tuned.end else "")
    return words + ("" if choice.clip_norm is None else f", clip {choice.clip_norm:g}")


def _good_range(row: Row) -> str:
    """Say "×10"; – where there is none."""
    if row.choice is None or len(row.tuned.tried) < LEAST_RATES:
        return ""
    ratio = row.tuned.ratio
    return "–" if ratio is None else f"{'≥ ' if row.tuned.reaches_end else ''}×{ratio:.2g}"


def _runs(row: Row) -> str:
    """Say "3 done", or what is missing, or what went wrong and why."""
    if not row.statuses:
        return "not run yet"
    missing = row.planned - sum(row.statuses.values())
    ended = row.statuses | ({"not run yet": missing} if missing > 0 else {})
    counts = _counts(ended)
    if row.broken_tuning:
        counts += f", {row.broken_tuning} of the tuning runs broke"
    return f"{counts}: {_shortened(row.reason)}" if row.reason else counts


def _counts(statuses: dict[str, int]) -> str:
    return ", ".join(f"{count} {status}" for status, count in statuses.items())


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77].rstrip()}…"


WAITED = 1.1
"""By how much time on the wall may exceed that of the CPU before a table says so."""


def _time(row: Row) -> str:
    """In milliseconds; beside it that on the wall, where the run waited."""
    time, wall = row.costs.get("time_per_step"), row.costs.get("wall_per_step")
    if time is None:
        return ""
    words = number_in_words(1e3 * time)
    return words if wall is None or wall <= WAITED * time else f"{words} (wall {number_in_words(1e3 * wall)})"


def waiting(tables: Sequence[TaskTable]) -> str:
    """Where runs waited for a busy machine; empty where none did."""
    ratios = [
        wall / time
        for table in tables
        for row in table.rows
        if (wall := row.costs.get("wall_per_step")) and (time := row.costs.get("time_per_step"))
    ]
    worst = max(ratios, default=1.0)
    if worst <= WAITED:
        return ""
    many = sum(ratio > WAITED for ratio in ratios)
    return (
        f"Beware: {many} of {len(ratios)} rows waited for a busy machine, up to {worst:.1f} times as long as they "
        "computed; ms/step is CPU time, and what stands on the wall is beside it."
    )


def heading(table: TaskTable) -> str:
    """The task, the cell, and which way the metric goes."""
    arrow = "↓ lower is better" if table.metric.better == "lower" else "↑ higher is better"
    return f"{table.task}, {table.cell}: {table.metric.name}, {arrow}"


def protocol(table: TaskTable) -> str:
    """What was held equal, how it was tuned, whether the seeds are enough, and how large the test data is."""
    words = f"{table.protocol[:1].upper()}{table.protocol[1:]}"
    rows = [row for row in table.rows if row.kind == "run" and row.score]
    needed = seeds_needed(len(rows))
    if rows and max(row.planned for row in rows) < needed:
        words += f" (too few for a verdict: {len(rows)} rows need {needed})"
    if table.test_sequences:
        size = f"{counted(table.test_sequences, 'sequence')} with {counted(table.test_targets, 'target')}"
        tests = "the tests" if table.sampled else "no test"
        words += f"; test data: {size}, whose sampling error is in {tests}"
    words += f"; free running over {table.horizon} steps" if table.horizon else ""
    return "; ".join([words, *(f"one and the same algorithm here: {', '.join(names)}" for names in table.alike)])
