"""The control that every table needs: train the readout and give the recurrent weights no credit at all.

The recurrent network stays as it was drawn, an echo state network (Jaeger 2001) in effect. On some tasks such a
reservoir beats published learning rules, so an algorithm that does not beat this one has shown nothing.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from throughtime.networks import Network, State
from throughtime.tasks.base import Batch

from .base import Algorithm, Update, backward, detach, no_update
from .compiled.choose import kernels_of


class ReadoutOnly(Algorithm):
    """Control: the exact gradient for the readout, zero for the recurrent weights.

    Args:
        update_every: steps from one update to the next; None: one update at the sequence's end.
    """

    exact_up_to = 0
    unbiased = False
    backward_mode = False

    def __init__(self, update_every: int | None = 1) -> None:
        if update_every is not None and update_every < 1:
            raise ValueError(f"update_every must be at least 1, or None for the sequence's end; got {update_every}")
        self.update_every = update_every
        self.online = update_every is not None

    def updates(
        self, network: Network, batch: Batch, carry: Any = None, *, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """One update every `update_every` steps, of the mean loss over the targets since the last."""
        state = network.initial_state(batch.size) if carry is None else carry
        network.check(batch.inputs, state)
        kernels = kernels_of(network, batch)
        every = self.update_every or batch.length
        for start in range(0, batch.length, every):
            stop = min(start + every, batch.length)
            if kernels:
                loss, state = kernels.readout(state, start, stop)
            else:
                loss, state = _gradient(network, batch.window(start, stop), state)
            share = batch.share(start, stop)
            yield Update(loss, share, state) if share else no_update(network, state)


def _gradient(network: Network, window: Batch, state: State) -> tuple[Tensor, State]:
    """The mean loss over a window's targets, its gradient by the readout alone, and the state after the window."""
    with torch.no_grad():
        hidden, state = network.hidden(window.inputs, state)
    loss = window.mean_loss(network.readout(hidden))
    if window.total:
        backward(network, loss)
    return loss.detach(), detach(state)
