"""Matrix products: the BLAS's, and plain loops where the call would cost more than the work."""

from typing import Any

import numpy as np

from .build import compiled


@compiled
def times(a: Any, b: Any, out: Any) -> None:
    """A (r, k) times b (k, c), into out (r, c)."""
    np.dot(a, b, out)


@compiled
def times_transposed(a: Any, b: Any, out: Any) -> None:
    """A (r, k) times the transpose of b (c, k), into out (r, c)."""
    if a.shape[1] > 4:
        np.dot(a, b.T, out)
        return
    bT = np.ascontiguousarray(b.T)
    for r in range(a.shape[0]):
        row = out[r]
        row[:] = a[r, 0] * bT[0]
        for k in range(1, a.shape[1]):
            x = a[r, k]
            for c in range(row.shape[0]):
                row[c] += x * bT[k, c]


@compiled
def add_products(a: Any, b: Any, out: Any) -> None:
    """The sum of a_r b_rᵀ over all rows r of a (R, p) and b (R, q), into out (p, q)."""
    np.dot(a.T, b, out)
