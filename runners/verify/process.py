"""What a part could change for the whole process, random states and settings: read, compared, and put back."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from .refuted import Refuted

UNLIKELY = 2_071_828_459
"""A seed that a part hardly sets: one that sets the seed that is set already changes nothing."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Refuted where what runs inside changes random or other state of the process, which is put back."""
    with seeded(UNLIKELY):
        before = state()
        yield
        changed = [name for name, value in state().items() if not _same(value, before[name])]
        if changed:
            raise Refuted(f"{', '.join(changed)}: changed for the whole process")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, the process's own random numbers begin at a seed; outside, they go on as if nothing had been."""
    before = state()
    try:
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 (what a part may have used)
        random.seed(seed)
        yield
    finally:
        restore(before)


def state() -> dict[str, object]:
    """By what it is called in a message."""
    return {
        "torch's random state": torch.get_rng_state(),
        "numpy's random state": np.random.get_state(),  # noqa: NPY002
        "Python's random state": random.getstate(),
        "the default dtype": torch.get_default_dtype(),
        "the number of threads": torch.get_num_threads(),
        "whether gradients are recorded": torch.is_grad_enabled(),
        "whether anomalies are detected": torch.is_anomaly_enabled(),
        "whether algorithms must be deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def _same(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


def restore(before: dict[str, object]) -> None:
    """Put all of it back."""
    now = state()
    setters = {
        "torch's random state": torch.set_rng_state,
        "numpy's random state": np.random.set_state,
        "Python's random state": random.setstate,
        "the default dtype": torch.set_default_dtype,
        "the number of threads": torch.set_num_threads,
        "whether gradients are recorded": torch.set_grad_enabled,
        "whether anomalies are detected": torch.autograd.set_detect_anomaly,
        "whether algorithms must be deterministic": torch.use_deterministic_algorithms,
    }
    for name, put_back in setters.items():
        if not _same(now[name], before[name]):
            put_back(before[name])  # type: ignore[operator]
