"""Where everything is in the vector of a usual network's parameters: W, U, b_ih, b_hh, V, c."""

from typing import Any

import numpy as np

from throughtime.networks.compiled.build import compiled
from throughtime.networks.compiled.products import add_products


@compiled
def parts_of(vector: Any, rows: int, m: int, n: int, o: int) -> Any:
    """Views of a vector of all parameters: W (rows, m), U (rows, n), b_ih, b_hh (rows), V (o, n), c (o)."""
    a = rows * m
    b = a + rows * n
    c = b + 2 * rows
    d = c + o * n
    W, U = vector[:a].reshape(rows, m), vector[a:b].reshape(rows, n)
    return W, U, vector[b : b + rows], vector[b + rows : c], vector[c:d].reshape(o, n), vector[d:]


@compiled
def outputs_of(parameters: int, m: int, n: int, blocks: int) -> int:
    """o, by the number of all parameters."""
    return (parameters - blocks * n * (m + n + 2)) // (n + 1)


NO_BLOCK = -1

RNN = (np.array([0]), np.array([0]))
"""For each gate of a cell the block of W and b_ih that feeds it, and that of U and b_hh, or `NO_BLOCK`."""

GRU = (np.array([0, 1, 2, NO_BLOCK]), np.array([0, 1, NO_BLOCK, 2]))
LSTM = (np.array([0, 1, 2, 3]), np.array([0, 1, 2, 3]))


@compiled
def add_rows(slopes: Any, seen: Any, of_input: int, of_hidden: int, gW: Any, gU: Any, gb_ih: Any, gb_hh: Any) -> None:
    """Add slopes[i] · (x, h, 1) to what unit i of a gate with these blocks has of each parameter.

    seen is (n, m + n + 1), or (1, m + n + 1) where all units see the same. A gate at a time: a call costs as much as a
    row.
    """
    m, n = gW.shape[1], gU.shape[1]
    for i in range(n):
        slope, row = slopes[i], seen[i if len(seen) > 1 else 0]
        if of_input != NO_BLOCK:
            target = gW[of_input * n + i]
            for k in range(m):
                target[k] += slope * row[k]
            gb_ih[of_input * n + i] += slope * row[m + n]
        if of_hidden != NO_BLOCK:
            target = gU[of_hidden * n + i]
            for k in range(n):
                target[k] += slope * row[m + k]
            gb_hh[of_hidden * n + i] += slope * row[m + n]


@compiled
def fill_block(slopes: Any, features: Any, block: int, by_weight: Any, by_bias: Any) -> None:
    """A gate's block of a weight's gradient and of a bias', from the slopes of its units, (R, n), and what they saw."""
    if block == NO_BLOCK:
        return
    n = slopes.shape[1]
    add_products(slopes, features, by_weight[block * n : (block + 1) * n])
    total = by_bias[block * n : (block + 1) * n]
    total[:] = 0
    for r in range(len(slopes)):
        for i in range(n):
            total[i] += slopes[r, i]
