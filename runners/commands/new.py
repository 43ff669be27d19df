"""``throughtime new KIND NAME``: a part to begin with."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .options import bad_input


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
    from .written import next_steps, write

    with bad_input("nothing is written."):
        written = write(kind, name, out, package=package)
        typer.echo("written: " + "\n         ".join(str(path) for path in written))
        typer.echo("next: " + "\n      ".join(next_steps(kind, name, out, package=package)))
