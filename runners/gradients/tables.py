"""What was measured as tables: an algorithm's fidelity at the end of its run, a cell's reach and dynamics, all of it
as tidy CSV.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from throughtime.runners.records.files import write_text
from throughtime.runners.records.manifest import GroupKeys
from throughtime.runners.showing.words import draw, markdown_table, number_in_words, say
from throughtime.runners.suite.ladder import end_of

from .point import TABLES, Measured
from .store import Gradients, open_gradients

FIDELITY = ["algorithm", "bias", "noise", "cosine", "signs", "norm", "signal to noise", "worst group", "stale cosine"]
FIDELITY += ["learning rate", "score", "status"]
NETWORK = ["cell", "algorithm", "moment", "90 % lag", "99 % lag", "decades a lag", "gain at last lag", "radius"]
NETWORK += ["λ1", "gradient norm", "largest", "clipped", "not finite"]

ROUNDING = 1e-5
"""A relative bias that float32 may have."""

LEGEND = """\
Every number is the mean over seeds, at parameters that are held still; the first table's are those of the end of
each algorithm's own run, and the CSV files have the start, halfway and each group of parameters too.

- bias: ‖E ĝ − g‖ / ‖g‖, ± its standard error where the algorithm draws at random; g is the exact gradient of the same
  batch. The mean's own noise is taken off. noise: √(tr Var ĝ) / ‖g‖ of one draw.
- cosine, signs, norm: of one draw with the exact gradient: the cosine, the share of parameters with its sign, the ratio
  of the norms, means over draws. signal to noise: ‖E ĝ‖ / √(tr Var ĝ).
- worst group: the group of parameters with the largest relative bias that is beyond four standard errors: input,
  recurrent, bias, readout, or a gate.
- stale cosine: the second half of a batch after the first was learned from at the run's learning rate: the cosine of
  what is made with the carry to the exact gradient at today's parameters; in brackets with still parameters.
- learning rate: the best of tuning, which the run was made at; (highest), (lowest): at an end of all that were tried.
- 90 % lag: beyond it and every further one lies less than a tenth of the cell's gradient: truncated BPTT with k1 = 1
  needs a k2 of one more. –: the gradient is zero, or its loss judges whole windows. decades a lag: the slope of
  log10 ‖∂ℓ_t/∂s_{t−k}‖ against the lag k; gain at last lag: it as a multiple of that at lag 0, at the end of the batch.
- radius: the spectral radius of ∂s_t/∂s_{t−1}, the mean along the batch; λ1: the first Lyapunov exponent in nats a
  step, along the batch. gradient norm: the median over the run's updates before clipping; largest: the largest.
"""


def markdown(found: Gradients) -> str:
    """All tables as Markdown."""
    parts = [f"### {found.suite.title}", f"Measured on: {found.measured_on}."]
    for (task, cell, forcing), groups in _blocks(found).items():
        title = f"**{task}, {cell}{'' if forcing == 'teacher' else f', {forcing}'}: fidelity at the end**"
        parts += [title, markdown_table(FIDELITY, [fidelity_row(found, group) for group in groups])]
    parts += ["**How far back, and how alive**", markdown_table(NETWORK, network_rows(found))]
    return "\n\n".join([*parts, LEGEND])


def _blocks(found: Gradients) -> dict[tuple[str, str, str], list[GroupKeys]]:
    blocks: dict[tuple[str, str, str], list[GroupKeys]] = {}
    for group in found.manifest.groups:
        blocks.setdefault((group.task, group.cell, group.forcing), []).append(group)
    return blocks


def fidelity_row(found: Gradients, group: GroupKeys) -> list[str]:
    """A row's words under `FIDELITY`."""
    records = found.of(group)
    frame = _at_end(records, "fidelity")
    frame = frame[frame["against"] == "batch"] if len(frame) else frame
    status = _status(records, len(group.report))
    if not len(frame):
        return [group.algorithm, *[""] * (len(FIDELITY) - 2), status]
    whole = frame[frame["group"] == "all"]
    bias, error = _mean(whole, "relative bias"), _mean(whole, "relative bias ±")
    noise = _mean(whole, "relative variance")
    parts = frame[~frame["group"].isin(["all", "cell"])].astype({"relative bias": float, "relative bias ±": float})
    seen = parts[parts["relative bias"] > 4 * parts["relative bias ±"] + ROUNDING]
    worst = seen.groupby("group", sort=False)["relative bias"].mean().dropna()
    scores = [record.score for record in records if record.score is not None]
    return [
        group.algorithm,
        _number(bias) + (f" ± {_number(error)}" if error else ""),
        "0" if noise == 0 else _number(None if noise is None else math.sqrt(noise)),
        *(_number(_mean(whole, name)) for name in ("cosine", "sign agreement", "norm ratio", "signal to noise")),
        f"{worst.idxmax()} {_number(float(worst.max()))}" if len(worst) else "–",
        _stale(records),
        _rate(group),
        _number(sum(scores) / len(scores)) if scores else "–",
        status,
    ]


def _rate(group: GroupKeys) -> str:
    """What was chosen, and at which end of the ladder that stands."""
    if group.choice is None:
        return "–"
    rate = group.choice.learning_rate
    end = end_of(rate, group.rates)
    return f"{rate:g} ({end})" if end else f"{rate:g}"


def _stale(records: Sequence[Measured]) -> str:
    frame = _at_end(records, "stale")
    if not len(frame):
        return "–"
    rate = records[0].setting.run.learning_rate
    moving, still = (frame[frame["learning rate"] == each] for each in (rate, 0.0))
    return f"{_number(_mean(moving, 'cosine'))} ({_number(_mean(still, 'cosine'))})"


def network_rows(found: Gradients) -> list[list[str]]:
    """For each cell that full BPTT trained, or else the first algorithm, the words under `NETWORK`."""
    rows = []
    for (task, cell, forcing), groups in _blocks(found).items():
        group = next((one for one in groups if one.algorithm == "full"), groups[0])
        records = found.of(group)
        about = " · ".join(word for word in (cell, task, forcing) if word != "teacher")
        for moment in ("start", "halfway", "end"):
            alive, far = (_at(records, table, moment) for table in ("dynamics", "reach"))
            if not len(alive):
                continue
            last = far[far["lag"] == far["lag"].max()]
            rate = _mean(alive, "rate")
            row = [about, group.algorithm, moment, *(_lag(alive[name]) for name in ("lag 90", "lag 99"))]
            row += [_number(None if rate is None else rate / math.log(10)), _number(_mean(last, "gain"))]
            row += [_number(_mean(alive, name)) for name in ("radius", "exponent 1")]
            rows.append([*row, *(_norms(records) if moment == "end" else [""] * 4)])
    return rows


def _norms(records: Sequence[Measured]) -> list[str]:
    frame = pd.concat([_frame(record, "training") for record in records])
    if not len(frame):
        return [""] * 4
    largest = frame["largest"].astype(float).max()
    median = frame["q50"].astype(float).median()
    return [
        _number(median),
        _number(largest),
        *(f"{100 * (_mean(frame, n) or 0):.0f} %" for n in ("clipped", "not finite")),
    ]


def _lag(column: pd.Series) -> str:
    values = column.astype(float).dropna()
    return f"{values.median():g}" if len(values) and 2 * len(values) >= len(column) else "–"


def _frame(record: Measured, table: str) -> pd.DataFrame:
    return pd.DataFrame(record.tables.get(table, {}))


def _at(records: Sequence[Measured], table: str, moment: str) -> pd.DataFrame:
    frames = [frame for record in records if len(frame := _frame(record, table))]
    joined = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    return joined[joined["moment"] == moment] if len(joined) else joined


def _at_end(records: Sequence[Measured], table: str) -> pd.DataFrame:
    return _at(records, table, "end")


def _mean(frame: pd.DataFrame, column: str) -> float | None:
    values = frame[column].astype(float).dropna()
    return float(values.mean()) if len(values) else None


def _number(value: float | None) -> str:
    """Three digits; 0 of what is rounding.

    >>> _number(0.12345), _number(3e-16), _number(None), _number(-2.5e-7)
    ('0.123', '0', '–', '-2.5e-07')
    """
    if value is None or math.isnan(value):
        return "–"
    return "0" if abs(value) < 1e-12 else number_in_words(value)


def _status(records: Sequence[Measured], planned: int) -> str:
    ended = [record.status for record in records] + ["not measured yet"] * (planned - len(records))
    words = ", ".join(f"{ended.count(one)} {one}" for one in dict.fromkeys(ended))
    reason = next((record.reason for record in records if record.reason), "")
    return f"{words}: {reason}" if reason else words


def write_tables(directory: str | Path) -> list[Path]:
    """Write table.md and a CSV file for each of `TABLES` into the directory, each whole or not at all."""
    found = open_gradients(directory)
    files: dict[str, Any] = {"table.md": markdown(found)}
    files |= {f"{table}.csv": found.frame(table).to_csv(index=False) for table in TABLES}
    return [write_text(Path(directory) / name, text) for name, text in files.items()]


def print_tables(found: Gradients, console: Console) -> None:
    """On a terminal the fidelity of each row and the networks' reach; in a log everything, as Markdown."""
    if not console.is_terminal:
        say(console, markdown(found))
        return
    short = [0, 1, 2, 3, 6, 7, 9, 10, 11]
    for (task, cell, forcing), groups in _blocks(found).items():
        rows = [fidelity_row(found, group) for group in groups]
        title = f"{task}, {cell}, {forcing}: fidelity at the end"
        draw(console, title, [FIDELITY[k] for k in short], [[row[k] for k in short] for row in rows])
    shown = [0, 2, 3, 5, 6, 7, 8]
    rows = [[row[k] for k in shown] for row in network_rows(found)]
    draw(console, "How far back, and how alive", [NETWORK[k] for k in shown], rows)
    told = f"Measured on: {found.measured_on}. Every figure, and what the columns mean: table.md."
    console.print(told, style="dim", markup=False)
