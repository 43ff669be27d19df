"""What the commands share: options that several have, and what becomes of a mistake.

Libraries are imported inside the commands, so that help and mistyped options are answered at once.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .signals import Terminated

if TYPE_CHECKING:
    from rich.console import Console

Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Results directory [results/runs/<suite>].")]
Results = Annotated[Path, typer.Argument(metavar="DIR", help="A results directory, as `run` writes it.")]
Device = Annotated[str, typer.Option(metavar="cpu|cuda", help="Where the networks are.")]

Workers = Annotated[int | None, typer.Option(min=1, help="Runs at a time [the cores; 1 on a GPU].")]
Only = Annotated[list[str] | None, typer.Option(metavar="AXIS=NAME", help="Only these: algorithm=rtrl, task=…, cell=…")]


def _load_plugins(paths: list[Path] | None) -> list[Path] | None:
    if paths:
        from throughtime.runners.suite.plugins import load_plugins

        with bad_input():
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


def make_console() -> "Console":
    """The terminal; with NO_COLOR in the environment nothing but text."""
    from rich.console import Console

    return Console(color_system=None if os.environ.get("NO_COLOR") else "auto")


@contextmanager
def bad_input(interrupted: str = "finished runs are kept, and the same command goes on.") -> Iterator[None]:
    """Turn a mistake into one message and exit code 2, and Ctrl-C or SIGTERM into a word on how to go on."""
    from throughtime.parts import BadInput, Broken

    try:
        yield
    except (BadInput, Broken) as error:
        typer.echo(f"throughtime: {error}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo(f"\nthroughtime: interrupted; {interrupted}", err=True)
        raise typer.Exit(130) from None
    except Terminated as error:
        typer.echo(f"throughtime: ended by {error}; {interrupted}", err=True)
        raise typer.Exit(error.exit_code) from None


def filters(only: list[str]) -> dict[str, str]:
    """What `--only` says, by axis; `BadInput` where it can't be read, or names an axis twice."""
    from throughtime.parts import BadInput

    found: dict[str, str] = {}
    for one in only:
        axis, equals, wanted = one.partition("=")
        if not (equals and wanted):
            raise BadInput(f"--only {one!r} can't be read; write AXIS=NAME, such as --only algorithm=rtrl")
        if axis.strip() in found:
            raise BadInput(
                f"--only {axis.strip()}=… is given twice; give it once, or list what you want in a suite file"
            )
        found[axis.strip()] = wanted.strip()
    return found
