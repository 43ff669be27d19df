"""Matrix products, each by what was fastest at its size: tiles in registers, the BLAS, or plain sums."""

from typing import Any

import numpy as np

from .build import compiled
from .tiles import VECTOR, panel

_HALF = VECTOR // 2
_by_two, _by_one, _by_half, _by_number = panel(2 * VECTOR), panel(VECTOR), panel(_HALF), panel(0)

_IN_CACHE = 1 << 19
"""Bytes of a second factor; of a larger one the BLAS makes blocks."""

_OF_ONE_ROW = 1 << 14
"""Bytes of a second factor whose first has a single row; a BLAS reads a larger one faster."""

_SHORT = 1 << 17
"""Bytes of what is summed over by rows, likewise: its tiles read both factors across."""


@compiled
def times(a: Any, b: Any, out: Any) -> None:
    """A (r, k) times b (k, c), into out (r, c)."""
    if b.nbytes > (_IN_CACHE if len(a) > 1 else _OF_ONE_ROW):
        np.dot(a, b, out)
    else:
        by_tiles(a, b, out)


@compiled
def times_transposed(a: Any, b: Any, out: Any) -> None:
    """A (r, k) times the transpose of b (c, k), into out (r, c)."""
    rows, columns = out.shape
    if rows >= 8 and columns >= 16 and b.nbytes <= _IN_CACHE:
        by_tiles(a, np.ascontiguousarray(b.T), out)
    elif columns <= 4 and rows <= 128:
        for r in range(rows):
            x = a[r]
            for c in range(columns):
                total, y = out.dtype.type(0), b[c]
                for k in range(len(x)):
                    total += x[k] * y[k]
                out[r, c] = total
    else:
        np.dot(a, b.T, out)


@compiled
def add_products(a: Any, b: Any, out: Any) -> None:
    """The sum of a_r b_rᵀ over all rows r of a (R, p) and b (R, q), into out (p, q)."""
    q = b.shape[1]
    if q == 1 or b.nbytes > _SHORT:
        np.dot(a.T, b, out)
    elif q * b.itemsize < VECTOR and q < len(out):
        turned = np.empty((q, len(out)), out.dtype)
        by_tiles(b.T, a, turned)
        out[:] = turned.T
    else:
        by_tiles(a.T, b, out)


@compiled
def by_tiles(a: Any, b: Any, out: Any) -> None:
    """As `times`, of any size; a may have gaps."""
    columns, size = out.shape[1], out.itemsize
    two, one, half = 2 * VECTOR // size, VECTOR // size, _HALF // size
    if columns >= two:
        for j in range(0, columns - two + 1, two):
            _by_two(a, b, out, j)
        left = columns % two
        # A last panel may do some of the one before it again.
        if left > one:
            _by_two(a, b, out, columns - two)
        elif left:
            _by_one(a, b, out, columns - one)
    elif columns >= one:
        _by_one(a, b, out, 0)
        if columns > one:
            _by_one(a, b, out, columns - one)
    elif columns >= half:
        _by_half(a, b, out, 0)
        if columns > half:
            _by_half(a, b, out, columns - half)
    else:
        for j in range(columns):
            _by_number(a, b, out, j)
