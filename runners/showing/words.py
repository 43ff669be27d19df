"""Tables of words, as Markdown, drawn on a terminal or told to a log, and the words for numbers that they share."""

from collections.abc import Collection, Sequence

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of words under headings as Markdown, each row on a line of its own whatever is in it."""
    plain = [[word.replace("|", "\\|").replace("\n", " ") for word in row] for row in rows]
    return pd.DataFrame(plain, columns=list(headings)).to_markdown(index=False, disable_numparse=True)


def draw(
    console: Console,
    title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    caption: str = "",
    right: Collection[str] = (),
    styles: Sequence[str] | None = None,
) -> None:
    """Rows of words under headings, drawn to the terminal's width.

    Args:
        console: where.
        title: above the table.
        headings: blanks around them are not drawn.
        rows: one word for each heading.
        caption: below the table.
        right: headings whose columns are aligned to the right.
        styles: of each row, in rich's words; None: plain.
    """
    above, below = Text(title, style="italic"), Text(caption, style="dim italic")  # as text, not markup
    table = Table(title=above, caption=below, title_justify="left", caption_justify="left")
    for name in headings:
        table.add_column(name.strip(), justify="right" if name in right else "left", overflow="fold")
    for row, style in zip(rows, styles or [""] * len(rows), strict=True):
        table.add_row(*map(Text, row), style=style)
    console.print(table)


def say(console: Console, text: str) -> None:
    """Text as it stands, in lines of any width."""
    console.print(text, soft_wrap=True, markup=False, highlight=False, emoji=False)


def number_in_words(value: float) -> str:
    """Three digits, or all before the point.

    >>> number_in_words(0.12345), number_in_words(12.345), number_in_words(999.7), number_in_words(12345)
    ('0.123', '12.3', '1000', '12345')
    """
    return f"{value:.3g}" if value < 999.5 else f"{value:.0f}"


def counted(number: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "target"), counted(1200, "target")
    ('1 target', '1,200 targets')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def bytes_in_words(size: float) -> str:
    """Three digits, or all before the point, and the unit.

    >>> bytes_in_words(100), bytes_in_words(1500), bytes_in_words(1023.7 * 1024)
    ('100 B', '1.46 KiB', '1024 KiB')
    """
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{number_in_words(size)} {unit}"
        size /= 1024
    return f"{number_in_words(size)} GiB"


def memory_in_words(most: float | None, mean: float | None = None) -> str:
    """Bytes at the peak; where they are random the mean over draws first, then the most.

    >>> memory_in_words(2048), memory_in_words(2048, 1024), memory_in_words(None)
    ('2 KiB', '1 KiB, at most 2 KiB', '')
    """
    if most is None:
        return ""
    return bytes_in_words(most) if mean is None else f"{bytes_in_words(mean)}, at most {bytes_in_words(most)}"
