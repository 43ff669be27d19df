"""``throughtime gradients SUITE``: how biased, how noisy and how far back gradients are along a suite's runs."""

from typing import Annotated

import typer

from .options import Device, Only, Out, Plugins, Workers, bad_input, filters, make_console


def gradients(
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="A suite's name, or a TOML file.")],
    out: Out = None,
    device: Device = "cpu",
    workers: Workers = None,
    only: Only = None,
    plugin: Plugins = None,
) -> None:
    """Tune a suite, and measure gradients along its runs: bias, variance, reach, Lyapunov exponents, staleness."""
    from throughtime.runners.gradients.command import measure_gradient_suite

    with bad_input():
        again = [word for one in only or [] for word in ("--only", one)]
        again += [word for one in plugin or [] for word in ("--plugin", str(one))]
        chosen = filters(only or [])
        failed = measure_gradient_suite(suite, out, device, make_console(), workers=workers, only=chosen, again=again)
    if failed:
        raise typer.Exit(1)
