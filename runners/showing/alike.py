"""Which rows are one and the same algorithm on their task, as all are that walk back to the start of eight steps."""

import math
from collections.abc import Mapping, Sequence

from throughtime.runners.records.record import Point

Curves = Mapping[int, Sequence[Point]]
"""The learning curve of each seed."""

CLOSE = 1e-3
"""Relative: what rounding comes to early in training, where another gradient makes far more."""


def alike(rows: Mapping[str, Curves]) -> tuple[tuple[str, ...], ...]:
    """Names in sets of two or more whose runs are each other's, seed by seed.

    Either to their ends; or at their first evaluation after the start, where both have the exact gradient at every
    evaluation: two ways to compute it round differently, and training lets that grow. Such rows are no evidence for
    each other, and the best of them is the best by rounding.

    Args:
        rows: of each name the curves of its runs that are done.
    """
    sets: list[list[str]] = []
    for name, curves in rows.items():
        known = next((one for one in sets if _same(rows[one[0]], curves)), None)
        if known:
            known.append(name)
        else:
            sets.append([name])
    return tuple(tuple(one) for one in sets if len(one) > 1)


def _same(one: Curves, other: Curves) -> bool:
    updates = {seed: [point.updates for point in curve] for seed, curve in one.items()}
    if updates != {seed: [point.updates for point in curve] for seed, curve in other.items()}:
        return False
    if not updates or min(map(len, updates.values())) < 2:
        return False  # nothing was trained
    exact = all(map(_exact, [*one.values(), *other.values()]))
    compared = slice(2 if exact else None)
    return all(
        _close(point, beside)
        for seed in one
        for point, beside in zip(one[seed][compared], other[seed][compared], strict=True)
    )


def _exact(curve: Sequence[Point]) -> bool:
    """Whether the gradient is full BPTT's at every evaluation."""
    return all(point.relative_error is not None and point.relative_error < CLOSE for point in curve)


def _close(one: Point, other: Point) -> bool:
    if not math.isclose(one.metric, other.metric, rel_tol=CLOSE):
        return False
    if one.gradient_norm is None or other.gradient_norm is None:
        return one.gradient_norm == other.gradient_norm
    return math.isclose(one.gradient_norm, other.gradient_norm, rel_tol=CLOSE)
