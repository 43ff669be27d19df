"""Measures how often what a table says over seeds is wrong: ``python results/error_rates.py``, about three minutes.

Scores are drawn of several shapes, and intervals, marks and verdicts made of them by the functions that make the
tables: of seven rows that are one and the same algorithm, whose median, or mean, is the reference to beat. Then the
losses of small tests are drawn, on which seven rows and a reference are alike in the long run. The draws repeat, and so
do the files.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from throughtime.runners.showing.statistics import corrected, interval, paired_difference
from throughtime.runners.showing.verdicts import Scores, sampling_error, verdicts
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

TARGETS = (24, 35, 100, 626)
"""Of a test: those of the two windows of sunspots, and of the monthly ones; between them, a hundred."""

NEIGHBOURS = {"0": 0.0, "1/2": 0.5}
"""The correlation of a target's loss with the one before, as it is written."""

SMALL_SEEDS, SMALL_TABLES, OF_SEEDS = 9, 400, 0.05
"""Of a small test: runs a row, tables, and the deviation of a score over the seeds in that of one target's loss."""

SMALL_COLUMNS = {
    "difference": "wrong difference",
    "beats": "wrong verdict",
    "difference, seeds alone": "wrong difference by seeds alone",
    "beats, seeds alone": "wrong verdict by seeds alone",
}


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


SMALL_LEGEND = f"""\
Per cent of {SMALL_TABLES} tables whose {ROWS} rows, {SMALL_SEEDS} seeds each, and whose reference have on a test of so
many targets losses that are alike in the long run; *neighbours*: how a loss is correlated with the one before it.
*by seeds alone*: the same tables, had the test's error been left out."""


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


def measured_on_few_targets(targets: int, neighbours: float, tables: int = SMALL_TABLES) -> dict[str, float]:
    """The shares of each column of `SMALL_COLUMNS`, on tests of so many targets."""
    rng = np.random.default_rng([targets, int(100 * neighbours)])
    told = np.array([_on_few_targets(_losses(rng, targets, neighbours), rng) for _ in range(tables)])
    return dict(zip(SMALL_COLUMNS, told.mean(axis=0).tolist(), strict=True))


def _losses(rng: np.random.Generator, targets: int, neighbours: float) -> np.ndarray:
    """Of a reference and of each row at each target: with mean and variance 1, half of it common to them all."""
    drawn = rng.normal(size=(2 + ROWS, targets))
    for t in range(1, targets):
        drawn[:, t] = neighbours * drawn[:, t - 1] + math.sqrt(1 - neighbours**2) * drawn[:, t]
    return 1.0 + math.sqrt(0.5) * (drawn[0] + drawn[1:])


def _on_few_targets(losses: np.ndarray, rng: np.random.Generator) -> list[bool]:
    """Whether any row is said to differ from the first, to beat the reference, and both with the seeds' error alone."""
    metric = Metric("a score", "lower")
    known, *rows = losses
    scores = rows + OF_SEEDS * rng.normal(size=(SMALL_SEEDS, ROWS, 1))
    by_seed = [dict(enumerate(row.tolist())) for row in scores.mean(axis=2).T]
    told = []
    for kept in (True, False):
        judged = [
            Scores(own, losses=tuple(row) if kept else ())
            for own, row in zip(by_seed, scores.mean(axis=0).tolist(), strict=True)
        ]
        full, *others = judged
        errors = [sampling_error(metric, (one.mean, full.mean), 1, (one.losses, full.losses)) for one in others]
        pairs = zip(others, errors, strict=True)
        found = corrected([paired_difference(one.by_seed, full.by_seed, error) for one, error in pairs])
        reference = Reference("reference", float(known.mean()), "baseline", "", losses=tuple(known.tolist()))
        told.append(any(one and one.supported for one in found))
        told.append(any(one.beaten for one in verdicts(judged, metric, [reference], 1)))
    return told


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
    """The table over seeds as Markdown."""
    return _markdown(frame, {"shape": "scores", "seeds": "seeds"}, COLUMNS, LEGEND)


def report_of_small_tests(frame: pd.DataFrame) -> str:
    """The table of small tests as Markdown."""
    return _markdown(frame, {"targets": "targets", "neighbours": "neighbours"}, SMALL_COLUMNS, SMALL_LEGEND)


def _markdown(frame: pd.DataFrame, names: dict[str, str], shares: dict[str, str], legend: str) -> str:
    """What names a row, then its shares in per cent, each under its heading."""
    rows = [
        {words: str(row[name]) for name, words in names.items()}
        | {words: f"{100 * row[name]:.1f}" for name, words in shares.items()}
        for _, row in frame.iterrows()
    ]
    return f"{pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)}\n\n{legend}\n"


def main(folder: Path = FOLDER) -> None:
    """Measure, and write all files."""
    lines = []
    for name, shape in SHAPES.items():
        for seeds in SEEDS:
            lines.append({"shape": name, "seeds": seeds, **measured(shape, seeds)})
            print(*lines[-1].values(), flush=True)
    frame = pd.DataFrame(lines)
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / "coverage.csv", index=False)
    (folder / "coverage.md").write_text(report(frame), encoding="utf-8")
    lines = []
    for targets in TARGETS:
        for name, neighbours in NEIGHBOURS.items():
            found = measured_on_few_targets(targets, neighbours)
            lines.append({"targets": targets, "neighbours": name, **found})
            print(*lines[-1].values(), flush=True)
    frame = pd.DataFrame(lines)
    frame.to_csv(folder / "small_tests.csv", index=False)
    (folder / "small_tests.md").write_text(report_of_small_tests(frame), encoding="utf-8")


if __name__ == "__main__":
    main()
