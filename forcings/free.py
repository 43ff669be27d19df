"""Free running: after a sequence's first step the network is given nothing but its own last output.

The gradient runs through a real-valued output, so the network learns what its errors lead to; a symbol cuts it.
"""

import torch
from torch import Tensor

from .base import OwnOutput


class Free(OwnOutput):
    """Its own output at every step but the first.

    Args:
        symbol: how a symbol is chosen that is fed back: "sample" or "argmax"; of no effect on real-valued outputs.
    """

    def truth(self, steps: int, sequences: int, *, progress: float, generator: torch.Generator) -> Tensor:
        """Zeros."""
        return torch.zeros(steps, sequences)
