"""Tables for reading, for computing and for a paper, from a results directory's summary."""

from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from throughtime.runners.records.files import write_text
from throughtime.runners.suite.suite import Choice

from .statistics import Interval
from .summary import COSTS, Row, Summary, TaskTable, summarise

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
    "updates",
    "ms/step",
    "memory",
    "tuned",
    "runs",
]
"""All columns; those on free running are left out where nothing is fed back, forcing's where it is teacher alone."""

LEGEND = """\
- Rows stand in order of merit; those in italics are not runs but references: *floor* is reached without learning any
  dependency, *baseline* is a classical method, *optimum* the best that is possible.
- score: mean over seeds on test data [95 % bootstrap interval; with few seeds it is too short: three seeds' is their
  range and holds the true mean three times in four]. floor: the best floor, beside every score.
- verdict: "not learned": the mean is not better than the floor by 1 %; "beats X": the best reference that the scores
  beat by a t-test over seeds (5 %).
- vs full: mean difference to full BPTT in the same forcing, paired by seed. ~ marks what the seeds do not support
  (t-test, 5 %).
- Where a task's inputs are its own past: score is one step ahead, given the truth at every step; free-running is the
  score over the horizon that stands above the table when the network gets nothing but its own output, with the best
  floor that runs free beside it; exposure bias is free-running less the score one step ahead on the same targets,
  those that follow an origin. Learning rates are chosen by the score.
- The tests are over seeds; that the test data is a sample too is not in them: a small test set deserves more doubt.
- cosine: of the algorithm's gradient with the exact one, on 16 sequences, at parameters of its own training that are
  held still meanwhile. updates: the optimizer's, which is what a budget of steps does not hold equal.
- ms/step: median training time, updates included, per time step of the whole batch, on this machine. memory: the
  most bytes alive at once during one batch's updates beyond parameters and data, counted on 16 sequences before
  training (of `scheduled`: with as little truth as at its end).
- Scores, cosines and memory repeat exactly on the same machine and versions; ms/step is a measurement of this machine.
"""


def headings(table: TaskTable) -> list[str]:
    """Those of `HEADINGS` that the table has something to say on."""
    left_out = set() if table.horizon else {"free-running", "free floor", "exposure bias"}
    left_out |= {"forcing"} if table.forcings in ([], ["teacher"]) else set()
    return [name for name in HEADINGS if name not in left_out]


def cells(table: TaskTable, row: Row) -> list[str]:
    """A row's words, one for each of the table's headings."""
    words = _words(table, row)
    return [words.get(name, "") for name in headings(table)]


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
        difference = f"{'' if row.difference.supported else '~'}{mean:+.{digits}f}"
    cosine, wall, memory = (row.costs.get(name) for name in ("cosine", "wall_per_step", "peak_bytes"))
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
        "updates": "" if row.costs.get("updates") is None else f"{row.costs['updates']:,.0f}",
        "ms/step": "" if wall is None else f"{1e3 * wall:.3g}",
        "memory": "" if memory is None else bytes_in_words(memory),
        "tuned": "" if set(row.statuses) == {"skipped"} else _choice(row.choice),
        "runs": _runs(row),
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


def _choice(choice: Choice | None) -> str:
    if choice is None:
        return ""
    return f"lr {choice.learning_rate:g}" + ("" if choice.clip_norm is None else f", clip {choice.clip_norm:g}")


def bytes_in_words(size: float) -> str:
    """Three digits and the unit."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.3g} {unit}" if size < 1000 else f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.3g} GiB"


def _runs(row: Row) -> str:
    """Say "3 done", or what is missing, or what went wrong and why."""
    if not row.statuses:
        return "not run yet"
    missing = row.planned - sum(row.statuses.values())
    ended = row.statuses | ({"not run yet": missing} if missing > 0 else {})
    counts = ", ".join(f"{count} {status}" for status, count in ended.items())
    if row.broken_tuning:
        counts += f", {row.broken_tuning} of the tuning runs broke"
    return f"{counts}: {_shortened(row.reason)}" if row.reason else counts


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77].rstrip()}…"


def heading(table: TaskTable) -> str:
    """The task, the cell, and which way the metric goes."""
    arrow = "↓ lower is better" if table.metric.better == "lower" else "↑ higher is better"
    return f"{table.task}, {table.cell}: {table.metric.name}, {arrow}"


def _protocol(table: TaskTable) -> str:
    words = f"{table.protocol[:1].upper()}{table.protocol[1:]}"
    return f"{words}; free running over {table.horizon} steps" if table.horizon else words


def markdown(summary: Summary) -> str:
    """The tables as Markdown."""
    parts = [f"### {summary.title}", f"Measured on: {summary.machine}."]
    for table in summary.tables:
        rows = [[_escaped(word, row) for word in cells(table, row)] for row in table.rows]
        body = pd.DataFrame(rows, columns=headings(table)).to_markdown(index=False, disable_numparse=True)
        parts += [f"**{heading(table)}**", f"{_protocol(table)}.", body]
    return "\n\n".join([*parts, LEGEND])


def _escaped(word: str, row: Row) -> str:
    plain = word.replace("|", "\\|").replace("\n", " ")
    return f"*{plain}*" if row.kind != "run" and plain else plain


def latex(summary: Summary) -> str:
    """The tables as LaTeX tabulars for booktabs, one `table` environment each."""
    parts = []
    for table in summary.tables:
        frame = pd.DataFrame([cells(table, row) for row in table.rows], columns=headings(table))
        frame = frame.map(lambda word: word.replace("–", "--"))
        parts_of_caption = [summary.title, heading(table), _protocol(table), f"Measured on: {summary.machine}."]
        caption = _plain_latex(". ".join(parts_of_caption))
        for sign, words in (("↓", "$\\downarrow$"), ("↑", "$\\uparrow$"), ("×", "$\\times$")):
            caption = caption.replace(sign, words)
        styled = frame.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis="columns")
        parts.append(styled.to_latex(hrules=True, position="t", caption=caption))
    return "\n".join(parts)


_ESCAPES = {sign: f"\\{sign}" for sign in "_%#&${}"}
_ESCAPES |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--"}


def _plain_latex(text: str) -> str:
    return "".join(_ESCAPES.get(sign, sign) for sign in text)


def csv(summary: Summary) -> str:
    """All rows of all tables with unrounded numbers; references have their kind in the column of that name."""
    lines = []
    for table in summary.tables:
        for row in table.rows:
            score, difference, choice = row.score, row.difference, row.choice
            lines.append(
                {
                    "task": table.task,
                    "cell": table.cell,
                    "metric": table.metric.name,
                    "better": table.metric.better,
                    "name": row.name,
                    "forcing": row.forcing,
                    "kind": row.kind,
                    "seeds": score.n if score else 0,
                    "mean": score.mean if score else None,
                    "low": score.low if score else None,
                    "high": score.high if score else None,
                    "floor": table.floor.value if table.floor else None,
                    "free_mean": row.free.mean if row.free else None,
                    "free_low": row.free.low if row.free else None,
                    "free_high": row.free.high if row.free else None,
                    "free_floor": table.free_floor.free if table.free_floor else None,
                    "exposure_bias": row.exposure_bias.mean if row.exposure_bias else None,
                    "verdict": row.verdict,
                    "difference_to_full": difference.interval.mean if difference else None,
                    "difference_low": difference.interval.low if difference else None,
                    "difference_high": difference.interval.high if difference else None,
                    "difference_p": difference.p if difference else None,
                    "learning_rate": choice.learning_rate if choice else None,
                    "clip_norm": choice.clip_norm if choice else None,
                    **{name: row.costs.get(name) for name in COSTS},
                    "runs": ", ".join(f"{count} {status}" for status, count in row.statuses.items()),
                    "reason": row.reason,
                }
            )
    return pd.DataFrame(lines).to_csv(index=False)


_RIGHT = ("floor", "vs full", "free floor", "exposure bias", "cosine", "ms/step")

FORMATS = {"markdown": markdown, "csv": csv, "latex": latex}
FILES = {"table.md": markdown, "table.csv": csv, "table.tex": latex}


def write_tables(directory: str | Path) -> list[Path]:
    """Write table.md, table.csv and table.tex into the results directory, each whole or not at all."""
    summary = summarise(directory)
    paths = []
    for name, write in FILES.items():
        paths.append(write_text(Path(directory) / name, write(summary)))
    return paths


def _that_fit(names: list[str], rows: list[list[str]], width: int) -> list[int]:
    """The numbers of the columns to draw: on a narrow terminal the least telling ones are left to table.md."""
    widths = [
        max(min(len(word), 32) for word in (name, *column))
        for name, column in zip(names, zip(*rows, strict=True), strict=True)
    ]
    shown = list(range(len(names)))
    for name in ("tuned", "cosine", "updates", "memory", "vs full", "ms/step", "exposure bias", "verdict"):
        if name in names and sum(widths[number] + 3 for number in shown) + 1 > width:
            shown.remove(names.index(name))
    return shown


def print_tables(summary: Summary, console: Console) -> None:
    """On a terminal drawn to its width, in a log as Markdown."""
    if not console.is_terminal:
        console.print(markdown(summary), soft_wrap=True, markup=False, highlight=False, emoji=False)
        return
    for table in summary.tables:
        drawn = Table(title=heading(table), caption=_protocol(table), title_justify="left", caption_justify="left")
        rows = [cells(table, row) for row in table.rows]
        names = headings(table)
        shown = _that_fit(names, rows, console.width)
        for name in (names[number] for number in shown):
            drawn.add_column(name, justify="right" if name in _RIGHT else "left", overflow="fold")
        for row, words in zip(table.rows, rows, strict=True):
            style = "" if row.kind == "run" else "italic dim"
            drawn.add_row(*(words[number].replace("[", "\\[") for number in shown), style=style)
        console.print(drawn)
    console.print(
        f"Measured on: {summary.machine}. What the columns mean stands below the table in table.md.", style="dim"
    )
