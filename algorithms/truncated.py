"""Truncated backpropagation through time: BPTT(h; h′) of Williams & Peng (Neural Computation 2, 1990), also written
TBPTT(k1, k2) (Sutskever's thesis, 2013).

Every k1 steps: the losses of the last k1 steps, back through the last k2 steps. Each loss counts once. The window is
replayed under the current parameters from the state stored where it starts, so no graph outlives an optimizer step.
Only k1 = 1 lets every loss see k2 steps back; the chunked form k1 = k2 cuts a chunk's first loss off from all past.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from throughtime.networks import Network, State
from throughtime.tasks.base import Batch

from .base import Algorithm, Update, no_update
from .window import Windows, span


class Past(NamedTuple):
    """The carry: what was seen, and the states where updates ended, which windows to come begin at.

    Attributes:
        before: (H, B, m), inputs of a time before `inputs`.
        inputs: (T, B, m).
        stop: how many of them were seen.
        states: by position among `inputs`; negative: among those before.
    """

    before: Tensor
    inputs: Tensor
    stop: int
    states: tuple[tuple[int, State], ...]

    @classmethod
    def after(cls, state: State, inputs: Tensor) -> "Past":
        """That of which nothing is known but the state after it; `inputs` (…, B, m) are of its form."""
        nothing = inputs.new_empty(0, *inputs.shape[1:])
        return cls(nothing, nothing, 0, ((0, state),))

    def settled(self) -> "Past":
        """The same with no more inputs than windows may reach back into, in memory of their own."""
        oldest = self.states[0][0]
        inputs = span(self.before, self.inputs, oldest, self.stop).clone()
        states = tuple((position - oldest, state) for position, state in self.states)
        return Past(inputs[:0], inputs, len(inputs), states)


class Truncated(Algorithm):
    """Every k1 steps, back through the last k2: TBPTT(k1, k2).

    Args:
        k1: steps from one update to the next, 1 or more.
        k2: steps that each update walks back, k1 or more.
    """

    unbiased = False

    def __init__(self, k1: int, k2: int) -> None:
        if k1 < 1:
            raise ValueError(f"k1 must be at least 1, got {k1}")
        if k2 < k1:
            raise ValueError(f"k2 must be at least k1, so that every loss is seen; got k1={k1}, k2={k2}")
        self.k1, self.k2 = k1, k2
        self.exact_up_to: float = k2
        self.online = True

    def updates(
        self, network: Network, batch: Batch, carry: Past | None = None, *, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """One update every k1 steps; the last one may be shorter."""
        past = self.begin(network, batch, carry)
        yield from self.windowed(Windows(network, batch, past.inputs), past)

    def begin(self, network: Network, batch: Batch, carry: Past | None) -> Past:
        """What a batch goes on from."""
        past = Past.after(network.initial_state(batch.size), batch.inputs) if carry is None else carry.settled()
        network.check(batch.inputs, past.states[0][1])
        return past

    def windowed(self, windows: Windows, past: Past) -> Iterator[Update]:
        """The updates, by windows whose gradient may be another one than that of their losses alone."""
        before, network, batch = past.stop, windows.network, windows.batch
        states = deque((position - before, state) for position, state in past.states)
        for start in range(0, batch.length, self.k1):
            stop = min(start + self.k1, batch.length)
            first = max(stop - self.k2, -before)
            while len(states) > 1 and states[1][0] <= first:
                states.popleft()
            counts = any(batch.counts[start:stop])
            if counts:
                position, state = states[0]
                loss, state = windows.gradient(windows.carried_on(state, position, first), first, start, stop)
            else:
                position, state = states[-1]
                state = windows.carried_on(state, position, stop)
            states.append((stop, state))
            now = Past(past.inputs, batch.inputs, stop, tuple(states))
            # What goes on must not keep the whole batch's inputs alive.
            now = now.settled() if stop == batch.length else now
            yield Update(loss, batch.share(start, stop), now) if counts else no_update(network, now)
