"""Forcings by name."""

from typing import Any

from throughtime.parts import Registry

from .base import Forcing

FORCINGS: Registry[Forcing] = Registry("forcing", Forcing, "throughtime.forcings")  # type: ignore[type-abstract]


def make_forcing(spec: str, /, **parameters: Any) -> Forcing:
    """A forcing from its name and parameters; `BadInput` names the mistake.

    >>> make_forcing("generalized", alpha=0.9).alpha
    0.9
    >>> make_forcing("teacher").closes_loop
    False
    """
    return FORCINGS.make(spec, **parameters)
