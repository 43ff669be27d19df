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
from .window import Windows


class Past(NamedTuple):
    """The carry: inputs (H, B, m) of the last H steps, and the states where updates ended, by position among them."""

    inputs: Tensor
    states: tuple[tuple[int, State], ...]


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
        past = carry or Past(batch.inputs[:0], ((0, network.initial_state(batch.size)),))
        network.check(batch.inputs, past.states[0][1])
        windows = Windows(network, batch)
        states = deque(past.states)
        before = len(past.inputs)
        for start in range(0, batch.length, self.k1):
            stop = min(start + self.k1, batch.length)
            first, end = max(before + stop - self.k2, 0), before + stop
            while len(states) > 1 and states[1][0] <= first:
                states.popleft()
            if any(batch.counts[start:stop]):
                position, state = states[0]
                state = windows.carried_on(_span(past.inputs, batch.inputs, position, first), state)
                loss, state = windows.gradient(_span(past.inputs, batch.inputs, first, end), state, start, stop)
                update = Update(loss, batch.share(start, stop), None)
            else:
                position, state = states[-1]
                state = windows.carried_on(_span(past.inputs, batch.inputs, position, end), state)
                update = no_update(network, None)
            states.append((end, state))
            oldest = states[0][0]
            recent = tuple((position - oldest, state) for position, state in states)
            inputs = _span(past.inputs, batch.inputs, oldest, end)
            if stop == batch.length:  # the carry that goes on must not keep the whole batch's inputs alive
                inputs = inputs.clone()
            yield update._replace(carry=Past(inputs, recent))


def _span(past: Tensor, present: Tensor, start: int, stop: int) -> Tensor:
    """The steps start … stop − 1 of the past's inputs followed by the present's, without copying the present."""
    before = len(past)
    if start >= before:
        return present[start - before : stop - before]
    return torch.cat([past[start:stop], present[: max(stop - before, 0)]])
