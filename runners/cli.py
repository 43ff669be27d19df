"""The command line. Every command prints a helpful line and exits with 2 on bad input, 1 if a run failed, else 0."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

app = typer.Typer(
    name="throughtime",
    help="Compare the ways of computing a recurrent network's gradient: same network, same data, same budget.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Libraries are imported inside the commands, so that help and mistyped options are answered at once.

Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Results directory [results/runs/<suite>].")]
Results = Annotated[Path, typer.Argument(metavar="DIR", help="A results directory, as `run` writes it.")]
SuiteName = Annotated[str, typer.Argument(metavar="SUITE", help="A built-in suite's name, or a TOML file.")]


def _load_plugins(paths: list[Path] | None) -> list[Path] | None:
    if paths:
        from .plugins import load_plugins

        with _bad_input():
            load_plugins(paths)
    return paths


Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE",
        callback=_load_plugins,
        is_eager=True,
        help="A Python file whose algorithms, tasks and cells are to be known; more than once for more.",
    ),
]


@app.command("list")
def list_names(plugin: Plugins = None) -> None:
    """What there is: suites, tasks, algorithms, cells."""
    from .describe import listing

    _print(listing())


@app.command()
def describe(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A suite, task, algorithm or cell.")],
    plugin: Plugins = None,
) -> None:
    """What one suite, task, algorithm or cell is, its parameters and its promises."""
    from .describe import description

    with _bad_input():
        _print(description(name))


@app.command()
def run(
    suite: SuiteName,
    out: Out = None,
    device: Annotated[str, typer.Option(metavar="cpu|cuda", help="Where the networks are trained.")] = "cpu",
    workers: Annotated[int | None, typer.Option(min=1, help="Runs at a time [the cores; 1 on a GPU].")] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="AXIS=NAME", help="Only these: algorithm=rtrl, task=…, cell=…")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    plugin: Plugins = None,
) -> None:
    """Run a suite: what is finished is kept, what is missing is run; then the table and the figures."""
    from .progress import Bars, Lines
    from .run import default_workers, plan_suite, run_suite
    from .suite import load_suite
    from .suite_runner import Plan, default_directory

    with _bad_input():
        loaded = load_suite(suite)
        directory = out or default_directory(loaded)
        filters = _filters(only or [])
        console = Console()

        def say(plan: Plan) -> None:
            _print(_announcement(loaded.title, plan, str(directory), workers or default_workers(device), device))

        if dry_run:
            say(plan_suite(loaded, directory, device=device, only=filters))
            return
        if console.is_terminal:
            with Bars(console) as bars:
                summary = run_suite(
                    loaded, directory, device=device, workers=workers, only=filters, reporter=bars, on_plan=say
                )
        else:
            summary = run_suite(
                loaded, directory, device=device, workers=workers, only=filters, reporter=Lines(console), on_plan=say
            )
        _show(directory, console)
        tally = ", ".join(f"{count} {status}" for status, count in sorted(summary.statuses.items()))
        _print(f"\n{summary.executed} runs executed, {summary.cached} cached; report runs: {tally}.")
        options = [*(["--out", str(out)] if out else []), *(["--device", device] if device != "cpu" else [])]
        options += [word for one in only or [] for word in ("--only", one)]
        options += [word for one in plugin or [] for word in ("--plugin", str(one))]
        written = shlex.join([suite, *options])
        _print(f"next: throughtime table {shlex.quote(str(directory))} --format latex    (or csv, markdown)")
        _print(f"      throughtime run {written}    (again: only what is missing)")
    if summary.failed:
        raise typer.Exit(1)


@app.command()
def table(
    directory: Results,
    format: Annotated[
        Literal["terminal", "markdown", "csv", "latex"], typer.Option(help="terminal: as `run` shows it.")
    ] = "terminal",
    plugin: Plugins = None,
) -> None:
    """Print a results directory's tables."""
    from .summary import summarise
    from .tables import FORMATS, print_tables

    with _bad_input():
        tables = summarise(directory)
        if format == "terminal":
            print_tables(tables, Console())
        else:
            sys.stdout.write(FORMATS[format](tables))


@app.command()
def plot(directory: Results, plugin: Plugins = None) -> None:
    """Draw a results directory's figures anew."""
    from .plots import write_figures

    with _bad_input():
        for path in write_figures(directory):
            _print(str(path))


@app.command()
def cost(
    suite: Annotated[
        str, typer.Argument(metavar="SUITE", help="A built-in cost suite's name, or a TOML file.")
    ] = "cost",
    out: Out = None,
    device: Annotated[str, typer.Option(metavar="cpu|cuda", help="What is measured.")] = "cpu",
    peers: Annotated[
        bool, typer.Option("--peers", help="In place of a suite: ratios to torch.nn, a bare product, numpy.")
    ] = False,
    plugin: Plugins = None,
) -> None:
    """Measure what the algorithms cost: time, memory, FLOPs, and how they grow with T, n and B."""
    from .cost.command import measure_peers, measure_suite

    with _bad_input():
        failed = measure_peers(out, device, Console()) if peers else measure_suite(suite, out, device, Console())
    if failed:
        raise typer.Exit(1)


@app.command()
def check(
    against: Annotated[
        str | None, typer.Option(metavar="REF", help="A commit, branch or tag that tier 1 compares times with.")
    ] = None,
    tier: Annotated[
        list[int] | None,
        typer.Option(help="0: exact counts, 1: time, 2: accuracy; more than once for more [0, 2; 1 with --against]."),
    ] = None,
    update: Annotated[bool, typer.Option("--update", help="Accept what is found as the new baselines.")] = False,
    reference: Annotated[Path, typer.Option(metavar="DIR", help="Where the baselines are.")] = Path(
        "results/reference"
    ),
    sessions: Annotated[int, typer.Option(help="Of tier 1; at least 3.")] = 3,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all that was found there.")] = None,
) -> None:
    """Whether the code does more work, takes longer or learns less than it did: exit 0 no, 1 yes."""
    from .gate.check import failed, run_check

    with _bad_input("nothing is kept of an interrupted check."):
        verdicts = run_check(
            reference, tiers=tier or (), against=against, update=update, sessions=sessions, report=json, say=_print
        )
        if failed(verdicts):
            raise typer.Exit(1)


@app.command()
def verify(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME_OR_FILE", help="An algorithm, task or cell, or a plugin's file."),
    ],
    plugin: Plugins = None,
) -> None:
    """Whether a part does what it promises: each promise beside what is measured; exit 1 where one is broken."""
    from .verify.command import parts, tally
    from .verify.command import verify as run_checks

    with _bad_input("nothing is kept of an interrupted verify."):
        findings = []
        for part in parts(name):
            findings += run_checks(part, _print)
        _print(f"\n{tally(findings)}.")
    if any(finding.bad for finding in findings):
        raise typer.Exit(1)


@app.command()
def new(
    kind: Annotated[
        Literal["algorithm", "task", "cell"], typer.Argument(metavar="KIND", help="algorithm, task or cell.")
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="In snake case, such as my_idea; its class is MyIdea.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where it is written.")] = Path(),
    package: Annotated[
        bool, typer.Option("--package", help="As a package, whose name is known wherever it is installed.")
    ] = False,
) -> None:
    """Write an algorithm, a task or a cell that works, and its test: a start for one of your own."""
    from .new import next_steps, write

    with _bad_input("nothing is written."):
        written = write(kind, name, out, package=package)
        _print("written: " + "\n         ".join(str(path) for path in written))
        _print("next: " + "\n      ".join(next_steps(kind, name, out, package=package)))


@app.command()
def doctor(
    noise: Annotated[
        bool, typer.Option("--noise", help="Time this code against itself: how often would `check` be wrong here?")
    ] = False,
    trials: Annotated[int, typer.Option(min=2, help="Of --noise; about half a minute each.")] = 10,
) -> None:
    """Whether this machine is ready: versions, threads, load, GPU, optional packages."""
    from .doctor import examine

    findings = examine()
    for finding in findings:
        _print(f"{finding.verdict:<5} {finding.subject}: {finding.text}")
    if any(finding.verdict == "error" for finding in findings):
        raise typer.Exit(1)
    if noise:
        from .gate.noise import examine_noise

        with _bad_input("nothing is kept of an interrupted doctor."):
            examine_noise(trials, _print)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Compare the ways of computing a recurrent network's gradient: same network, same data, same budget."""
    if version:
        from importlib.metadata import version as installed

        _print(f"throughtime {installed('throughtime')}")
        raise typer.Exit


def main() -> None:
    """The entry point of the `throughtime` command."""
    app()


def _show(directory: Path, console: Console) -> None:
    from .plots import write_figures
    from .summary import summarise
    from .tables import print_tables, write_tables

    print_tables(summarise(directory), console)
    paths = [*write_tables(directory), *write_figures(directory)]
    _print("\nwritten: " + "\n         ".join(str(path) for path in paths))


def _announcement(title: str, plan: object, directory: str, workers: int, device: str) -> str:
    from .suite_runner import Plan

    assert isinstance(plan, Plan)
    total = plan.tuning + plan.report
    parts = [f"{plan.cached} cached"] if plan.cached else []
    parts += [f"{plan.again} to be tried again"] if plan.again else []
    lines = [
        title,
        f"{total} runs ({plan.tuning} to tune, {plan.report} to report){', ' + ', '.join(parts) if parts else ''}; "
        f"{workers} at a time on {device}; results in {directory}",
    ]
    lines += [f"left out by --only: {plan.left_out} rows"] if plan.left_out else []
    lines += [f"skipped: {task}: {reason}" for task, reason in plan.skipped.items()]
    lines += [f"broken: {task}: {reason}" for task, reason in plan.broken.items()]
    return "\n".join(lines)


def _filters(only: list[str]) -> dict[str, str]:
    from throughtime.networks import BadInput

    filters = {}
    for one in only:
        axis, equals, wanted = one.partition("=")
        if not (equals and wanted):
            raise BadInput(f"--only {one!r} can't be read; write AXIS=NAME, such as --only algorithm=rtrl")
        if axis.strip() in filters:
            raise BadInput(
                f"--only {axis.strip()}=… is given twice; give it once, or list what you want in a suite file"
            )
        filters[axis.strip()] = wanted.strip()
    return filters


@contextmanager
def _bad_input(interrupted: str = "finished runs are kept, and the same command goes on.") -> Iterator[None]:
    """Turn a mistake into one message and exit code 2, and Ctrl-C into a word on how to go on."""
    from throughtime.networks import BadInput, Broken

    try:
        yield
    except (BadInput, Broken) as error:
        typer.echo(f"throughtime: {error}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo(f"\nthroughtime: interrupted; {interrupted}", err=True)
        raise typer.Exit(130) from None


def _print(text: str) -> None:
    typer.echo(text)
