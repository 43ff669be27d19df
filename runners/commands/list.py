"""``throughtime list``: what there is."""

import typer

from .options import Plugins


def list_names(plugin: Plugins = None) -> None:
    """What there is: suites, tasks, algorithms, cells."""
    from .descriptions import listing

    typer.echo(listing())
