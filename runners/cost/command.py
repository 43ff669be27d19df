"""The command `throughtime cost`: measure with progress, then tables, figures and a word on what to type next."""

import shlex
from pathlib import Path

from rich.console import Console

from throughtime.parts import BadInput
from throughtime.runners.execution.progress import shown_on
from throughtime.runners.records.machine import busy
from throughtime.runners.showing.words import say

from .figures import write_figures
from .grid import CostRunner
from .store import CostStore, load_costs, subject
from .suite import load_cost_suite
from .tables import print_tables, write_tables


def measure_suite(name: str, out: Path | None, device: str, console: Console) -> int:
    """Measure what is missing of a suite, and show all of it; returns how many points are not done."""
    suite = load_cost_suite(name)
    runner = CostRunner(suite, out, device=device)
    directory = runner.store.directory
    with runner.store.locked():
        missing = len(runner.missing())
        say(console, suite.title)
        say(console, f"{runner.points} points, {runner.points - missing} cached; on {device}; results in {directory}")
        if doubted := len(runner.store.doubted):
            say(console, f"{doubted} records did not agree with themselves: measured again")
        _warn_if_busy(console)
        with shown_on(console, "points") as reporter:
            summary = runner.run(reporter)
        print_tables(load_costs(directory), console)
        written(console, [*write_tables(directory), *write_figures(directory)])
    tally = ", ".join(f"{count} {status}" for status, count in sorted(summary.statuses.items()))
    say(console, f"\n{summary.measured} points measured, {summary.cached} cached: {tally}.")
    options = [*(["--out", str(out)] if out else []), *(["--device", device] if device != "cpu" else [])]
    say(console, f"next: {shlex.join(['throughtime', 'cost', name, *options])}    (again: only what is missing)")
    say(console, "      throughtime cost --peers    (ratios to torch.nn, a bare product, numpy, JAX, Flax, Keras)")
    return summary.failed


def measure_peers(out: Path | None, device: str, console: Console) -> int:
    """Measure the ratios to other code and show them; returns 0: a missed ratio is told, and breaks nothing."""
    from .peers import PEERS, measured_rows
    from .peers_table import print_rows, write_rows

    if device != "cpu":
        raise BadInput(f"--peers compares on one CPU thread; got --device {device}: leave it out")
    store = CostStore(Path("results") / "runs" / "cost" if out is None else out)
    store.check_writable(subject(load_cost_suite("cost"), device))
    with store.locked():
        say(console, f"{len(PEERS)} comparisons with other code, one thread, interleaved; results in {store.directory}")
        _warn_if_busy(console)
        with shown_on(console, "comparisons") as shown:
            shown.start("Measuring", len(PEERS))
            rows = measured_rows(on_group=lambda what: shown.advance())
        print_rows(rows, console)
        written(console, write_rows(rows, store.directory))
    judged = [row for row in rows if row.limit is not None]
    missed = sum(not row.met for row in judged)
    say(console, f"\n{len(judged) - missed} of {len(judged)} limits met, {missed} missed.")
    return 0


def _warn_if_busy(console: Console) -> None:
    if told := busy():
        console.print(f"warning: {told}", style="yellow", highlight=False, markup=False, soft_wrap=True)


def written(console: Console, paths: list[Path]) -> None:
    """Where the files are."""
    say(console, "\nwritten: " + "\n         ".join(str(path) for path in paths))
