"""Rows that are one algorithm on their task: found by their runs, and no others."""

import pytest

from throughtime.runners.records.record import Point
from throughtime.runners.showing.alike import alike


def curve(metrics=(0.9, 0.5, 0.4, 0.3), norms=(None, 1.0, 0.8, 0.6), updates=10, error=None):
    return [
        Point(steps=k, updates=updates * k, seconds=k, metric=metric, gradient_norm=norm, relative_error=error)
        for k, (metric, norm) in enumerate(zip(metrics, norms, strict=True))
    ]


def both(one, other):
    return bool(alike({"one": {0: one}, "other": {0: other}}))


def test_the_same_runs_are_one_algorithm():
    assert both(curve(), curve(metrics=(0.9, 0.50001, 0.4, 0.30001)))


@pytest.mark.parametrize(
    "other",
    [
        curve(metrics=(0.9, 0.5, 0.4, 0.31)),
        curve(norms=(None, 1.0, 0.8, 0.7)),
        curve(norms=(None, 1.0, None, 0.6)),
        curve(updates=20),
        curve()[:3],
        curve(metrics=(0.9, 0.5, 0.4, 0.31), error=1e-7),
    ],
    ids=["another score", "another gradient", "no gradient", "more updates", "ended early", "one of them is exact"],
)
def test_another_run_is_another_algorithm(other):
    assert not both(curve(), other)


def test_exact_gradients_may_part_by_rounding_later():
    early, late = (0.9, 0.5, 0.4, 0.31), (0.9, 0.52, 0.4, 0.3)
    assert both(curve(error=1e-7), curve(metrics=early, error=1e-6))
    assert not both(curve(error=1e-7), curve(metrics=late, error=1e-6))


def test_every_seed_must_be_the_same():
    rows = {"one": {0: curve(), 1: curve()}, "other": {0: curve(), 1: curve(updates=3)}}
    assert alike(rows) == ()
    assert alike({"one": {0: curve()}, "other": {0: curve(), 1: curve()}}) == ()


def test_what_was_not_trained_is_like_nothing():
    assert alike({"one": {}, "other": {}}) == ()
    assert alike({"one": {0: curve()[:1]}, "other": {0: curve()[:1]}}) == ()


def test_sets_are_told_apart_in_order():
    rows = {"a": curve(), "b": curve(updates=2), "c": curve(), "d": curve(updates=2), "e": curve(updates=5)}
    assert alike({name: {0: one} for name, one in rows.items()}) == (("a", "c"), ("b", "d"))
