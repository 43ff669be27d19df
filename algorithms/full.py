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

from .base import Algorithm, Update, backward, detach, no_update


class Full(Algorithm):
    """The exact gradient of a whole sequence, once."""

    exact_up_to = math.inf
    unbiased = True
    online = False

    def updates(
        self, network: Network, batch: Batch, carry: Any = None, *, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """One update: ∂L/∂θ of the mean loss L over the batch's targets."""
        outputs, state = network.unroll(batch.inputs, carry)
        if not batch.total:
            yield no_update(network, detach(state))
            return
        loss = batch.mean_loss(outputs)
        del outputs  # what the walk back needs of them its graph has
        backward(network, loss)
        yield Update(loss.detach(), 1.0, detach(state))
