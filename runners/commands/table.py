"""``throughtime table DIR``: the tables of a results directory."""

import sys
from typing import Annotated, Literal

import typer

from .options import Plugins, Results, bad_input, make_console


def table(
    directory: Results,
    format: Annotated[
        Literal["terminal", "markdown", "csv", "latex"], typer.Option(help="terminal: as `run` shows it.")
    ] = "terminal",
    plugin: Plugins = None,
) -> None:
    """Print a results directory's tables."""
    from throughtime.runners.records.manifest import RunStore
    from throughtime.runners.showing.screen import print_tables
    from throughtime.runners.showing.summary import summarise
    from throughtime.runners.showing.tables import FORMATS

    with bad_input():
        tables = summarise(directory)
        if format == "terminal":
            print_tables(tables, make_console())
        else:
            sys.stdout.write(FORMATS[format](tables))
        store = RunStore.open(directory)
        store.read(store.manifest().asked)
    for key, doubt in store.doubted.items():
        typer.echo(f"not shown: {store.record_path(key)}: {doubt}", err=True)
