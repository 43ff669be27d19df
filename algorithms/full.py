"""Full backpropagation through time: the exact gradient of the whole sequence (Rumelhart et al. 1986; Werbos 1990).

Unroll all T steps, sum the losses, walk back through all of it. Memory grows with T; one update a sequence. In a stream
the state is carried from batch to batch and the walk back ends at the batch's first step.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch

from throughtime.networks import Network
from throughtime.tasks.base import Batch

from .base import Algorithm, Update, no_update
from .window import Windows


class Full(Algorithm):
    """The exact gradient of a whole sequence, once."""

    exact_up_to = math.inf
    unbiased = True
    online = False

    def updates(
        self, network: Network, batch: Batch, carry: Any = None, *, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """One update: ∂L/∂θ of the mean loss L over the batch's targets."""
        state = network.initial_state(batch.size) if carry is None else carry
        network.check(batch.inputs, state)
        windows = Windows(network, batch)
        if batch.total:
            loss, state = windows.gradient(state, 0, 0, batch.length)
            yield Update(loss, 1.0, state)
        else:
            yield no_update(network, windows.carried_on(state, 0, batch.length))
