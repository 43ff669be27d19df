"""``check --results``: a suite's results beside the committed ones, to see what moved more than its seeds explain.

Another processor rounds otherwise, so the same seeds end at somewhat other scores. A row has moved where the interval
of the mean difference, paired by seed and wide enough for all rows together, leaves zero out, and by more than rounding
was ever seen to do.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy import stats

from throughtime.parts import BadInput
from throughtime.runners.records.manifest import RunStore

from .accuracy import LEVEL, RELEVANT
from .scores import Scores, scores_of
from .verdict import Verdict, change, table

Finding = Literal["", "moved", "broken", "mended", "one seed", "not compared"]


@dataclass(frozen=True)
class Row:
    """One row against the committed one.

    Attributes:
        name: the row.
        before: its mean score over the seeds that both have; now: of these results.
        low: the least mean difference that the seeds allow, and high: the largest; nan with fewer than two seeds.
        finding: the word for it; "moved" and "broken" block.
    """

    name: str
    before: float
    now: float
    low: float
    high: float
    finding: Finding


def compare(before: Mapping[str, Scores], now: Mapping[str, Scores]) -> list[Row]:
    """Row by row; those that only one side has are left out."""
    common = [name for name in before if name in now]
    return [_row(name, before[name], now[name], rows=len(common)) for name in common]


def _row(name: str, before: Scores, now: Scores, *, rows: int) -> Row:
    seeds = sorted(before.scores.keys() & now.scores)
    one, other = (np.array([scores.scores[seed] for seed in seeds]) for scores in (before, now))
    was, is_now = (float(values.mean()) if seeds else math.nan for values in (one, other))
    low, high = _interval(other - one, LEVEL / rows)
    finding: Finding = ""
    if before.settings != now.settings or not (seeds or before.scores):
        finding = "not compared"
    elif before.scores.keys() & now.status.keys() - now.scores.keys():
        finding = "broken"
    elif now.scores.keys() & before.status.keys() - before.scores.keys():
        finding = "mended"
    elif not seeds:
        finding = "not compared"
    elif abs(is_now - was) > RELEVANT * abs(was):
        finding = "one seed" if math.isnan(low) else "moved" if low > 0 or high < 0 else ""
    return Row(name, was, is_now, low, high, finding)


def _interval(differences: np.ndarray, level: float) -> tuple[float, float]:
    """Of the mean, by Student's t, wrong as often as the level says."""
    if len(differences) < 2:
        return math.nan, math.nan
    mean, error = float(differences.mean()), float(differences.std(ddof=1)) / math.sqrt(len(differences))
    reach = float(stats.t.ppf(1 - level / 2, len(differences) - 1)) * error
    return mean - reach, mean + reach


def check(directory: Path, reference: Path) -> Verdict:
    """Compare results with the committed ones of the same suite, and say what that means.

    Args:
        directory: as `throughtime run` writes it.
        reference: where the committed results are, a folder a suite; or one suite's folder.
    """
    name = RunStore.open(directory).manifest().suite.tiered_name
    committed = reference if RunStore(reference).has_manifest() else reference / name
    if not RunStore(committed).has_manifest():
        raise BadInput(
            f"there are no committed results of {name} in {str(reference)!r}; give --reference DIR, a folder that "
            f"holds {name}/manifest.json"
        )
    before, now = scores_of(committed), scores_of(directory)
    rows = compare(before, now)
    missing, new = [one for one in before if one not in now], [one for one in now if one not in before]
    lines = _table(rows) if rows else []
    lines += [f"missing: {one}, which {committed} has" for one in missing]
    lines += [f"new: {one}" for one in new]
    bad = [row.name for row in rows if row.finding in ("moved", "broken")]
    data = {"rows": [asdict(row) for row in rows], "missing": missing, "new": new}
    judged = [row for row in rows if row.finding not in ("not compared", "one seed")]
    if bad or missing:
        parts = [f"moved more than its seeds explain, or broke: {', '.join(bad)}"] if bad else []
        parts += [f"{len(missing)} rows are missing"] if missing else []
        return Verdict("results", "fail", "; ".join(parts), tuple(lines), data)
    if not judged:
        said = f"no row of {directory} has the settings of {committed}, and seeds enough"
        return Verdict("results", "not compared", said, tuple(lines), data)
    said = f"{len(judged)} rows of {directory} are those of {committed}, as far as their seeds tell"
    return Verdict("results", "pass", said, tuple(lines), data)


def _table(rows: list[Row]) -> list[str]:
    words = [
        (row.name, f"{row.before:.5f}", f"{row.now:.5f}", change(row.before, row.now), _range(row), row.finding)
        for row in rows
    ]
    return table(["row", "committed", "here", "change", "difference that seeds allow", ""], words)


def _range(row: Row) -> str:
    return "" if math.isnan(row.low) else f"[{row.low:+.2g}, {row.high:+.2g}]"
