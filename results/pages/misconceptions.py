"""docs/misconceptions.md: what is said, and what is measured."""

from throughtime.runners.gradients.beliefs import Belief, beliefs
from throughtime.runners.gradients.store import open_gradients

from .words import REFERENCE, markdown


def verdicts() -> str:
    """Each belief with its verdict and the number that decides it."""
    rows = [{"what is said": one.claim, "verdict": f"**{one.verdict}**", "by": one.number} for one in _beliefs()]
    return markdown(rows)


def numbers() -> str:
    """Why, belief by belief."""
    parts = [f"### {one.claim}: {one.verdict}\n\n{one.told}\n\nRule: {one.rule}." for one in _beliefs()]
    found = open_gradients(REFERENCE / "vanishing")
    return "\n\n".join([*parts, f"Measured on: {found.measured_on}."])


def _beliefs() -> list[Belief]:
    return beliefs(open_gradients(REFERENCE / "vanishing"))
