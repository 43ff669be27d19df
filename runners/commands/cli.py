"""The command line. Every command prints a helpful line and exits with 2 on bad input, 1 if a run failed, else 0.

Ended by a signal it exits with 128 and the signal's number, as shells have it.
"""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .check import check
from .cost import cost
from .describe import describe
from .doctor import doctor
from .gradients import gradients
from .list import list_names
from .literature import literature
from .new import new
from .plot import plot
from .run import run
from .screen import make_patient
from .signals import terminations
from .table import table
from .verify import verify


class Commands(TyperGroup):
    """The commands, which Ctrl-C ends alike whatever they are at, libraries that are being imported included."""

    def invoke(self, ctx: Any) -> Any:
        """As of any group of commands."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("\nthroughtime: interrupted", err=True)
            raise typer.Exit(130) from None


app = typer.Typer(
    name="throughtime",
    cls=Commands,
    help="Compare the ways of computing a recurrent network's gradient: same network, same data, same budget.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("list")(list_names)
for command in (describe, run, table, plot, literature, gradients, cost, check, verify, new, doctor):
    app.command()(command)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Compare the ways of computing a recurrent network's gradient: same network, same data, same budget."""
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"throughtime {installed('throughtime')}")
        raise typer.Exit


def main() -> None:
    """The entry point of the `throughtime` command."""
    make_patient()
    with terminations():
        app()
