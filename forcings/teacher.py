"""Teacher forcing (Williams & Zipser, Neural Computation 1, 1989): the network is given the truth at every step.

The loop is open: learning never sees what the network's own errors lead to, which free running then does.
"""

import torch

from throughtime.networks import Network
from throughtime.tasks.base import Batch

from .base import Feedback, Forcing


class Teacher(Forcing):
    """The truth at every step: how any task is trained that knows no feedback."""

    closes_loop = False

    def begin(self, network: Network, feedback: Feedback | None, *, seed: int) -> Network:
        """The network itself."""
        return network

    def drive(self, batch: Batch, network: Network, *, progress: float, generator: torch.Generator) -> Batch:
        """The batch itself."""
        return batch
