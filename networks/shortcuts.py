"""When a method that stands for another, faster, is no longer to be believed.

A kernel knows nothing of the step that a subclass puts in place of the one it was written for. So each shortcut counts
only where it is written in the same class as what it stands for, or in one derived from that; elsewhere the class gets
the plain way: a window by its steps one by one, Jacobians by differentiation.
"""

from typing import Protocol

import torch
from torch import Tensor


class Steps(Protocol):
    """What has a step: a recurrence, or a network around one."""

    def step(self, input: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One time step."""


def overtaken(cls: type, shortcut: str, *by: str) -> bool:
    """Whether a class overrides any of the attributes that a shortcut stands for and inherits the shortcut itself.

    >>> class Plain:
    ...     def step(self): ...
    ...     def unroll(self): ...
    >>> class Other(Plain):
    ...     def step(self): ...
    >>> overtaken(Plain, "unroll", "step"), overtaken(Other, "unroll", "step")
    (False, True)
    """
    written = ({shortcut, *by} & vars(one).keys() for one in cls.__mro__)
    return shortcut not in next(names for names in written if names)


def step_by_step(stepping: Steps, inputs: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Inputs (T, B, m) to part 0 of the states after each step, (T, B, n), and the state after all."""
    hidden = []
    for x in inputs.unbind():
        state = stepping.step(x, state)
        hidden.append(state[0])
    return torch.stack(hidden), state
