"""tanh and the logistic function, in float32 by a quotient of polynomials that vectorizes."""

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from .build import FAST

f32 = np.float32

LIMIT = f32(7.9053111)
"""Where tanh is 1 in float32."""

# Of the numerator x (a1 + a3 x² + …) and the denominator 1 + …, by powers of x²: the minimax quotient of degrees 13 and
# 6 that vector mathematics libraries use, good to a few units in the last place.
P0, P1, P2, P3 = f32(4.89352455891786e-03), f32(6.37261928875436e-04), f32(1.48572235717979e-05), f32(5.12229709e-08)
P4, P5, P6 = f32(-8.60467152213735e-11), f32(2.00018790482477e-13), f32(-2.76076847742355e-16)
Q0, Q1, Q2, Q3 = f32(4.89352518554385e-03), f32(2.26843463243900e-03), f32(1.18534705686654e-04), f32(1.19825839466e-06)


def tanh(x: Any) -> Any:
    """Of a float32 or float64; NaN stays NaN."""
    return math.tanh(x)


@overload(tanh, jit_options={"fastmath": FAST, "error_model": "numpy"})
def _tanh(x: Any) -> Any:
    if x == types.float32:

        def quotient(x: Any) -> Any:
            c = x if x < LIMIT else LIMIT
            c = c if c > -LIMIT else -LIMIT
            s = c * c
            p = ((((((P6 * s + P5) * s + P4) * s + P3) * s + P2) * s + P1) * s + P0) * c
            q = ((Q3 * s + Q2) * s + Q1) * s + Q0
            return p / q if x == x else x

        return quotient

    def by_the_library(x: Any) -> Any:
        return math.tanh(x)

    return by_the_library


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(−x)), by tanh; NaN stays NaN."""
    return math.tanh(x / 2) / 2 + 0.5


@overload(sigmoid, jit_options={"fastmath": FAST, "error_model": "numpy"})
def _sigmoid(x: Any) -> Any:
    half = f32(0.5) if x == types.float32 else 0.5

    def by_tanh(x: Any) -> Any:
        return half * tanh(half * x) + half

    return by_tanh
