"""The short tables on a terminal, or in a log; the whole ones are in files."""

from rich.console import Console

from .rows import heading, protocol, short_cells, short_headings, waiting
from .summary import Summary, TaskTable
from .tables import short_markdown
from .words import draw, say

_RIGHT = ("floor", "free floor", "ms/step", "memory")

LEAST_TELLING = ("memory", "ms/step", "free floor", "verdict", "floor")
"""What a narrow terminal leaves out, in this order."""

WIDEST = 32
"""Characters of a column that is folded where the terminal is narrow."""


def print_tables(summary: Summary, console: Console) -> None:
    """On a terminal drawn to its width, in a log as Markdown."""
    if not console.is_terminal:
        say(console, short_markdown(summary))
        say(console, "All columns, and what they mean: table.md.")
        return
    left_out: dict[str, None] = {}
    for table in summary.tables:
        left_out |= dict.fromkeys(_draw(table, console))
    if told := waiting(summary.tables):
        console.print(told, style="yellow", markup=False, highlight=False)
    more = f"Left out at this width: {', '.join(left_out)}. " if left_out else ""
    told = f"{more}All columns, and what they mean: table.md. Measured on: {summary.machine}."
    console.print(told, style="dim", markup=False, highlight=False)


def _draw(table: TaskTable, console: Console) -> list[str]:
    """Draw a table; the names of the columns that did not fit."""
    names, rows = short_headings(table), [short_cells(table, row) for row in table.rows]
    shown = _that_fit(names, rows, console.width)
    draw(
        console,
        heading(table),
        [names[number] for number in shown],
        [[words[number] for number in shown] for words in rows],
        caption=protocol(table),
        right=_RIGHT,
        styles=["" if row.kind == "run" else "italic dim" for row in table.rows],
    )
    return [name for number, name in enumerate(names) if number not in shown]


def _that_fit(names: list[str], rows: list[list[str]], width: int) -> list[int]:
    """The numbers of the columns to draw."""
    columns = zip(names, zip(*rows, strict=True), strict=True)
    widths = [max(min(len(word), WIDEST) for word in (name, *column)) for name, column in columns]
    shown = list(range(len(names)))
    for name in LEAST_TELLING:
        if name in names and sum(widths[number] + 3 for number in shown) + 1 > width:
            shown.remove(names.index(name))
    return shown
