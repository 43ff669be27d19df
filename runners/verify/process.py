"""Whether a part changes what is one for the whole process, random states and settings."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from throughtime.parts.process import changed, restore, state

from .refuted import Refuted

UNLIKELY = 2_071_828_459
"""A seed that a part hardly sets: one that sets the seed that is set already changes nothing."""

OF_LIBRARIES = {"the environment variables", "the warnings filters", "how figures look"}
"""What many a library changes where it is first imported, which is no fault of the part that imports it."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Refuted where what runs inside changes random or other state of the process, which is put back."""
    with seeded(UNLIKELY):
        before = state()
        yield
        found = [name for name in changed(before) if name not in OF_LIBRARIES]
        if found:
            raise Refuted(f"{', '.join(found)}: changed for the whole process")


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
