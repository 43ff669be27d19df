"""``throughtime run SUITE``: what is missing of a suite is run, then shown."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Device, Only, Out, Plugins, Workers, bad_input, filters, make_console

if TYPE_CHECKING:
    from rich.console import Console

    from throughtime.runners.execution.outlook import Outlook


def run(
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="A built-in suite's name, or a TOML file.")],
    out: Out = None,
    device: Device = "cpu",
    workers: Workers = None,
    executor: Annotated[
        str, typer.Option(metavar="local|dask|slurm", help="Where runs are executed: docs/many-machines.md.")
    ] = "local",
    scheduler: Annotated[str, typer.Option(metavar="ADDRESS", help="Of a dask cluster [one of this machine].")] = "",
    slurm: Annotated[str, typer.Option(metavar="NAME=VALUE,…", help="For slurm: partition=gpu,time=120,gpus=1")] = "",
    tier: Annotated[
        str, typer.Option(metavar="smoke|core|full", help="The suite's size, where it has several.")
    ] = "core",
    only: Only = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    plugin: Plugins = None,
) -> None:
    """Run a suite: what is finished is kept, what is missing is run; then the table and the figures."""
    from throughtime.runners.execution.choose import make_executor
    from throughtime.runners.execution.local import Local
    from throughtime.runners.execution.progress import shown_on
    from throughtime.runners.execution.run import default_directory, plan_suite, run_suite
    from throughtime.runners.records.machine import busy
    from throughtime.runners.suite.suite import load_suite

    with bad_input():
        loaded = load_suite(suite, tier)
        directory = out or default_directory(loaded)
        wanted = filters(only or [])
        console = make_console()
        chosen = make_executor(executor, device=device, workers=workers or 0, scheduler=scheduler, slurm=slurm)

        def say(outlook: "Outlook") -> None:
            workers_here = chosen.workers if isinstance(chosen, Local) else 0
            typer.echo(_announcement(loaded.title, outlook, str(directory), str(chosen), device, workers_here))
            if told := busy():
                typer.echo(f"warning: {told}")

        if dry_run:
            say(plan_suite(loaded, directory, device=device, only=wanted, here=chosen.here))
            return
        with shown_on(console, "runs") as reporter:
            summary = run_suite(
                loaded, directory, device=device, only=wanted, executor=chosen, reporter=reporter, on_plan=say
            )
        _show(directory, console)
        tally = ", ".join(f"{count} {status}" for status, count in sorted(summary.statuses.items()))
        typer.echo(f"\n{summary.executed} runs executed, {summary.cached} cached; report runs: {tally}.")
        options = [*(["--out", str(out)] if out else []), *(["--device", device] if device != "cpu" else [])]
        options += ["--tier", tier] if tier != "core" else []
        options += ["--executor", executor] if executor != "local" else []
        options += [*(["--scheduler", scheduler] if scheduler else []), *(["--slurm", slurm] if slurm else [])]
        options += [word for one in only or [] for word in ("--only", one)]
        options += [word for one in plugin or [] for word in ("--plugin", str(one))]
        written = shlex.join([suite, *options])
        typer.echo(f"next: throughtime table {shlex.quote(str(directory))} --format latex    (or csv, markdown)")
        typer.echo(f"      throughtime run {written}    (again: only what is missing)")
    if summary.failed:
        raise typer.Exit(1)


def _show(directory: Path, console: "Console") -> None:
    from throughtime.runners.records.results import Results
    from throughtime.runners.showing.plots import write_figures
    from throughtime.runners.showing.screen import print_tables
    from throughtime.runners.showing.summary import summarise
    from throughtime.runners.showing.tables import write_tables

    results = Results.of(directory)
    summary = summarise(results)
    paths = [*write_tables(directory, summary), *write_figures(results, keep=True)]
    print_tables(summary, console)
    typer.echo("\nwritten: " + "\n         ".join(str(path) for path in paths))


def _announcement(title: str, outlook: "Outlook", directory: str, where: str, device: str, workers: int) -> str:
    total = outlook.tuning + outlook.report
    least = "at least " if outlook.open else ""
    parts = [f"{outlook.cached} cached"] if outlook.cached else []
    parts += [f"{outlook.again} to be tried again"] if outlook.again else []
    runs = ", ".join([f"{least}{total} runs ({least}{outlook.tuning} to tune, {outlook.report} to report)", *parts])
    lines = [title, f"{runs}; {where} on {device}; results in {directory}"]
    lines += [f"expected: {_expected(outlook.core_minutes, workers)}"] if outlook.core_minutes else []
    many = "1 row takes" if outlook.open == 1 else f"{outlook.open} rows take"
    lines += (
        [f"{many} more runs to tune where the best learning rate is at an end, or all are alike"]
        if outlook.open
        else []
    )
    lines += [f"{outlook.doubted} records did not agree with themselves: run again"] if outlook.doubted else []
    lines += [f"left out by --only: {outlook.left_out} rows"] if outlook.left_out else []
    lines += [f"skipped: {task}: {reason}" for task, reason in outlook.skipped.items()]
    lines += [f"broken: {task}: {reason}" for task, reason in outlook.broken.items()]
    return "\n".join(lines)


def _expected(core_minutes: float, workers: int) -> str:
    """How long it takes, by how long it took where the suite's time was measured; no workers: on machines elsewhere.

    >>> _expected(90.0, 2), _expected(0.5, 2), _expected(300.0, 0)
    ('about 45 minutes', 'less than a minute', 'about 5 hours of one core')
    """
    minutes = core_minutes / (workers or 1)
    words = f"about {minutes:.0f} minutes" if minutes < 120 else f"about {minutes / 60:.0f} hours"
    words = "less than a minute" if minutes < 1 else words
    return words if workers else f"{words} of one core"
