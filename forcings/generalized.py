"""Generalized teacher forcing (Hess, Monfared, Brenner & Durstewitz, ICML 2023): a mixture α y* + (1 − α) ŷ throughout.

Between teacher forcing (α = 1) and free running (α = 0): on chaotic series, whose gradients explode in a free run, the
share of truth bounds them while the network still meets its own errors.
"""

import torch
from torch import Tensor

from .base import Choice, OwnOutput


class Generalized(OwnOutput):
    """A fixed mixture of truth and own output.

    Args:
        alpha: the share of truth, 0 to 1.
        symbol: how a symbol is chosen that is fed back: "sample" or "argmax"; of no effect on real-valued outputs.
    """

    def __init__(self, alpha: float = 0.5, symbol: Choice = "sample") -> None:
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must be from 0 to 1, got {alpha}")
        super().__init__(symbol)
        self.alpha = alpha

    def truth(self, steps: int, sequences: int, *, progress: float, generator: torch.Generator) -> Tensor:
        """α everywhere."""
        return torch.full((steps, sequences), self.alpha, dtype=torch.float64)
