"""Where everything is in the vector of a usual network's parameters: W, U, b_ih, b_hh, V, c."""

from typing import Any

import numpy as np

from throughtime.networks.compiled.build import compiled


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
