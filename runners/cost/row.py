"""One row of the table of ratios to other code."""

from dataclasses import dataclass

from throughtime.runners.training.timing import Spread


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        what: is compared with what.
        sizes: at which.
        measured: over the rounds; None: it could not be.
        unit: of it; "×" for a ratio.
        limit: what it is judged by; None: shown for comparison.
        at_least: the limit is from below.
        reason: why it is missed, as far as that is known, or not measured; shown only then.
    """

    what: str
    sizes: str
    measured: Spread | None
    unit: str
    limit: float | None
    at_least: bool = False
    reason: str = ""

    @property
    def met(self) -> bool:
        """Whether the median keeps the limit."""
        if self.limit is None or self.measured is None:
            return self.limit is None
        return self.measured.median >= self.limit if self.at_least else self.measured.median <= self.limit

    @property
    def verdict(self) -> str:
        """Say "met", "missed", or that there is nothing to judge."""
        if self.limit is None:
            return "not measured" if self.measured is None else "for comparison"
        return "met" if self.met else "missed"
