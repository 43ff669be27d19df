"""Stochastic truncation: the gradient inside windows drawn at random from the sequence.

A window of `length` steps starts at τ, uniform in {0 … T − length}; the state at τ comes from a gradient-free forward
pass. Step t is covered with probability p_t, less near the edges, so its loss is weighted by 1/p_t: over the draws the
estimate Σ weight · grad is Σ_t w_t E_τ[∂ℓ_t/∂θ walked back to τ], without bias for that sum, and exact at length = T.
(The weighting is Horvitz & Thompson's, 1952, applied to windows of a sequence.)
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from throughtime.networks import Network, State
from throughtime.tasks.base import Batch

from .base import Algorithm, Update, no_update
from .window import Windows


class Stochastic(Algorithm):
    """Back through windows placed at random.

    Args:
        length: steps of a window; a shorter sequence is one window.
        draws: windows drawn, and updates made, for each sequence.
        burn_in: steps of the gradient-free pass before a window, from a zero state (from the stream's carried state
            where the batch has fewer steps before the window). None: from the sequence's start.
    """

    unbiased = False
    online = False

    def __init__(self, length: int, draws: int = 1, burn_in: int | None = None) -> None:
        for name, value, least in (("length", length, 1), ("draws", draws, 1), ("burn_in", burn_in, 0)):
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        self.length, self.draws, self.burn_in = length, draws, burn_in
        self.exact_up_to: float = length

    def updates(
        self, network: Network, batch: Batch, carry: Any = None, *, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """One update a draw: the 1/p_t-weighted mean loss over the window's targets, back through the window."""
        network.check(batch.inputs, carry)
        length = min(self.length, batch.length)
        # On the host, where the draws are made and the targets counted: no device is waited for.
        inverse_p = 1 / self.coverage(batch.length)
        counts = torch.tensor(batch.counts, dtype=torch.float64, device="cpu")
        windows = Windows(network, batch)
        last_start = batch.length - length
        for draw in range(self.draws):
            start = int(torch.randint(last_start + 1, (), generator=generator, device="cpu"))
            stop, last = start + length, draw == self.draws - 1
            odds = inverse_p[start:stop]
            state = self._state_at(start, windows, carry)
            if any(batch.counts[start:stop]):
                targets = float(odds @ counts[start:stop])
                weights = (odds / targets).to(batch.inputs)
                loss, state = windows.gradient(state, start, start, stop, weights)
                update = Update(loss, targets / (batch.total * self.draws), None)
            else:
                there = last and stop == batch.length and self.burn_in is None
                state = windows.carried_on(state, start, stop) if there else state
                update = no_update(network, None)
            if not last:
                yield update
            elif stop == batch.length and self.burn_in is None:
                yield update._replace(carry=state)
            else:
                yield update._replace(carry=self._state_at(batch.length, windows, carry))

    def coverage(self, steps: int) -> Tensor:
        """p_t, the probability that a window covers step t, for a sequence of `steps` steps: (steps,), float64."""
        length = min(self.length, steps)
        t = torch.arange(steps, dtype=torch.float64, device="cpu")
        starts = steps - length + 1
        return (t.clamp(max=starts - 1) - (t - length + 1).clamp(min=0) + 1) / starts

    def _state_at(self, position: int, windows: Windows, carry: State | None) -> State:
        """The state before step `position`, by the gradient-free pass."""
        batch, first = windows.batch, 0 if self.burn_in is None else max(0, position - self.burn_in)
        state = carry if carry is not None and first == 0 else windows.network.initial_state(batch.size)
        return windows.carried_on(state, first, position)
