"""The comparison as tables: drawn on a terminal, and as Markdown in a log and in a file."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from throughtime.runners.records.files import write_text
from throughtime.runners.showing.words import draw, markdown_table, say

from .beside import Beside, Compared

HEADINGS = ("algorithm", "published", "ours [95 %]", "one more run of ours", "")
AGREES = (
    "A published score agrees where it lies in the range in which one more run of ours would lie in 95 of 100 cases. "
    "Where what was published is that training converges, ours has to end better than every floor on all seeds, and "
    "where that it diverges, to diverge on all."
)


def print_tables(compared: Sequence[Compared], console: Console) -> None:
    """On a terminal each setting's table, with its source below; in a log all of it as Markdown."""
    if not console.is_terminal:
        say(console, markdown(compared))
        return
    for one in compared:
        draw(
            console,
            _title(one),
            HEADINGS,
            _words(one),
            caption=f"{one.setting.source}. {_told(one)}.",
            right=HEADINGS[1:4],
        )
        say(console, _notes(one, "\n"))


def markdown(compared: Sequence[Compared]) -> str:
    """All settings as Markdown."""
    parts = [AGREES]
    for one in compared:
        table = markdown_table(HEADINGS, _words(one))
        parts += [f"**{_title(one)}**", f"{one.setting.source}. {_told(one)}.", table, _notes(one, "\n\n")]
    return "\n\n".join(filter(None, parts)) + "\n"


def write(directory: Path, compared: Sequence[Compared]) -> Path:
    """Write literature.md beside the runs, whole or not at all: its path."""
    return write_text(directory / "literature.md", markdown(compared))


def _title(one: Compared) -> str:
    return f"{one.setting.name}: {one.setting.metric}"


def _told(one: Compared) -> str:
    return f"{one.setting.cell}; {one.setting.told}"


def _words(one: Compared) -> list[list[str]]:
    floors = one.setting.floors.items()
    known = {name: _digits(value) for name, value in one.floors.items()}
    return [*map(_of, one.rows), *([name, _digits(value), known.get(name, ""), "", ""] for name, value in floors)]


def _of(row: Beside) -> list[str]:
    published, more = row.published.score, row.range
    return [
        row.published.algorithm,
        "–" if published is None else published if isinstance(published, str) else _digits(published),
        _ours(row),
        f"{_digits(more.low)} … {_digits(more.high)}" if more else "",
        row.finding,
    ]


def _ours(row: Beside) -> str:
    """The mean and interval of what is done, and how much of it diverged."""
    ours, parts = row.ours, []
    if ours:
        parts.append(f"{_digits(ours.mean)} [{_digits(ours.low)}, {_digits(ours.high)}]")
    if row.diverged:
        parts.append(f"{row.diverged} of {row.diverged + (ours.n if ours else 0)} diverged")
    return "; ".join(parts)


def _digits(value: float) -> str:
    return f"{value:.1e}" if 0 < abs(value) < 5e-5 else f"{value:.4f}"


def _notes(one: Compared, between: str) -> str:
    """Why a score differs, or agrees and is not our mean, and why a setting is not run."""
    reasons = [
        f"{row.published.algorithm}: {_how(row)}{row.published.reason or 'no reason is known'}."
        for row in one.rows
        if row.finding == "differs" or (row.published.reason and _beside_the_mean(row))
    ]
    return between.join([*reasons, *([f"Not run here: {one.setting.obstacle}."] if one.setting.obstacle else [])])


def _how(row: Beside) -> str:
    return "" if row.finding == "differs" else "agrees with a run of ours, and not with their mean: "


def _beside_the_mean(row: Beside) -> bool:
    """Whether a published score lies outside of our mean's interval."""
    published, ours = row.published.score, row.ours
    return isinstance(published, float) and ours is not None and not ours.low <= published <= ours.high
