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
    from throughtime.runners.records.results import Results
    from throughtime.runners.showing.screen import print_tables
    from throughtime.runners.showing.summary import summarise
    from throughtime.runners.showing.tables import FORMATS

    with bad_input():
        results = Results.of(directory)
        tables = summarise(results)
        if format == "terminal":
            print_tables(tables, make_console())
        else:
            sys.stdout.write(FORMATS[format](tables))
    for key, doubt in results.store.doubted.items():
        typer.echo(f"not shown: {results.store.record_path(key)}: {doubt}", err=True)
