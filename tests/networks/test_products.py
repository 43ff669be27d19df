"""The kernels' matrix products against numpy's in float64, at every size: whatever path a size takes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")

from throughtime.networks.compiled.products import add_products, by_tiles, times, times_transposed

SIZES = st.integers(1, 70)
KINDS = st.sampled_from(["f4", "f8"])
TOLERANCE = {"f4": 1e-5, "f8": 1e-13}

PAST_THE_CACHE = {"f4": 400, "f8": 300}
"""A square of so many rows is larger than what tiles are used for."""


def draw(kind, *shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(kind)


def assert_product(found, a, b):
    """Of a and b, each number to rounding of the sum of its terms' sizes."""
    a, b, size = a.astype("f8"), b.astype("f8"), TOLERANCE[found.dtype.str[1:]]
    assert (np.abs(found - a @ b) <= size * (np.abs(a) @ np.abs(b))).all()


@settings(max_examples=60, deadline=None)
@given(KINDS, SIZES, SIZES, SIZES)
def test_a_times_b(kind, r, k, c):
    a, b, out = draw(kind, r, k), draw(kind, k, c, seed=1), np.full((r, c), np.nan, kind)
    times(a, b, out)
    assert_product(out, a, b)


@settings(max_examples=60, deadline=None)
@given(KINDS, st.integers(1, 200), SIZES, SIZES)
def test_a_times_b_transposed(kind, r, k, c):
    a, b, out = draw(kind, r, k), draw(kind, c, k, seed=1), np.full((r, c), np.nan, kind)
    times_transposed(a, b, out)
    assert_product(out, a, b.T)


@settings(max_examples=60, deadline=None)
@given(KINDS, st.integers(1, 700), SIZES, SIZES)
def test_the_sum_of_products_of_rows(kind, rows, p, q):
    a, b, out = draw(kind, rows, p), draw(kind, rows, q, seed=1), np.full((p, q), np.nan, kind)
    add_products(a, b, out)
    assert_product(out, a.T, b)


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_larger_than_the_cache(kind):
    n = PAST_THE_CACHE[kind]
    a, b = draw(kind, n, n), draw(kind, n, n, seed=1)
    for product, expected in ((times, b), (times_transposed, b.T)):
        out = np.full((n, n), np.nan, kind)
        product(a, b, out)
        assert_product(out, a, expected)
    out = np.full((n, n), np.nan, kind)
    add_products(a, b, out)
    assert_product(out, a.T, b)


@settings(max_examples=60, deadline=None)
@given(KINDS, SIZES, SIZES, SIZES)
def test_tiles_of_factors_with_gaps_and_nothing_beside_the_product_is_written(kind, r, k, c):
    whole, around = draw(kind, r, k + 3), np.full((r + 2, c + 2), 7, kind)
    a, b, out = whole[:, :k], draw(kind, k, c + 1, seed=1)[:, :c], around[1:-1, 1:-1]
    by_tiles(a, b, out)
    assert_product(out, a, b)
    out[:] = 7
    assert (around == 7).all()


@settings(max_examples=30, deadline=None)
@given(KINDS, SIZES, SIZES, SIZES)
def test_a_tile_sums_each_number_in_the_same_way_wherever_it_stands(kind, r, k, c):
    a, b, out = draw(kind, r, k), draw(kind, k, c, seed=1), np.empty((r, c), kind)
    by_tiles(a, b, out)
    alone = np.empty((1, 1), kind)
    for i, j in ((0, 0), (r - 1, c - 1), (r // 2, c // 2)):
        by_tiles(a[i : i + 1], np.ascontiguousarray(b[:, j : j + 1]), alone)
        assert alone[0, 0] == out[i, j]


def test_what_is_not_finite_stays_so():
    a, b, out = np.ones((5, 3), "f4"), np.ones((3, 20), "f4"), np.empty((5, 20), "f4")
    a[2, 1], b[0, 7] = np.inf, np.nan
    by_tiles(a, b, out)
    assert np.isnan(out[:, 7]).all()
    assert np.isinf(np.delete(out[2], 7)).all()
    assert np.isfinite(np.delete(np.delete(out, 7, axis=1), 2, axis=0)).all()
