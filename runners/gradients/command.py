"""The command `throughtime gradients`: measure with progress, then tables, figures and a word on what to type next."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from throughtime.runners.execution.progress import shown_on
from throughtime.runners.showing.words import say

from .figures import write_figures
from .laboratory import Laboratory
from .store import open_gradients
from .tables import print_tables, write_tables


def measure_gradient_suite(
    name: str,
    out: Path | None,
    device: str,
    console: Console,
    *,
    workers: int | None = None,
    only: Mapping[str, str] | None = None,
    again: Sequence[str] = (),
) -> int:
    """Measure what is missing of a suite, and show all of it; returns how many points are not done.

    Args:
        name: the suite's, or its file.
        out: the results directory.
        device: "cpu" or "cuda".
        console: where to tell.
        workers: points at a time; the cores by default.
        only: restricts the rows.
        again: further words of the same call, to be told.
    """
    laboratory = Laboratory(name, out, device=device, only=only)
    directory = laboratory.store.directory
    with laboratory.store.locked():
        cached = len(laboratory.jobs) - len(laboratory.missing())
        say(console, laboratory.suite.title)
        say(console, f"{laboratory.points} points, {cached} cached; on {device}; results in {directory}")
        if runs := laboratory.untuned:
            say(console, f"learning rates are tuned first: {runs} runs, and more where the best is at an end")
        for row in laboratory.plan.selected:
            if row.obstacle:
                about = f"{row.group.task} · {row.group.cell} · {row.group.algorithm}"
                say(console, f"{row.obstacle.status}: {about}: {row.obstacle.reason}")
        if doubted := len(laboratory.store.doubted):
            say(console, f"{doubted} records did not agree with themselves: measured again")
        with shown_on(console, "runs") as reporter:
            summary = laboratory.run(workers=workers, reporter=reporter)
        print_tables(open_gradients(directory), console)
        paths = [*write_tables(directory), *write_figures(directory)]
        say(console, "\nwritten: " + "\n         ".join(str(path) for path in paths))
    tally = ", ".join(f"{count} {status}" for status, count in sorted(summary.statuses.items()))
    say(console, f"\n{summary.measured} points measured, {summary.cached} cached: {tally}.")
    options = [*(["--out", str(out)] if out else []), *(["--device", device] if device != "cpu" else []), *again]
    say(console, f"next: {shlex.join(['throughtime', 'gradients', name, *options])}    (again: only what is missing)")
    return summary.failed
