"""Tier 0: exact counts of every benchmark against the committed ones.

Operators, FLOPs and bytes repeat exactly with the same torch, Python and platform, so any difference is the code's:
there is no threshold and no false alarm. What counts can't see is time spent outside of operators, and a kernel that
does the same work more slowly: that is tier 1's.
"""

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from throughtime.runners.training.measure import carry_bytes, count_updates
from throughtime.runners.training.workload import Prepared

from .baseline import Baseline, Made, read, update_command, write
from .cases import CASES, Case, without_case
from .verdict import Verdict, change, table

FILE = "counters.json"
ABOUT = (
    "Exact counts of all updates of one batch, float32 on a CPU, as `throughtime check --update` writes them. "
    "ops: operators; flops: of matrix products; result_bytes: of all operators' results; peak_bytes: alive at once "
    "(the most of several draws where memory is random, mean_peak_bytes their mean); carry_bytes: kept for the next "
    "batch."
)

Counts = dict[str, int]


class Counters(Baseline):
    """Of each benchmark by name, each counter by name."""

    counts: dict[str, Counts] = Field(min_length=1)


class _Results(TorchDispatchMode):
    """Adds up the bytes of all operators' results: elementwise work, which FLOPs leave out, and every allocation."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.bytes += sum(leaf.numel() * leaf.itemsize for leaf in tree_leaves(result) if isinstance(leaf, Tensor))
        return result


def count(prepared: Prepared) -> Counts:
    """Every counter of all updates of the batch."""
    algorithm, network, batch = prepared.algorithm, prepared.network, prepared.batch
    with _undisturbed():
        counted = asdict(count_updates(algorithm, network, batch))
        carry = None
        with _Results() as results:
            for update in algorithm.updates(network, batch, generator=torch.Generator().manual_seed(0)):
                carry = update.carry
    counts = {name: number for name, number in counted.items() if number is not None}
    return {**counts, "result_bytes": results.bytes, "carry_bytes": carry_bytes(carry)}


def count_all(cases: Sequence[Case]) -> tuple[dict[str, Counts], dict[str, str]]:
    """The counts of each case by name, and of those that can't run the reason."""
    counts, broken = {}, {}
    for case in cases:
        try:
            counts[str(case)] = count(case.workload.prepare())
        except Exception as error:  # whatever an algorithm does
            broken[str(case)] = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return counts, broken


@dataclass(frozen=True)
class Change:
    """One counter that is not what it was."""

    case: str
    counter: str
    before: int
    now: int


@dataclass(frozen=True)
class Comparison:
    """What differs between two sets of counts: counters, and benchmarks that only one of them has."""

    changes: tuple[Change, ...]
    new: tuple[str, ...]
    vanished: tuple[str, ...]


def compare(before: Mapping[str, Counts], now: Mapping[str, Counts]) -> Comparison:
    """Counter by counter; one that only one side has counts as 0 on the other."""
    changes = [
        Change(case, counter, before[case].get(counter, 0), now[case].get(counter, 0))
        for case in before
        if case in now
        for counter in sorted({*before[case], *now[case]})
    ]
    return Comparison(
        tuple(one for one in changes if one.before != one.now),
        tuple(case for case in now if case not in before),
        tuple(case for case in before if case not in now),
    )


def check(reference: Path, *, update: bool = False, cases: Sequence[Case] = CASES) -> Verdict:
    """Count, compare with the baseline in a directory, and say what that means; `update` makes it the baseline."""
    path, anew = reference / FILE, update_command(reference)
    baseline = read(Counters, path)
    now, broken = count_all(cases)
    known = baseline.counts if baseline else {}
    found = compare(known, {**now, **{name: known.get(name, {}) for name in broken}})
    lines = [f"broken: {name} ({reason})" for name, reason in broken.items()]
    lines += [f"vanished: {name}, which the baseline has" for name in found.vanished]
    lines += [f"new: {name}" for name in found.new] if baseline else []
    lines += [f"no benchmark: the algorithm {name}; give it a line in gate/cases.py" for name in without_case()]
    data = {"counts": now, "broken": broken, **asdict(found)}
    here, total = Made.here(), f"{len(now)} benchmarks"
    same_versions = baseline is None or baseline.made == here
    lines += _changes(found.changes) if same_versions or update else []
    if broken:
        return Verdict(0, "fail", f"{len(broken)} of {len(cases)} benchmarks can't run", tuple(lines), data)
    if update:
        write(Counters(about=ABOUT, made=here, counts=now), path)
        said = f"{path} now has the counts of {total}, {here}; commit it with what changed them"
        return Verdict(0, "pass", said, tuple(lines), data)
    if baseline is None:
        said = f"there is no baseline {path}; make one: {anew}"
        return Verdict(0, "not compared", said, tuple(lines), data)
    if not same_versions:
        differ = len({one.case for one in found.changes})
        said = (
            f"the baseline was made with {baseline.made}, this is {here}: counts are the same only with the same "
            f"({differ} of {total} differ); compare there, or make a new one from code you trust: {anew}"
        )
        return Verdict(0, "not compared", said, tuple(lines), data)
    if not (found.changes or found.vanished):
        new = f"; {len(found.new)} new ones to record: {anew}" if found.new else ""
        return Verdict(
            0,
            "pass",
            f"the counts of {len(now) - len(found.new)} benchmarks are exactly those of {path}{new}",
            tuple(lines),
            data,
        )
    lines.append(f"mend what is not meant; accept what is meant: {anew}, and commit the difference")
    return Verdict(0, "fail", _tally(found), tuple(lines), data)


def _changes(changes: Sequence[Change]) -> list[str]:
    rows = [(one.case, one.counter, f"{one.before:,}", f"{one.now:,}", change(one.before, one.now)) for one in changes]
    return table(["benchmark", "counter", "before", "now", "change"], rows) if rows else []


def _tally(found: Comparison) -> str:
    more = sum(one.now > one.before for one in found.changes)
    less = len(found.changes) - more
    parts = [f"{more} counters rose"] if more else []
    parts += [f"{less} fell{'' if more else ' (an improvement to record)'}"] if less else []
    parts += [f"{len(found.vanished)} benchmarks vanished"] if found.vanished else []
    return ", ".join(parts)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """One thread, and no garbage collector whose moment decides how much is alive."""
    threads, collects = torch.get_num_threads(), gc.isenabled()
    torch.set_num_threads(1)
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if collects:
            gc.enable()
