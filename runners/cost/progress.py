"""How far a list of measurements is: a live bar on a terminal, a plain line now and then in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from throughtime.runners.execution.progress import QUIET_SECONDS, Estimate

Ended = Callable[[str, str], None]
"""Called with what ended, and with what went wrong with it, empty if nothing did."""


@contextmanager
def progress(console: Console, title: str, total: int) -> Iterator[Ended]:
    """Show a phase of `total` measurements; the function that it gives is called after each."""
    estimate = Estimate(total)
    if not console.is_terminal:
        last = [time.monotonic()]

        def line(what: str, wrong: str) -> None:
            estimate.ended += 1
            if wrong or time.monotonic() - last[0] >= QUIET_SECONDS:
                last[0] = time.monotonic()
                left = estimate.left([])
                words = f"{estimate.ended}/{total} · {what}" + (f": {wrong}" if wrong else f" · {left}" if left else "")
                console.print(words, soft_wrap=True, highlight=False, markup=False)

        yield line
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), MofNCompleteColumn())
    note = TextColumn("{task.fields[note]}", markup=False)
    with Progress(*columns, TimeElapsedColumn(), note, console=console, transient=True) as shown:
        task = shown.add_task(title, total=total, note="")

        def bar(what: str, wrong: str) -> None:
            estimate.ended += 1
            shown.update(task, advance=1, note=f"{what}  {estimate.left([])}")
            if wrong:
                shown.console.print(f"{what}: {wrong}", style="yellow", highlight=False, markup=False)

        yield bar
