"""``throughtime verify NAME``: promises beside what is measured."""

from typing import Annotated

import typer

from .options import Plugins, bad_input


def verify(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME_OR_FILE", help="An algorithm, task or cell, or a plugin's file."),
    ],
    plugin: Plugins = None,
) -> None:
    """Whether a part does what it promises: each promise beside what is measured; exit 1 where one is broken."""
    from throughtime.runners.verify.run import parts, tally
    from throughtime.runners.verify.run import verify as run_checks

    with bad_input("nothing is kept of an interrupted verify."):
        findings = []
        for part in parts(name):
            findings += run_checks(part, typer.echo)
        typer.echo(f"\n{tally(findings)}.")
    if any(finding.bad for finding in findings):
        raise typer.Exit(1)
