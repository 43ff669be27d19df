"""``throughtime literature``: published scores, and ours beside them."""

from pathlib import Path
from typing import Annotated

import typer

from .options import bad_input, make_console


def literature(
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="Of the suite `literature`, as `run` writes it [results/runs/literature]."),
    ] = None,
) -> None:
    """Show published scores and ours beside them."""
    from throughtime.runners.execution.run import default_directory
    from throughtime.runners.literature.beside import compare
    from throughtime.runners.literature.published import load_published
    from throughtime.runners.literature.tables import print_tables, write
    from throughtime.runners.records.manifest import RunStore
    from throughtime.runners.records.results import Results
    from throughtime.runners.suite.suite import load_suite

    with bad_input():
        where = directory or default_directory(load_suite("literature"))
        results = Results.of(where) if directory or RunStore(where).has_manifest() else None
        compared = compare(load_published(), results)
        print_tables(compared, make_console())
        if results is None:
            typer.echo(f"there are no scores of ours in {where}: throughtime run literature makes them")
            return
        typer.echo(f"\nwritten: {write(where, compared)}")
