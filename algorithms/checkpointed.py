"""Checkpointed backpropagation through time: full BPTT's gradient in the memory of √T steps, for one more pass forward.

States are kept at a few steps only, and what lies between two of them is run again when the walk back comes to it.
With segments of some √T steps both are √T (Chen, Xu, Zhang & Guestrin, arXiv 1604.06174, 2016); they are of 2 √T here,
for each has its price in calls. With a given number m of slots for states, of which the first holds the sequence's
start, the fewest steps forward are

    C(t, m) = min_y  y + C(t − y, m − 1) + C(y, m),     C(t, 1) = t (t + 1) / 2,     C(1, m) = 1:

go y steps on and keep that state, walk back through the t − y steps after it, free its slot, walk back through the y
steps before it (Gruslys, Munos, Danihelka, Lanctot & Graves, NeurIPS 2016).
"""

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from throughtime.networks import Network, State
from throughtime.tasks.base import Batch

from .base import Algorithm, Update, no_update
from .window import Windows


class Checkpointed(Algorithm):
    """The exact gradient of a whole sequence, once, from few states kept.

    Args:
        slots: states that are kept at a time, 1 or more, and one step's activations beside them. None: one every
            2 √T steps, and the activations of 2 √T.
    """

    exact_up_to = math.inf
    unbiased = True
    online = False
    backward_mode = False  # a forcing that judges the whole sequence would be shown its segments

    def __init__(self, slots: int | None = None) -> None:
        if slots is not None and slots < 1:
            raise ValueError(f"slots must be at least 1, or None for one every 2 √T steps; got {slots}")
        self.slots = slots

    def updates(
        self, network: Network, batch: Batch, carry: Any = None, *, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """One update: ∂L/∂θ of the mean loss L over the batch's targets."""
        state = network.initial_state(batch.size) if carry is None else carry
        network.check(batch.inputs, state)
        if not batch.total:
            yield no_update(network, Windows(network, batch).carried_on(state, 0, batch.length))
            return
        walk = _Walk(network, batch)
        if self.slots is None:
            walk.by_segments(state, 2 * (math.isqrt(batch.length - 1) + 1))
        else:
            walk.within(state, 0, batch.length, min(self.slots, batch.length))
        yield Update(walk.loss, 1.0, walk.last)


class _Walk:
    """The walk back over a batch, segment by segment from its end; ``p.grad`` adds up."""

    def __init__(self, network: Network, batch: Batch) -> None:
        self.windows, self.total, self.length = Windows(network, batch), batch.total, batch.length
        self.arriving = tuple(torch.zeros_like(part) for part in network.initial_state(batch.size))
        self.loss: Tensor = batch.inputs.new_zeros(())
        self.last: State = ()

    def back(self, state: State, start: int, stop: int) -> None:
        """Through the steps start … stop − 1, from the state before them."""
        loss, after, self.arriving = self.windows.segment(
            state, start, start, stop, self.total, self.arriving, add=stop < self.length
        )
        self.loss = self.loss + loss
        if stop == self.length:
            self.last = after

    def by_segments(self, state: State, steps: int) -> None:
        """Each of so many steps, the last one maybe of fewer."""
        kept, starts = [state], range(0, self.length, steps)
        for start in starts[:-1]:
            kept.append(self.windows.carried_on(kept[-1], start, start + steps))
        for start in reversed(starts):
            self.back(kept.pop(), start, min(start + steps, self.length))

    def within(self, state: State, start: int, stop: int, slots: int) -> None:
        """Through the steps start … stop − 1 in so many slots, of which the state before them holds one."""
        if stop - start == 1:
            self.back(state, start, stop)
        elif slots == 1:
            for t in range(stop - 1, start - 1, -1):
                self.back(self.windows.carried_on(state, start, t), t, t + 1)
        else:
            middle = start + _split(stop - start, slots)
            self.within(self.windows.carried_on(state, start, middle), middle, stop, slots - 1)
            self.within(state, start, middle, slots)


def _split(steps: int, slots: int) -> int:
    """The best y for so many steps, two or more, in so many slots, two or more."""
    return int(_table(1 << (steps - 1).bit_length(), slots)[1][slots, steps])


@functools.lru_cache(maxsize=8)
def _table(steps: int, slots: int) -> tuple[np.ndarray, np.ndarray]:
    """C(t, m) and its y, (slots + 1, steps + 1) each, for all t and m up to these."""
    t = np.arange(steps + 1)
    cost, split = np.tile(t * (t + 1) // 2, (slots + 1, 1)), np.zeros((slots + 1, steps + 1), dtype=np.int64)
    for m in range(2, slots + 1):
        for n in range(2, steps + 1):
            of_each = t[1:n] + cost[m - 1, n - 1 : 0 : -1] + cost[m, 1:n]
            split[m, n] = 1 + of_each.argmin()
            cost[m, n] = of_each.min()
    return cost, split
