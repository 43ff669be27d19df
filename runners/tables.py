"""A results directory as tables: one for each task and cell, runs and references in one order of merit.

`summarise` computes, `markdown`, `latex` and `csv` write. Everything is drawn from records and manifest alone, so the
same records give the same bytes.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from throughtime.tasks import Metric, Reference

from .experiment import Budget
from .statistics import Difference, Interval, interval, paired_difference
from .store import GroupKeys, Manifest, Store, load_results
from .suite import Choice, Experiment

COSTS = (
    "wall_per_step",
    "cpu_per_step",
    "peak_bytes",
    "flops",
    "ops",
    "updates",
    "steps",
    "gradient_norm",
    "clipped_share",
    "nonfinite_share",
    "cosine",
    "relative_error",
    "steps_to_target",
    "seconds_to_target",
)
"""What a row gives of its done runs: the median over seeds."""

MARGIN = 0.01
"""By how much of its value a floor must be beaten: test data is a sample, and a floor is often an expectation."""

HEADINGS = ["algorithm", "score", "floor", "verdict", "vs full", "cosine", "ms/step", "memory", "tuned", "runs"]

LEGEND = """\
- Rows stand in order of merit; those in italics are not runs but references: *floor* is reached without learning any
  dependency, *baseline* is a classical method, *optimum* the best that is possible.
- score: mean over seeds on test data [95 % bootstrap interval]. floor: the best floor, beside every score. verdict:
  "not learned": the interval is not wholly better than the floor by 1 %; "beats X": X is the best reference that the
  whole interval beats.
- vs full: mean difference to full BPTT, paired by seed; ~ marks a difference that the seeds do not support (paired
  t-test, 5 %).
- cosine: of the algorithm's gradient with the exact one at the parameters along its own training, on 16 sequences.
- ms/step: median training time per time step of the whole batch, evaluation excluded. memory: the most bytes alive at
  once during one batch's updates beyond parameters and data, counted on 16 sequences.
- Scores, cosines and memory repeat exactly on the same machine and versions; ms/step is a measurement of this machine.
"""


@dataclass(frozen=True)
class Row:
    """One line: an algorithm's runs, or a reference.

    Attributes:
        name: the algorithm's spec, or the reference's name.
        kind: "run", "floor", "baseline" or "optimum".
        score: over the seeds whose run is done; for a reference its value; None where no run is done.
        verdict: what the score shows.
        difference: to full BPTT; None for references and full itself.
        choice: what tuning chose.
        statuses: how many report runs ended in which way.
        planned: how many report runs there are to be.
        reason: the first reason of a run that is not done.
        costs: medians over the done runs, None where there is none.
    """

    name: str
    kind: str
    score: Interval | None
    verdict: str = ""
    difference: Difference | None = None
    choice: Choice | None = None
    statuses: dict[str, int] = field(default_factory=dict)
    planned: int = 0
    reason: str = ""
    costs: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskTable:
    """The rows of one task and cell, best first, and the protocol that they share."""

    task: str
    cell: str
    metric: Metric
    floor: Reference | None
    protocol: str
    rows: tuple[Row, ...]

    @property
    def decimals(self) -> int:
        """Digits after the point of every score: 4, or what shows two digits of the smallest one."""
        sizes = [abs(row.score.mean) for row in self.rows if row.score is not None and row.score.mean]
        return min(max(4, 1 - math.floor(math.log10(min(sizes)))), 10) if sizes else 4


@dataclass(frozen=True)
class Summary:
    """All tables of a results directory."""

    title: str
    machine: str
    tables: tuple[TaskTable, ...]


def summarise(directory: str | Path) -> Summary:
    """Compute the tables of a results directory; `BadInput` if it holds no results."""
    store = Store.open(directory)
    manifest, results = store.manifest(), load_results(directory)
    experiments = [experiment for experiment in manifest.suite.experiments for _ in experiment.groups()]
    blocks: dict[tuple[str, str, int], list[GroupKeys]] = {}
    for group, experiment in zip(manifest.groups, experiments, strict=True):
        blocks.setdefault((group.task, group.cell, manifest.suite.experiments.index(experiment)), []).append(group)
    tables = tuple(
        _task_table(manifest, results, manifest.suite.experiments[number], groups)
        for (_, _, number), groups in blocks.items()
    )
    machine = str(store.environment().get("machine", "not recorded"))
    return Summary(manifest.suite.title, machine, tables)


def _task_table(
    manifest: Manifest, results: pd.DataFrame, experiment: Experiment, groups: Sequence[GroupKeys]
) -> TaskTable:
    task, cell = groups[0].task, groups[0].cell
    facts = manifest.tasks[task]
    sign = 1 if facts.metric.better == "lower" else -1
    floors = [reference for reference in facts.references if reference.kind == "floor"]
    floor = min(floors, key=lambda reference: sign * reference.value, default=None)

    def runs(group: GroupKeys) -> pd.DataFrame:
        return results[results["key"].isin(group.report)] if len(results) else pd.DataFrame()

    def scores(group: GroupKeys) -> dict[int, float]:
        frame = runs(group)
        done = frame[frame["status"] == "done"] if len(frame) else frame
        return {int(seed): float(test) for seed, test in zip(done.get("seed", []), done.get("test", []), strict=True)}

    full = next((scores(group) for group in groups if group.algorithm == "full"), {})
    rows = [Row(r.name, r.kind, Interval(r.value, r.value, r.value, 0)) for r in facts.references]
    for group in groups:
        values, frame = scores(group), runs(group)
        found = interval(list(values.values())) if values else None
        failed = frame[frame["status"] != "done"] if len(frame) else frame
        done = frame[frame["status"] == "done"] if len(frame) else frame
        rows.append(
            Row(
                name=group.algorithm,
                kind="run",
                score=found,
                verdict=_verdict(found, facts.metric, facts.references),
                difference=None if group.algorithm == "full" else paired_difference(values, full),
                choice=group.choice,
                statuses={str(status): int(n) for status, n in frame["status"].value_counts(sort=False).items()}
                if len(frame)
                else {},
                planned=experiment.seeds,
                reason=str(failed["reason"].iloc[0]) if len(failed) else "",
                costs={name: _median(done, name) for name in COSTS},
            )
        )
    ranked = sorted(rows, key=lambda row: math.inf if row.score is None else sign * row.score.mean)
    return TaskTable(task, cell, facts.metric, floor, _protocol(experiment, experiment.budget), tuple(ranked))


def _verdict(score: Interval | None, metric: Metric, references: Sequence[Reference]) -> str:
    """What the whole interval beats: nothing better than the floors is "not learned"."""
    if score is None:
        return ""
    sign = 1 if metric.better == "lower" else -1
    ordered = sorted(references, key=lambda reference: sign * reference.value)
    floors = [reference for reference in ordered if reference.kind == "floor"]
    if floors and not score.better_than(floors[0].value - sign * MARGIN * abs(floors[0].value), metric.better):
        return "not learned"
    beatable = [reference for reference in ordered if reference.kind != "optimum"]  # below it is luck of the test data
    beaten = next((reference for reference in beatable if score.better_than(reference.value, metric.better)), None)
    return f"beats {'the floor' if beaten.kind == 'floor' else beaten.name}" if beaten else ""


def _median(frame: pd.DataFrame, name: str) -> float | None:
    values = frame[name].dropna() if name in frame else pd.Series(dtype=float)
    return float(values.astype(float).median()) if len(values) else None


def _protocol(experiment: Experiment, budget: Budget) -> str:
    grid = experiment.grid
    rates = ", ".join(f"{rate:g}" for rate in experiment.learning_rates)
    clips = ", ".join("none" if math.isinf(clip) else f"{clip:g}" for clip in experiment.clip_norms)
    tuning = f"{len(grid)} settings × {experiment.tuning_seeds} tuning seeds" if len(grid) > 1 else "nothing tuned"
    return (
        f"{experiment.hidden_size} units, batches of {experiment.batch_size}; equal budget: {budget} for every "
        f"algorithm; {experiment.optimizer}, learning rates {rates}, clip norms {clips} ({tuning}); "
        f"report seeds: {experiment.seeds}"
    )


def cells(table: TaskTable, row: Row) -> list[str]:
    """A row's words, one for each of `HEADINGS`."""
    digits = table.decimals
    if row.kind != "run":
        assert row.score is not None
        return [f"{row.kind}: {row.name}", f"{row.score.mean:.{digits}f}", *[""] * 8]
    score = "–"
    if row.score is not None:
        score = f"{row.score.mean:.{digits}f} [{row.score.low:.{digits}f}, {row.score.high:.{digits}f}]"
        if row.score.n < row.planned:
            score += f" (mean of {row.score.n} of {row.planned})"
    difference = ""
    if row.difference is not None:
        mean = round(row.difference.interval.mean, digits) + 0.0  # never −0.0000
        difference = f"{'' if row.difference.supported else '~'}{mean:+.{digits}f}"
    cosine, wall, memory = (row.costs.get(name) for name in ("cosine", "wall_per_step", "peak_bytes"))
    return [
        row.name,
        score,
        "–" if table.floor is None else f"{table.floor.value:.{digits}f}",
        row.verdict,
        difference,
        "" if cosine is None else f"{cosine:.3f}",
        "" if wall is None else f"{1e3 * wall:.3g}",
        "" if memory is None else _bytes(memory),
        _choice(row.choice),
        _runs(row),
    ]


def _choice(choice: Choice | None) -> str:
    if choice is None:
        return ""
    return f"lr {choice.learning_rate:g}" + ("" if choice.clip_norm is None else f", clip {choice.clip_norm:g}")


def _bytes(size: float) -> str:
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
    return f"{counts}: {_shortened(row.reason)}" if row.reason else counts


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77].rstrip()}…"


def heading(table: TaskTable) -> str:
    """The task, the cell, and which way the metric goes."""
    arrow = "↓ lower is better" if table.metric.better == "lower" else "↑ higher is better"
    return f"{table.task}, {table.cell}: {table.metric.name}, {arrow}"


def markdown(summary: Summary) -> str:
    """The tables as Markdown."""
    parts = [f"### {summary.title}", f"Measured on: {summary.machine}."]
    for table in summary.tables:
        rows = [[_escaped(word, row) for word in cells(table, row)] for row in table.rows]
        body = pd.DataFrame(rows, columns=HEADINGS).to_markdown(index=False, disable_numparse=True)
        parts += [f"**{heading(table)}**", f"{table.protocol[:1].upper()}{table.protocol[1:]}.", body]
    return "\n\n".join([*parts, LEGEND])


def _escaped(word: str, row: Row) -> str:
    plain = word.replace("|", "\\|").replace("\n", " ")
    return f"*{plain}*" if row.kind != "run" and plain else plain


def latex(summary: Summary) -> str:
    """The tables as LaTeX tabulars for booktabs, one `table` environment each."""
    parts = []
    for table in summary.tables:
        frame = pd.DataFrame([cells(table, row) for row in table.rows], columns=HEADINGS)
        frame = frame.map(lambda word: word.replace("–", "--"))
        caption = _plain_latex(f"{summary.title}. {heading(table)}. {table.protocol}. Measured on: {summary.machine}.")
        for sign, words in (("↓", "$\\downarrow$"), ("↑", "$\\uparrow$"), ("×", "$\\times$")):
            caption = caption.replace(sign, words)
        styled = frame.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis="columns")
        parts.append(styled.to_latex(hrules=True, position="t", caption=caption))
    return "\n".join(parts)


_LATEX = {sign: f"\\{sign}" for sign in "_%#&${}"}
_LATEX |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--"}


def _plain_latex(text: str) -> str:
    return text.translate(str.maketrans(_LATEX))


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
                    "kind": row.kind,
                    "seeds": score.n if score else 0,
                    "mean": score.mean if score else None,
                    "low": score.low if score else None,
                    "high": score.high if score else None,
                    "floor": table.floor.value if table.floor else None,
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


FORMATS = {"markdown": markdown, "csv": csv, "latex": latex}
FILES = {"table.md": markdown, "table.csv": csv, "table.tex": latex}


def write_tables(directory: str | Path) -> list[Path]:
    """Write table.md, table.csv and table.tex into the results directory, each whole or not at all."""
    summary = summarise(directory)
    paths = []
    for name, write in FILES.items():
        path = Path(directory) / name
        temporary = path.with_name(f".{name}.{os.getpid()}")
        temporary.write_text(write(summary), encoding="utf-8")
        paths.append(temporary.replace(path))
    return paths


def _that_fit(rows: list[list[str]], width: int) -> list[int]:
    """The numbers of the columns to draw: on a narrow terminal the least telling ones are left to table.md."""
    widths = [
        max(min(len(word), 32) for word in (name, *column))
        for name, column in zip(HEADINGS, zip(*rows, strict=True), strict=True)
    ]
    shown = list(range(len(HEADINGS)))
    for name in ("tuned", "cosine", "memory", "vs full", "ms/step"):
        if sum(widths[number] + 3 for number in shown) + 1 > width:
            shown.remove(HEADINGS.index(name))
    return shown


def print_tables(summary: Summary, console: Console) -> None:
    """On a terminal drawn to its width, in a log as Markdown."""
    if not console.is_terminal:
        console.print(markdown(summary), soft_wrap=True, markup=False, highlight=False, emoji=False)
        return
    for table in summary.tables:
        drawn = Table(title=heading(table), caption=table.protocol, title_justify="left", caption_justify="left")
        rows = [cells(table, row) for row in table.rows]
        shown = _that_fit(rows, console.width)
        for name in (HEADINGS[number] for number in shown):
            drawn.add_column(name, justify="right" if name in ("floor", "vs full", "cosine", "ms/step") else "left")
        for row, words in zip(table.rows, rows, strict=True):
            style = "" if row.kind == "run" else "italic dim"
            drawn.add_row(*(words[number].replace("[", "\\[") for number in shown), style=style)
        console.print(drawn)
    console.print(
        f"Measured on: {summary.machine}. What the columns mean stands below the table in table.md.", style="dim"
    )
