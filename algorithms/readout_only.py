"""The control that every table needs: train the readout and give the recurrent weights no credit at all.

The recurrent network stays as it was drawn, an echo state network (Jaeger 2001) in effect. On some tasks such a
reservoir beats published learning rules, so an algorithm that does not beat this one has shown nothing.
"""

from collections.abc import Iterator
from typing import Any

import torch

from throughtime.networks import Network
from throughtime.tasks.base import Batch

from .base import Algorithm, Update
from .stepwise import StepGradients


class ReadoutOnly(Algorithm):
    """Control: the exact gradient for the readout, zero for the recurrent weights.

    Args:
        update_every: steps from one update to the next; None: one update at the sequence's end.
    """

    exact_up_to = 0
    unbiased = False
    online = True

    def __init__(self, update_every: int | None = 1) -> None:
        if update_every is not None and update_every < 1:
            raise ValueError(f"update_every must be at least 1, or None for the sequence's end; got {update_every}")
        self.update_every = update_every

    def updates(
        self, network: Network, batch: Batch, carry: Any = None, *, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """One update every `update_every` steps, of the mean loss over the targets since the last."""
        state = carry or network.initial_state(batch.size)
        every = self.update_every or batch.length
        for start in range(0, batch.length, every):
            stop = min(start + every, batch.length)
            steps = StepGradients(network)
            for t in range(start, stop):
                with torch.no_grad():
                    state = network.step(batch.inputs[t], state)
                if batch.counts[t]:
                    steps.add_readout(batch, t, state[0])
            yield steps.update(batch, start, stop, carry=state)
