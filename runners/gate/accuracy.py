"""Tier 2: whether the smoke suite still reaches its scores, seed by seed.

The same seeds give the same scores up to rounding, on other machines too, so scores are compared in pairs. What blocks
is worse by more than rounding can do *and* more than the seeds' differences explain. A pass says that training works as
it did on one small task with an rnn; it says nothing of how well an algorithm learns.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from throughtime.runners.execution.run import run_suite
from throughtime.runners.records.temporary import temporary_folder
from throughtime.runners.showing.statistics import holm, paired_difference
from throughtime.runners.suite.suite import Suite, load_suite

from .baseline import Baseline, Made, read, update_command, write
from .scores import Scores, scores_of
from .verdict import Verdict, change, table

FILE = "smoke.json"
ABOUT = "The smoke suite's test scores by seed, as `throughtime check --update` writes them."

SEEDS = 8
LEVEL = 0.01
"""How often any row may seem worse by chance where the code changes its random numbers (Holm 1979, over all rows)."""

RELEVANT = 1e-3
"""The least relative change of a mean score that counts: other processors' rounding was seen to change it by 1e-6."""


Finding = Literal["", "worse", "better", "differs", "broken", "mended", "not compared"]


class Smoke(Baseline):
    """The suite's rows by name."""

    rows: dict[str, Scores] = Field(min_length=1)


@dataclass(frozen=True)
class Row:
    """One row against its reference.

    Attributes:
        name: the row.
        before: its mean score over the seeds that both have.
        now: the same of this code.
        p: of the paired t-test that it is not worse, corrected for the number of rows.
        finding: the word for it; only "worse" and "broken" block.
        reason: of "broken" and "not compared".
    """

    name: str
    before: float
    now: float
    p: float
    finding: Finding
    reason: str = ""


def smoke(seeds: int = SEEDS) -> Suite:
    """The smoke suite on more seeds than it has of its own."""
    suite = load_suite("smoke")
    more = tuple(one.model_copy(update={"seeds": seeds, "evaluations": 1}) for one in suite.experiments)
    return suite.model_copy(update={"experiments": more})


def train(suite: Suite) -> dict[str, Scores]:
    """Run a suite, and return its rows by name."""
    with temporary_folder() as folder:
        run_suite(suite, folder)
        return scores_of(folder)


def compare(before: Mapping[str, Scores], now: Mapping[str, Scores]) -> list[Row]:
    """Row by row; those that only one side has are left out."""
    common = [name for name in before if name in now]
    tested = [name for name in common if not _obstacle(before[name], now[name])]
    one_sided = [_worse_p(before[name], now[name]) for name in tested]
    p = dict(zip(tested, holm(one_sided), strict=True))
    return [_row(name, before[name], now[name], p.get(name, math.nan)) for name in common]


def check(reference: Path, *, update: bool = False, suite: Suite | None = None) -> Verdict:
    """Train, compare with the baseline in a directory, and say what that means; `update` makes it the baseline."""
    path, anew = reference / FILE, update_command(reference)
    baseline = read(Smoke, path)
    now, here = train(suite or smoke()), Made.here()
    known = baseline.rows if baseline else {}
    rows = compare(known, now)
    new = [name for name in now if name not in known]
    vanished = [name for name in known if name not in now]
    lines = _table(rows) if rows else []
    for reason in dict.fromkeys(row.reason for row in rows if row.reason):
        lines.append(f"{', '.join(row.name for row in rows if row.reason == reason)}: {reason}")
    lines += [f"new: {name}" for name in new] if baseline else []
    lines += [f"vanished: {name}, which the baseline has" for name in vanished]
    data = {"rows": [asdict(row) for row in rows], "new": new, "vanished": vanished}
    runs = f"{sum(len(row.status) for row in now.values())} runs"
    if update:
        write(Smoke(about=ABOUT, made=here, rows=now), path)
        return Verdict(2, "pass", f"{path} now has the scores of {runs}, {here}; commit it", tuple(lines), data)
    if baseline is None:
        said = f"there is no baseline {path}; make one: {anew}"
        return Verdict(2, "not compared", said, tuple(lines), data)
    bad = [row.name for row in rows if row.finding in ("worse", "broken")]
    if (baseline.made.torch, baseline.made.platform) != (here.torch, here.platform):
        said = (
            f"the baseline was made with {baseline.made}, this is {here}: {len(bad)} rows differ for the worse, which "
            f"may be torch's doing; compare there, or make a new one from code you trust: {anew}"
        )
        return Verdict(2, "not compared", said, tuple(lines), data)
    if bad or vanished:
        parts = [f"{len(bad)} of {len(rows)} rows are worse or broken"] if bad else []
        parts += [f"{len(vanished)} rows vanished"] if vanished else []
        lines.append(f"mend it, or accept what is meant: {anew}, and commit the difference")
        return Verdict(2, "fail", ", ".join(parts), tuple(lines), data)
    compared = [row for row in rows if row.finding != "not compared"]
    if not compared:
        said = f"no row of {path} has this suite's settings; make it anew: {anew}"
        return Verdict(2, "not compared", said, tuple(lines), data)
    moved = [row for row in compared if row.finding]
    exact = "" if moved else ", to rounding" if all(_same(row) for row in compared) else ""
    said = f"{runs} train as well as those of {path}{exact}"
    record = f"; to record: {len(moved) + len(new)}, {anew}" if moved or new else ""
    return Verdict(2, "pass", said + record, tuple(lines), data)


def _common(before: Scores, now: Scores) -> list[int]:
    return sorted(before.scores.keys() & now.scores)


def _obstacle(before: Scores, now: Scores) -> str:
    """Why the scores can't be tested; empty where they can."""
    if before.settings != now.settings:
        return "the suite's settings are not the baseline's"
    if lost := _lost(before, now):
        return f"seed {lost[0]} ended with a score, and now as {now.status[lost[0]]}: {len(lost)} runs in all"
    if not _common(before, now):
        return "there is no seed that ended with a score in both"
    return ""


def _worse_p(before: Scores, now: Scores) -> float:
    """One-sided p of the paired t-test; 1 with a single seed, which tells nothing."""
    found = paired_difference(now.scores, before.scores)
    if found is None or math.isnan(found.p):
        return 1.0
    worse = found.interval.mean > 0 if before.better == "lower" else found.interval.mean < 0
    return found.p / 2 if worse else 1 - found.p / 2


def _row(name: str, before: Scores, now: Scores, p: float) -> Row:
    reason, seeds = _obstacle(before, now), _common(before, now)
    was, now_is = (
        math.fsum(one.scores[seed] for seed in seeds) / len(seeds) if seeds else math.nan for one in (before, now)
    )
    finding: Finding = ""
    if reason:
        finding = "broken" if _lost(before, now) and before.settings == now.settings else "not compared"
    elif any(seed in before.status for seed in now.scores.keys() - before.scores):
        finding, reason = "mended", "runs that had no score have one"
    elif abs(now_is - was) > RELEVANT * abs(was):
        worse = (now_is > was) == (before.better == "lower")
        finding = "better" if not worse else "worse" if p < LEVEL else "differs"
    return Row(name, was, now_is, p, finding, reason)


def _lost(before: Scores, now: Scores) -> list[int]:
    """The seeds that had a score and have none."""
    return [seed for seed in before.scores if seed in now.status and seed not in now.scores]


def _same(row: Row) -> bool:
    return abs(row.now - row.before) <= 1e-5 * abs(row.before)


def _table(rows: list[Row]) -> list[str]:
    cells = [
        (row.name, f"{row.before:.5f}", f"{row.now:.5f}", change(row.before, row.now), f"{row.p:.2g}", row.finding)
        for row in rows
    ]
    return table(["row", "before", "now", "change", "p, worse", ""], cells)
