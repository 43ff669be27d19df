"""``throughtime check``: the regression gate."""

from pathlib import Path
from typing import Annotated

import typer

from .options import bad_input


def check(
    against: Annotated[
        str | None, typer.Option(metavar="REF", help="A commit, branch or tag that tier 1 compares times with.")
    ] = None,
    tier: Annotated[
        list[int] | None,
        typer.Option(help="0: exact counts, 1: time, 2: accuracy; more than once for more [0, 2; 1 with --against]."),
    ] = None,
    update: Annotated[bool, typer.Option("--update", help="Accept what is found as the new baselines.")] = False,
    reference: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the baselines are [results/reference of the checkout of this code]."),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="In place of the tiers: a suite's results, beside the committed ones."),
    ] = None,
    sessions: Annotated[int, typer.Option(help="Of tier 1; at least 3.")] = 3,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Let pass what finds nothing to compare with.")
    ] = False,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all that was found there.")] = None,
) -> None:
    """Whether the code does more work, takes longer or learns less than it did: exit 0 no, 1 yes or not compared."""
    from throughtime.parts import BadInput
    from throughtime.runners.gate.check import check_results, failed, run_check

    with bad_input("nothing is kept of an interrupted check."):
        if results is not None:
            if tier or update or against:
                raise BadInput("--results stands in place of the tiers: leave --tier, --update and --against out")
            verdicts = [check_results(results, reference, allow_missing=allow_missing, report=json, say=typer.echo)]
        else:
            verdicts = run_check(
                reference,
                tiers=tier or (),
                against=against,
                update=update,
                sessions=sessions,
                allow_missing=allow_missing,
                report=json,
                say=typer.echo,
            )
        if failed(verdicts, allow_missing=allow_missing):
            raise typer.Exit(1)
