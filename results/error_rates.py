"""Measures how often what a table says over seeds is wrong: ``python results/error_rates.py``, about two minutes.

Scores are drawn of several shapes, and intervals, marks and verdicts made of them by the functions that make the
tables: of seven rows that are one and the same algorithm, whose median, or mean, is the reference to beat. The draws
repeat, and so do the files.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from throughtime.runners.showing.statistics import corrected, interval, paired_difference
from throughtime.runners.showing.verdicts import Scores, verdicts
from throughtime.tasks import Metric, Reference

FOLDER = Path(__file__).resolve().parent / "reference" / "statistics"
SEEDS = range(3, 11)
ROWS = 7
INTERVALS, TABLES, FOUND = 20_000, 3_000, 500
APART = 2.0
"""By how many standard deviations of a score the better row of a table is better."""


@dataclass(frozen=True)
class Shape:
    """A distribution of scores: what draws an array of a size, and its moments."""

    draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
    mean: float
    median: float
    deviation: float


def _two_modes(share: float) -> Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]:
    return lambda rng, size: 10.0 * (rng.random(size) < share) + rng.normal(size=size)


def _deviation(share: float) -> float:
    return math.sqrt(1 + 100 * share * (1 - share))


SHAPES = {
    "normal": Shape(lambda rng, size: rng.normal(size=size), 0.0, 0.0, 1.0),
    "lognormal (σ = 1)": Shape(
        lambda rng, size: rng.lognormal(size=size), math.exp(0.5), 1.0, math.sqrt((math.e - 1) * math.e)
    ),
    "two modes, half and half": Shape(_two_modes(0.5), 5.0, 5.0, _deviation(0.5)),
    "two modes, one run in five fails": Shape(_two_modes(0.2), 2.0, 0.31863936396437515, _deviation(0.2)),
}
"""The last one's median is where the normal distribution of four runs in five has reached 0.5 / 0.8."""

COLUMNS = {
    "coverage": "mean in interval",
    "difference": "wrong difference",
    "beats": "wrong verdict",
    "any": "any wrong mark",
    "beats, of means": "wrong of means",
    "difference found": "difference found",
    "beats found": "verdict found",
}


LEGEND = f"""\
Per cent, of {INTERVALS:,} 95 % intervals and of {TABLES:,} tables of {ROWS} rows that are one and the same algorithm.
*wrong difference*: some row is said to differ from the first. *wrong verdict*: some row is said to beat the median of
its own distribution; *any wrong mark*: either. *wrong of means*: some row is said to beat the mean of its distribution,
for who reads "beats" as a claim on means. Verdicts are counted where lower and where higher is better, and the worse is
told. *found*: of {FOUND} tables in which one row is better than the others by {APART:g} standard deviations of a
score, how often it is said to differ, and to beat their median."""


def measured(
    shape: Shape, seeds: int, tables: int = TABLES, intervals: int = INTERVALS, found: int = FOUND
) -> dict[str, float]:
    """The shares of each column of `COLUMNS`, of scores of a shape on so many seeds."""
    rng = np.random.default_rng(seeds)
    samples = shape.draw(rng, (intervals, seeds)).tolist()
    inside = [one.low <= shape.mean <= one.high for one in map(interval, samples)]
    alike = shape.draw(rng, (tables, ROWS, seeds)).tolist()
    differs = np.array([any(_differences(table)) for table in alike])
    beats = _beats(alike, shape.median)
    of_means = _beats(alike, shape.mean)
    better = shape.draw(rng, (found, ROWS, seeds))
    better[:, 1] -= APART * shape.deviation
    return {
        "coverage": float(np.mean(inside)),
        "difference": float(differs.mean()),
        "beats": float(beats.mean(axis=1).max()),
        "any": float((differs | beats).mean(axis=1).max()),
        "beats, of means": float(of_means.mean(axis=1).max()),
        "difference found": float(np.mean([_differences(table)[0] for table in better.tolist()])),
        "beats found": float(np.mean([_beaten(table, shape.median, "lower")[1] for table in better.tolist()])),
    }


def _differences(table: Sequence[Sequence[float]]) -> list[bool]:
    """Of every row but the first, full's: whether its difference to that is said to be one."""
    full, *others = (dict(enumerate(row)) for row in table)
    return [bool(one and one.supported) for one in corrected([paired_difference(row, full) for row in others])]


def _beats(tables: Sequence[Sequence[Sequence[float]]], reference: float) -> np.ndarray:
    """Of each table whether some row is said to beat a reference, (2, tables): where lower is better, and higher."""
    return np.array([[any(_beaten(table, reference, better)) for table in tables] for better in ("lower", "higher")])


def _beaten(table: Sequence[Sequence[float]], reference: float, better: str) -> list[bool]:
    metric = Metric("a score", "lower" if better == "lower" else "higher")
    to_beat = [Reference("reference", reference, "baseline", "the distribution")]
    return [bool(one.beaten) for one in verdicts([Scores(dict(enumerate(row))) for row in table], metric, to_beat)]


def report(frame: pd.DataFrame) -> str:
    """The table as Markdown."""
    rows = [
        {"scores": row["shape"], "seeds": str(row["seeds"])}
        | {words: f"{100 * row[name]:.1f}" for name, words in COLUMNS.items()}
        for _, row in frame.iterrows()
    ]
    body = pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
    return f"{body}\n\n{LEGEND}\n"


def main(folder: Path = FOLDER) -> None:
    """Measure, and write both files."""
    lines = []
    for name, shape in SHAPES.items():
        for seeds in SEEDS:
            lines.append({"shape": name, "seeds": seeds, **measured(shape, seeds)})
            print(*lines[-1].values(), flush=True)
    frame = pd.DataFrame(lines)
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / "coverage.csv", index=False)
    (folder / "coverage.md").write_text(report(frame), encoding="utf-8")


if __name__ == "__main__":
    main()
