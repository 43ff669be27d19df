"""``throughtime plot DIR``: the figures of a results directory."""

import typer

from .options import Plugins, Results, bad_input


def plot(directory: Results, plugin: Plugins = None) -> None:
    """Draw a results directory's figures anew."""
    from throughtime.runners.showing.plots import write_figures

    with bad_input():
        for path in write_figures(directory):
            typer.echo(str(path))
