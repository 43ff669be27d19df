"""``throughtime doctor``: whether this machine is ready."""

from typing import Annotated

import typer

from .options import bad_input


def doctor(
    noise: Annotated[
        bool, typer.Option("--noise", help="Time this code against itself: how often would `check` be wrong here?")
    ] = False,
    trials: Annotated[int, typer.Option(min=2, help="Of --noise; about half a minute each.")] = 10,
) -> None:
    """Whether this machine is ready: versions, threads, load, GPU, optional packages."""
    from .findings import examine

    findings = examine()
    for finding in findings:
        typer.echo(f"{finding.verdict:<5} {finding.subject}: {finding.text}")
    if any(finding.verdict == "error" for finding in findings):
        raise typer.Exit(1)
    if noise:
        from throughtime.runners.gate.noise import examine_noise

        with bad_input("nothing is kept of an interrupted doctor."):
            examine_noise(trials, typer.echo)
