"""What a tier of the gate found, and the one form in which every tier says it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tabulate import tabulate

Outcome = Literal["pass", "fail", "not compared"]


@dataclass(frozen=True)
class Verdict:
    """One tier's findings.

    Attributes:
        tier: 0, 1 or 2; "results" where a directory of results is compared.
        outcome: "not compared": there is nothing that it could be compared with, which blocks unless it is allowed.
        summary: the verdict in one sentence.
        lines: what led to it, for reading.
        data: the same for programs.
    """

    tier: int | Literal["results"]
    outcome: Outcome
    summary: str
    lines: tuple[str, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What was compared, for reading."""
        return "results" if self.tier == "results" else f"tier {self.tier}"

    def __str__(self) -> str:
        return "\n".join(
            [
                *(f"  {line}".rstrip() for line in self.lines),
                f"{self.outcome.upper()}, {self.name}: {self.summary}",
            ]
        )


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Rows of words under headings, aligned, numbers to the right."""
    numbers = [bool(rows) and all(str(row[i])[:1] in "+-0123456789" for row in rows) for i in range(len(headings))]
    align = ["right" if number else "left" for number in numbers]
    text: str = tabulate(
        [[str(word) for word in row] for row in rows],
        headers=list(headings),
        tablefmt="plain",
        disable_numparse=True,
        colalign=align if rows else None,
    )
    return text.splitlines()


def change(before: float, now: float) -> str:
    """A change in percent, with as many digits as show that there is one.

    >>> change(1000, 1010), change(100_000, 100_001), change(0, 3), change(3, 3)
    ('+1.0 %', '+0.001 %', 'from 0', '0 %')
    """
    if now == before:
        return "0 %"
    if not before:
        return "from 0"
    percent = 100 * (now - before) / before
    return f"{percent:+.1f} %" if abs(percent) >= 0.1 else f"{percent:+.1g} %"
