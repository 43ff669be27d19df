"""Costs as tables: the exponents beside theory's, then every point; for reading and for computing."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console

from throughtime.runners.records.files import write_text
from throughtime.runners.showing.words import (
    bytes_in_words,
    draw,
    markdown_table,
    memory_in_words,
    number_in_words,
    say,
)
from throughtime.runners.training.timing import Spread

from .point import Axis, Cost
from .scaling import FITTED, TOLERANCE, Quantity, Scaling
from .store import Costs, Line, load_costs
from .suite import AXES, LETTERS

POINT_HEADINGS = ["cell", "algorithm", "T", "n", "B", "ms/step", "CPU ms/step", "memory", "carry", "MFLOP/step"]
POINT_HEADINGS += ["ops/step", "status"]
SCALING_HEADINGS = ["cell", "algorithm", "held", "FLOPs", "theory", "memory", "theory ", "time", "verdict"]
"""The blank tells the second "theory" from the first."""

LEGEND = f"""\
- Exponents: a cost ∝ size^p; p is the slope through the logarithms over the {FITTED} largest sizes. FLOPs and memory
  are exact counts of all updates of a whole batch, so their exponents repeat exactly; time is a measurement of this
  machine, and at these sizes much of it is overhead that does not grow.
- verdict: "agrees" where every counted exponent is within {TOLERANCE:g} of theory. "1–2": two terms compete, and
  which of them leads depends on the sizes.
- ms/step: median wall time [quartiles] of one time step of the whole batch, updates included, no optimizer. One torch
  thread; imports, first calls and counting are off the clock, and a GPU is synchronised at both ends.
- memory: the most bytes alive at once during the updates, beyond parameters and data: live storages on a CPU, the
  allocator's on a GPU; where it is random, the mean over draws and the most. carry: what stays alive from one batch of
  a stream to the next; a view of a batch's inputs keeps all of them.
- MFLOP: of matrix products alone, by torch's formulas. ops: operators dispatched.
"""


def scaling_rows(line: Line) -> list[str]:
    """A line's words under `SCALING_HEADINGS`."""
    found = line.scaling
    return [
        found.cell,
        found.algorithm,
        found.held,
        *_beside(found, "flops"),
        *_beside(found, "peak_bytes"),
        _exponent(found.time),
        found.verdict + (f" ({line.failures})" if line.failures else ""),
    ]


def _beside(found: Scaling, quantity: Quantity) -> tuple[str, str]:
    law = found.laws.get(quantity)
    return _exponent(found.measured[quantity]), "–" if law is None else str(law)


def _exponent(value: float | None) -> str:
    return "–" if value is None else f"{value + 0.0:.2f}".replace("-0.00", "0.00")


def point_row(cost: Cost) -> list[str]:
    """A point's words under `POINT_HEADINGS`."""
    p = cost.point
    return [
        p.cell,
        p.algorithm,
        *(str(getattr(p, axis)) for axis in AXES),
        _milliseconds(cost.wall),
        "" if cost.cpu is None else number_in_words(1e3 * cost.cpu.median),
        memory_in_words(cost.peak_bytes, cost.mean_peak_bytes),
        "" if cost.carry_bytes is None else bytes_in_words(cost.carry_bytes),
        "" if cost.flops is None else number_in_words(cost.flops / p.length / 1e6),
        "" if cost.ops is None else number_in_words(cost.ops / p.length),
        f"{cost.status}: {cost.reason}" if cost.reason else cost.status,
    ]


def _milliseconds(spread: Spread | None) -> str:
    if spread is None:
        return ""
    median, lower, upper = (number_in_words(1e3 * value) for value in (spread.median, spread.lower, spread.upper))
    return f"{median} [{lower}, {upper}]"


def _along(costs: Costs) -> dict[Axis, list[Line]]:
    lines: dict[Axis, list[Line]] = {axis: [] for axis in AXES}
    for line in costs.lines:
        lines[line.sweep.axis].append(line)
    return {axis: found for axis, found in lines.items() if found}


def _points(costs: Costs) -> list[Cost]:
    return list({cost.key: cost for line in costs.lines for cost in line.costs}.values())


def _title(axis: Axis) -> str:
    names = {"length": "the length T", "hidden_size": "the hidden size n", "batch_size": "the batch size B"}
    return f"Exponents in {names[axis]}: measured from exact counts, beside theory"


def reasons(lines: Sequence[Line]) -> list[str]:
    """Why theory says so, once for each algorithm and quantity."""
    words = {"flops": "FLOPs", "peak_bytes": "memory"}
    told = {}
    for line in lines:
        for quantity, law in line.scaling.laws.items():
            told[f"{line.algorithm}, {words[quantity]} in {LETTERS[line.sweep.axis]}"] = f"{law}: {law.reason}"
    return [f"- {what}: {why}" for what, why in told.items()]


def markdown(costs: Costs) -> str:
    """The tables as Markdown."""
    parts = [f"### {costs.suite.title}", f"Measured on: {costs.measured_on}."]
    for axis, lines in _along(costs).items():
        parts += [f"**{_title(axis)}**", markdown_table(SCALING_HEADINGS, [scaling_rows(line) for line in lines])]
        parts += ["\n".join(reasons(lines))]
    parts += ["**Every point**", markdown_table(POINT_HEADINGS, [point_row(cost) for cost in _points(costs)])]
    return "\n\n".join([*parts, LEGEND])


COUNTED = ("rounds", "peak_bytes", "mean_peak_bytes", "carry_bytes", "flops", "ops")


def csv(costs: Costs) -> str:
    """Every point with unrounded numbers, in seconds, bytes and operations of the whole batch's updates."""
    lines = []
    for cost in _points(costs):
        fields = cost.point.model_dump(exclude={"rounds", "seconds"})
        for name, spread in (("wall", cost.wall), ("cpu", cost.cpu)):
            for part in ("median", "lower", "upper"):
                fields[f"{name}_per_step_{part}"] = None if spread is None else getattr(spread, part)
        counted = cost.model_dump(include={*COUNTED, "status", "reason"})
        lines.append({**fields, **counted})
    return pd.DataFrame(lines).to_csv(index=False)


def scaling_csv(costs: Costs) -> str:
    """Every exponent with the range that theory allows."""
    lines = []
    for line in costs.lines:
        found = line.scaling
        about = {"cell": found.cell, "algorithm": found.algorithm, "axis": found.axis, "held": found.held}
        about |= {"sizes": " ".join(map(str, found.sizes)), "verdict": found.verdict}
        for quantity, measured in found.measured.items():
            law = found.laws.get(quantity)
            theory = {"theory_low": law.low if law else None, "theory_high": law.high if law else None}
            lines.append({**about, "quantity": quantity, "exponent": measured, **theory})
        lines.append({**about, "quantity": "time", "exponent": found.time})
    return pd.DataFrame(lines).to_csv(index=False)


FILES: dict[str, Callable[[Costs], str]] = {"table.md": markdown, "table.csv": csv, "scaling.csv": scaling_csv}


def write_tables(directory: str | Path) -> list[Path]:
    """Write table.md, table.csv and scaling.csv into the directory, each whole or not at all."""
    costs = load_costs(directory)
    return [write_text(Path(directory) / name, write(costs)) for name, write in FILES.items()]


def print_tables(costs: Costs, console: Console) -> None:
    """On a terminal the exponents, and each line's largest size; in a log everything, as Markdown."""
    if not console.is_terminal:
        say(console, markdown(costs))
        return
    for axis, lines in _along(costs).items():
        draw(console, _title(axis), SCALING_HEADINGS, [scaling_rows(line) for line in lines])
    largest = {cost.key: cost for line in costs.lines for cost in line.costs[-1:]}
    broken = {cost.key: cost for line in costs.lines for cost in line.costs if cost.status != "done"}
    rows = [point_row(cost) for cost in {**largest, **broken}.values()]
    draw(console, "The largest size of each sweep, and what is not done", POINT_HEADINGS, rows)
    told = f"Measured on: {costs.measured_on}. Every point, and what the columns mean: table.md."
    console.print(told, style="dim", markup=False)
