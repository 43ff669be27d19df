"""Algorithms by name."""

from typing import Any

from throughtime.parts import Registry

from .base import Algorithm

ALGORITHMS: Registry[Algorithm] = Registry("algorithm", Algorithm, "throughtime.algorithms")  # type: ignore[type-abstract]


def make_algorithm(spec: str, /, **parameters: Any) -> Algorithm:
    """An algorithm from its name and parameters; `BadInput` names the mistake.

    >>> make_algorithm("truncated", k1=5, k2=20).exact_up_to
    20
    >>> make_algorithm("rtrl").online
    True
    """
    return ALGORITHMS.make(spec, **parameters)
