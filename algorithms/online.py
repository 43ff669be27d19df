"""Online backpropagation through time: an update after every time step, back through the last `depth` steps
(Williams & Peng, Neural Computation 2, 1990: BPTT(h), and "real-time BPTT" where the depth is not bounded).

After step t: the gradient of ℓ_t alone, walked back `depth` steps under the current parameters; the weights differ
along the sequence. It is TBPTT(1, depth): every loss sees the same number of steps, at `depth` times full BPTT's work.
"""

import math
import sys
from collections.abc import Iterator

import torch

from throughtime.networks import Network
from throughtime.tasks.base import Batch

from .base import Update
from .truncated import Past, Truncated


class Online(Truncated):
    """After every step, back through the last `depth`: TBPTT(1, depth).

    Args:
        depth: steps that each update walks back, 1 or more. None: to the batch's first step, as full BPTT does; then a
            step's cost and the memory grow along the sequence.
    """

    def __init__(self, depth: int | None = None) -> None:
        if depth is not None and depth < 1:
            raise ValueError(f"depth must be at least 1, or None for the sequence's start; got {depth}")
        super().__init__(k1=1, k2=sys.maxsize if depth is None else depth)
        self.depth = depth
        self.exact_up_to = math.inf if depth is None else depth
        self.unbiased = depth is None
        self.online = depth is not None

    def updates(
        self, network: Network, batch: Batch, carry: Past | None = None, *, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """One update a step."""
        if carry and self.depth is None:  # of the previous batch only its last state counts
            carry = Past.after(carry.states[-1][1], batch.inputs)
        yield from super().updates(network, batch, carry, generator=generator)
