"""``throughtime describe NAME``: one of what there is."""

from typing import Annotated

import typer

from .options import Plugins, bad_input


def describe(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A suite, task, algorithm or cell.")],
    plugin: Plugins = None,
) -> None:
    """What one suite, task, algorithm or cell is, its parameters and its promises."""
    from .descriptions import description

    with bad_input():
        typer.echo(description(name))
