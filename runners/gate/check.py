"""`throughtime check`: the tiers one after the other, each said as it ends, and the exit code that follows."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from throughtime.parts import BadInput
from throughtime.runners.records.machine import busy, load_in_words

from . import accuracy, counters, moved, times
from .baseline import Made, where
from .checkout import describe, resolve
from .paired import Effort
from .verdict import Verdict

TITLES = {
    0: "exact counts of every benchmark",
    1: "time, base and head in turns",
    2: "accuracy of the smoke suite, seed by seed",
}


def run_check(
    reference: Path | None = None,
    *,
    tiers: Sequence[int] = (),
    against: str | None = None,
    update: bool = False,
    sessions: int = times.FEWEST_SESSIONS,
    allow_missing: bool = False,
    report: Path | None = None,
    say: Callable[[str], object] = print,
) -> list[Verdict]:
    """Run the tiers asked for.

    Args:
        reference: the directory of the baselines; none: that of the checkout that this code is in.
        tiers: which; none: 0 and 2, and 1 where `against` is given.
        against: the commit that tier 1 compares with.
        update: make what is found the baselines of tiers 0 and 2.
        sessions: of tier 1.
        allow_missing: whether a tier that had nothing to compare with is let pass.
        report: a JSON file to be written with all that was found.
        say: is told of the progress and each verdict.
    """
    wanted = sorted(set(tiers)) or ([0, 1, 2] if against else [0, 2])
    _fits(wanted, against, update, sessions, report)
    baselines = where(reference) if {0, 2} & set(wanted) else None
    torch.set_num_threads(1)
    say(f"code: {describe()}; {Made.here()}, one thread")
    say(f"warning: {told}" if (told := busy()) else load_in_words())
    verdicts = []
    for tier in wanted:
        say(f"\nTier {tier}: {TITLES[tier]}")
        if tier == 1:
            assert against is not None
            verdict = times.check(against, effort=Effort(sessions=sessions), say=lambda text: say(f"  {text}"))
        else:
            assert baselines is not None
            verdict = (counters if tier == 0 else accuracy).check(baselines, update=update)
        say(str(verdict))
        verdicts.append(verdict)
    _end(verdicts, allow_missing, report, say)
    return verdicts


def check_results(
    directory: Path,
    reference: Path | None = None,
    *,
    allow_missing: bool = False,
    report: Path | None = None,
    say: Callable[[str], object] = print,
) -> Verdict:
    """Compare a directory of results with the committed ones; all else as of `run_check`."""
    _check_report(report)
    verdict = moved.check(directory, where(reference))
    say(str(verdict))
    _end([verdict], allow_missing, report, say)
    return verdict


def failed(verdicts: Sequence[Verdict], *, allow_missing: bool = False) -> bool:
    """Whether any of them blocks. To find nothing to compare with is no success: a check might do so for ever."""
    passing = ("pass", "not compared") if allow_missing else ("pass",)
    return any(verdict.outcome not in passing for verdict in verdicts)


def _end(verdicts: Sequence[Verdict], allow_missing: bool, report: Path | None, say: Callable[[str], object]) -> None:
    missing = [verdict.name for verdict in verdicts if verdict.outcome == "not compared"]
    if missing and not allow_missing:
        say(f"\n{', '.join(missing)}: nothing was compared, and that is a failure; --allow-missing lets it pass")
    if report is not None:
        _write(report, verdicts, passed=not failed(verdicts, allow_missing=allow_missing))


def _fits(tiers: Sequence[int], against: str | None, update: bool, sessions: int, report: Path | None) -> None:
    """`BadInput` where the options contradict each other or name what is not there, before a minute is spent."""
    for tier in tiers:
        if tier not in TITLES:
            raise BadInput(f"there is no tier {tier}; there is: 0 (counts), 1 (time), 2 (accuracy)")
    if 1 in tiers and update:
        raise BadInput("tier 1 keeps no baseline that --update could write: give --update without --against")
    if 1 in tiers and against is None:
        raise BadInput("tier 1 compares with a commit: name it with --against, such as --against main")
    if against is not None and 1 not in tiers:
        raise BadInput(f"--against {against} is tier 1's, which --tier leaves out: add --tier 1, or leave it out")
    if sessions < times.FEWEST_SESSIONS:
        raise BadInput(
            f"--sessions {sessions} is too few: one odd session would decide; give {times.FEWEST_SESSIONS} or more"
        )
    _check_report(report)
    if against is not None:
        resolve(against)


def _check_report(report: Path | None) -> None:
    if report is not None and (report.is_dir() or not report.parent.is_dir()):
        raise BadInput(f"--json writes a file, and {str(report)!r} can't be one: name a file in a folder that exists")


def _write(path: Path, verdicts: Sequence[Verdict], *, passed: bool) -> None:
    content = {
        "code": describe(),
        "made": Made.here().model_dump(),
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg(),
        "passed": passed,
        "tiers": [asdict(verdict) for verdict in verdicts],
    }
    try:
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadInput(f"the report can't be written to {str(path)!r}: {error.strerror}") from None
