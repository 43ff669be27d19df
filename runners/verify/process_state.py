"""What all code of a process shares and a plugin may change: to be looked at, compared, and put back."""

import random
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

State = Mapping[str, object]


def now() -> State:
    """By what it is called in a message."""
    return {
        "torch's random state": torch.get_rng_state(),
        "numpy's random state": np.random.get_state(legacy=True),  # noqa: NPY002 (what a plugin may have used)
        "Python's random state": random.getstate(),
        "the default dtype": torch.get_default_dtype(),
        "the number of threads": torch.get_num_threads(),
        "whether gradients are recorded": torch.is_grad_enabled(),
        "whether anomalies are detected": torch.is_anomaly_enabled(),
        "whether algorithms must be deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def changes(before: State) -> list[str]:
    """What is not as it was."""
    return [name for name, value in now().items() if not _same(value, before[name])]


def restore(before: State) -> None:
    """Put all of it back."""
    put = {
        "torch's random state": torch.set_rng_state,
        "numpy's random state": np.random.set_state,
        "Python's random state": random.setstate,
        "the default dtype": torch.set_default_dtype,
        "the number of threads": torch.set_num_threads,
        "whether gradients are recorded": torch.set_grad_enabled,
        "whether anomalies are detected": torch.autograd.set_detect_anomaly,
        "whether algorithms must be deterministic": torch.use_deterministic_algorithms,
    }
    for name in changes(before):
        put[name](before[name])  # type: ignore[operator]


def _same(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    return one == other
