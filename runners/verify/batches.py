"""Every batch that a task gives, and how two of them are compared."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from throughtime.tasks import Batch, Task

from .problems import draws


def every_batch(task: Task) -> Iterator[tuple[str, Batch, int]]:
    """Of every kind, with the size that was asked for; 0 where none was."""
    yield "sample(1)", task.sample(1, generator=draws(0)), 1
    yield "sample(3)", task.sample(3, generator=draws(0)), 3
    for batch in islice(task.batches(1, generator=draws(0)), 2):
        yield "batches(1)", batch, 1
    yield "validation", task.validation(), 0
    yield "test", task.test(), 0


def difference(one: Batch, other: Batch) -> str:
    """Which part of two batches differs; empty where none does."""
    if one.continues != other.continues:
        return "continues"
    pairs = {
        "inputs": (one.inputs, other.inputs),
        "targets": (one.targets, other.targets),
        "mask": (counted(one), counted(other)),
    }
    return next((name for name, pair in pairs.items() if not torch.equal(*pair)), "")


def draws_nothing(task: Task) -> bool:
    """Whether all sequences are one and the same, whatever the seed."""
    batches = [task.sample(2, generator=draws(seed)) for seed in (0, 1, 2)]
    first = batches[0].window(0, batches[0].length)
    alike = all(not difference(first, batch) for batch in batches[1:])
    return alike and all(bool((part == part[:, :1]).all()) for part in (first.inputs, first.targets))


def copied(batch: Batch) -> Batch:
    """With tensors of its own."""
    mask = None if batch.mask is None else batch.mask.clone()
    return replace(batch, inputs=batch.inputs.clone(), targets=batch.targets.clone(), mask=mask)


def fed_back(batch: Batch, outputs: int) -> Tensor:
    """What each step's target is when it is fed back, (T, B, o)."""
    return batch.targets if batch.targets.is_floating_point() else one_hot(batch.targets, outputs).float()


def unlike(one: Tensor, other: Tensor) -> Tensor:
    """Where (T, B) two tensors (T, B, o) differ by more than rounding of float32."""
    return ~torch.isclose(one, other, rtol=1e-5, atol=1e-6).all(dim=-1)


def counted(batch: Batch) -> Tensor:
    """The mask (T, B) of the targets that count."""
    return everywhere(batch) if batch.mask is None else batch.mask


def everywhere(batch: Batch) -> Tensor:
    """A mask (T, B) of every step."""
    return torch.ones(batch.length, batch.size, dtype=torch.bool)


def shown(values: Tensor) -> str:
    """The first numbers, for a message."""
    return f"({', '.join(f'{value:.4g}' for value in values.tolist()[:3])}{', …' if len(values) > 3 else ''})"
