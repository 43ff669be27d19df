"""Tasks by name."""

from typing import Any

from throughtime.parts import Registry

from .base import Task

TASKS: Registry[Task] = Registry("task", Task, "throughtime.tasks")  # type: ignore[type-abstract]


def make_task(spec: str, /, **parameters: Any) -> Task:
    """A task from its name and parameters; `BadInput` names the mistake, `Unavailable` what to install.

    >>> make_task("adding", length=50).input_size
    2
    >>> make_task("adding(length=50)").output_size
    1
    """
    return TASKS.make(spec, **parameters)
