"""``throughtime cost``: what the algorithms cost, and how that grows."""

from typing import Annotated

import typer

from .options import Device, Out, Plugins, bad_input, make_console


def cost(
    suite: Annotated[
        str, typer.Argument(metavar="SUITE", help="A built-in cost suite's name, or a TOML file.")
    ] = "cost",
    out: Out = None,
    device: Device = "cpu",
    peers: Annotated[
        bool, typer.Option("--peers", help="In place of a suite: ratios to torch.nn, a bare product, numpy.")
    ] = False,
    plugin: Plugins = None,
) -> None:
    """Measure what the algorithms cost: time, memory, FLOPs, and how they grow with T, n and B."""
    from throughtime.runners.cost.command import measure_peers, measure_suite

    with bad_input():
        failed = (
            measure_peers(out, device, make_console()) if peers else measure_suite(suite, out, device, make_console())
        )
    if failed:
        raise typer.Exit(1)
