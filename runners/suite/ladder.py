"""Learning rates: what tuning chooses among those of a list, and a ladder that goes on until the best is inside.

A ladder's rates are 1 and 3 times the powers of ten, so a step is a factor of about 3 and a key reads well. Three of
them are tried first. While the best stands at an end of what was tried, the next rate beyond it is tried too, until
the best has a neighbour on either side or the ladder's limit is met. A rate that diverged is a neighbour too.

Scores that are all alike tell of no direction: which of them is best is luck, and often none has learned anything. A
budget is most often too short for a small rate, so the ladder goes on upwards until one differs.
"""

import functools
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from throughtime.parts.specs import nearest

LEAST_SEEDS = 3
"""Of the tuning by a ladder: it goes where the best rate points, and the luck of one seed would lead it astray."""

ALIKE = 0.1
"""By how much of the best mean score the others differ at most where they are alike."""

End = Literal["", "lowest", "highest"]
"""Of the rates tried, where a rate stands; empty: between others."""


class Choice(NamedTuple):
    """What tuning chooses: a learning rate, and a clip norm (None: no clipping)."""

    learning_rate: float
    clip_norm: float | None


Scores = Mapping[Choice, Sequence[float | None]]
"""The validation scores of each point, one a seed; None of a run that failed."""


class Ladder(BaseModel):
    """Learning rates to look for the best among.

    Attributes:
        start: 1 or 3 times a power of ten; it is tried first, with its two neighbours.
        least: no smaller rate is tried.
        most: no larger rate is tried.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: float = Field(ge=1e-12, le=1e6)
    least: float = Field(ge=1e-12, le=1e6)
    most: float = Field(ge=1e-12, le=1e6)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.start not in _rungs(self.start, self.start):
            raise ValueError("start must be 1 or 3 times a power of ten, such as 0.003")
        if len(self.first) < 3:
            raise ValueError("least and most must leave a rate on either side of start")
        return self

    @property
    def rungs(self) -> tuple[float, ...]:
        """All rates that may be tried, the smallest first."""
        return _rungs(self.least, self.most)

    @property
    def first(self) -> tuple[float, ...]:
        """Those that are tried first."""
        place = self.rungs.index(self.start) if self.start in self.rungs else 0
        return self.rungs[max(place - 1, 0) : place + 2]

    def further(self, costs: Mapping[float, float], best: float) -> float | None:
        """The rate to try next: beyond the best where that is an end, and upwards where all are alike; None where
        neither holds, or the limit is met.

        Args:
            costs: of each rate that was tried, lower is better; infinite where a run failed.
            best: the rate that would be chosen.

        >>> ladder = Ladder(start=0.003, least=0.001, most=1)
        >>> ladder.further({0.001: 9, 0.003: 5, 0.01: 2}, 0.01), ladder.further({0.001: 2, 0.003: 5, 0.01: 9}, 0.001)
        (0.03, None)
        >>> ladder.further({0.001: 0.165, 0.003: 0.166, 0.01: 0.167}, 0.001)
        0.03
        """
        if are_alike([*costs.values()]) and max(costs) < self.rungs[-1]:
            best = max(costs)
        place = self.rungs.index(best) + {"lowest": -1, "": 0, "highest": 1}[end_of(best, costs)]
        found = self.rungs[place] if 0 <= place < len(self.rungs) else best
        return None if found in costs else found

    def __str__(self) -> str:
        first = ", ".join(f"{rate:g}" for rate in self.first)
        when = "while the best is at an end or all are alike"
        return f"{first}, and one further {when}, from {self.least:g} to {self.most:g}"


AUTO = {
    "adam": {"start": 0.003, "least": 1e-5, "most": 1.0},
    "sgd": {"start": 0.03, "least": 1e-4, "most": 10.0},
}
"""The ladder of each optimizer: Adam's step is about its rate, whatever the gradient's size, SGD's is not."""


@functools.cache
def _rungs(least: float, most: float) -> tuple[float, ...]:
    powers = range(math.floor(math.log10(least)) - 1, math.ceil(math.log10(most)) + 1)
    rates = (float(f"{digit}e{power}") for power in powers for digit in (1, 3))
    return tuple(rate for rate in rates if least <= rate <= most)


def read_rates(given: Any, optimizer: str) -> Any:
    """What a suite says of its learning rates, with all that a ladder needs; a list as it is.

    Raises:
        ValueError: a word that is not "auto".
    """
    if isinstance(given, str) and given != "auto":
        raise ValueError(f"must be a list, such as [0.003, 0.01], or a word; {nearest(given, ['auto'])}")
    given = {} if given == "auto" else given
    return {**AUTO.get(optimizer, AUTO["adam"]), **given} if isinstance(given, dict) else given


def end_of(rate: float, tried: Collection[float]) -> End:
    """At which end of the rates tried one stands; of a single one there is no end.

    >>> end_of(0.1, [0.1, 0.01]), end_of(0.01, [0.1, 0.01, 0.001]), end_of(0.1, [0.1])
    ('highest', '', '')
    """
    if len(tried) < 2 or min(tried) < rate < max(tried):
        return ""
    return "lowest" if rate <= min(tried) else "highest"


def mean_cost(values: Sequence[float | None], better: str) -> float:
    """The mean score, so that lower is better; infinite where there is none, or a run failed."""
    good = [value for value in values if value is not None]
    if not good or len(good) < len(values):
        return math.inf
    return (1 if better == "lower" else -1) * sum(good) / len(good)


def are_alike(costs: Sequence[float]) -> bool:
    """Whether mean scores differ so little that none of them can be said to be the best.

    >>> are_alike([0.165, 0.166, 0.178]), are_alike([-0.25, -0.2]), are_alike([1.0, math.inf])
    (True, False, False)
    """
    return math.isfinite(max(costs)) and max(costs) - min(costs) <= ALIKE * abs(min(costs))


def costs_of(scores: Scores, better: str) -> dict[float, float]:
    """The least mean cost at each learning rate, over the clip norms."""
    found: dict[float, float] = {}
    for choice, values in scores.items():
        cost = mean_cost(values, better)
        found[choice.learning_rate] = min(cost, found.get(choice.learning_rate, math.inf))
    return found


def best_of(scores: Scores, better: str, *, inner: bool) -> Choice:
    """The point with the best mean score; one with a failed run loses to all without.

    Args:
        scores: of each point.
        better: "lower" or "higher".
        inner: on ties the middle one, the lower of two, so that a ladder does not go on along a plateau; else, and
            where every point failed, the smallest learning rate and then the smallest clip norm.
    """
    costs = {choice: mean_cost(values, better) for choice, values in scores.items()}
    least = min(costs.values())

    def size(choice: Choice) -> tuple[float, float]:
        return choice.learning_rate, math.inf if choice.clip_norm is None else choice.clip_norm

    tied = sorted((choice for choice, cost in costs.items() if cost == least), key=size)
    return tied[(len(tied) - 1) // 2] if inner and math.isfinite(least) else tied[0]
