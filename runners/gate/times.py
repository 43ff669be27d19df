"""Tier 1: whether head is slower than base, both timed now, in turns, on this machine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .cases import TIMED, Case
from .checkout import ROOT, Code, base_and_head
from .judge import THRESHOLD, faster, pooled, slower
from .paired import Effort, Measured, Pair, WorkerLost, measure
from .verdict import Verdict, table

FEWEST_SESSIONS = 3
"""With fewer, one odd session would decide."""


def check(
    ref: str,
    *,
    effort: Effort | None = None,
    cases: Sequence[Case] = TIMED,
    root: Path = ROOT,
    say: Callable[[str], object] = lambda text: None,
) -> Verdict:
    """Time a commit and the working tree side by side, and say whether the tree is slower.

    Args:
        ref: the commit, as git knows it.
        effort: how much is measured.
        cases: what is timed.
        root: the checkout.
        say: is told of the progress.
    """
    effort = effort or Effort()
    with base_and_head(ref, root) as (base, head):
        say(f"base: {base.name}")
        say(f"head: {head.name}")
        return compare(base, head, same_work(cases), effort, say)


def same_work(cases: Sequence[Case]) -> dict[str, Pair]:
    """The same workload on both sides."""
    return {str(case): Pair(case.workload, case.workload) for case in cases}


def compare(base: Code, head: Code, pairs: Mapping[str, Pair], effort: Effort, say: Callable[[str], object]) -> Verdict:
    """The verdict on two versions of the code."""
    try:
        return judge(measure(base.folder, head.folder, pairs, effort, say), pairs)
    except WorkerLost as error:
        if error.side == "head":
            return Verdict(1, "fail", f"head could not be timed: {error}", data={"error": str(error)})
        said = f"base {base.name} could not be timed, and there is nothing to compare with: {error}; give a later one"
        return Verdict(1, "not compared", said, data={"error": str(error)})


def judge(measured: Measured, expected: Mapping[str, object]) -> Verdict:
    """What measured times mean; `expected` names the benchmarks that head wants timed."""
    new = {name: why for name, why in measured.fails_in_base.items() if name not in measured.fails_in_head}
    broken = {name: why for name, why in measured.fails_in_head.items() if name not in measured.fails_in_base}
    neither = sorted(measured.fails_in_base.keys() & measured.fails_in_head)
    vanished = [name for name in measured.in_base if name not in expected]
    timed = {name: sessions for name, sessions in measured.sessions.items() if name not in {**new, **broken}}
    slow = [name for name, sessions in timed.items() if slower(sessions)]
    fast = [name for name, sessions in timed.items() if faster(sessions)]
    lines = _table(timed, slow, fast) if timed else []
    lines += [f"broken in head: {name} ({why})" for name, why in broken.items()]
    lines += [f"broken in both: {name} ({measured.fails_in_head[name]})" for name in neither]
    lines += [f"new, not timed in base: {name} ({why})" for name, why in new.items()]
    lines += [f"vanished: {name}, which base timed" for name in vanished]
    data: dict[str, Any] = {
        "threshold": THRESHOLD,
        "benchmarks": {
            name: {"ratio": pooled(sessions), "slower": name in slow, "sessions": [asdict(one) for one in sessions]}
            for name, sessions in timed.items()
        },
        "new": new,
        "broken": broken,
        "vanished": vanished,
    }
    if slow or broken or neither:
        parts = [f"{len(slow)} of {len(timed)} benchmarks are slower than base"] if slow else []
        parts += [f"{len(broken) + len(neither)} can't run"] if broken or neither else []
        return Verdict(1, "fail", ", ".join(parts), tuple(lines), data)
    if not timed:
        return Verdict(1, "not compared", "base and head have no benchmark in common", tuple(lines), data)
    said = f"none of {len(timed)} benchmarks is slower than base by more than {THRESHOLD - 1:.0%} in every session"
    also = f"; {len(fast)} are faster" if fast else ""
    return Verdict(1, "pass", said + also, tuple(lines), data)


def _table(timed: Mapping[str, Sequence[Any]], slow: Sequence[str], fast: Sequence[str]) -> list[str]:
    rows = []
    for name, sessions in timed.items():
        ratios = sorted(session.ratio for session in sessions)
        mark = "SLOWER" if name in slow else "faster" if name in fast else ""
        base = f"{1000 * sessions[0].base_seconds:.2f}"
        rows.append((name, base, f"{pooled(sessions):.3f}", f"{ratios[0]:.3f} … {ratios[-1]:.3f}", mark))
    return table(["benchmark", "base, ms", "head/base", "of sessions", ""], rows)
