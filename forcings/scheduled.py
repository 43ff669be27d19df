"""Scheduled sampling (Bengio, Vinyals, Jaitly & Shazeer, NeurIPS 2015): for every sequence and step a coin decides
between the truth and the network's own output, and the truth grows rarer along training.

With p the share of training that is done, the odds of truth ε(p) fall to `end` along the paper's three curves: linear
1 − (1 − end) p; exponential end^p; inverse sigmoid k / (k + exp(i / k)), with i running from 0 to where ε = end. The
first two begin at 1, the last at k / (k + 1).
"""

import math
from typing import Literal

import torch
from torch import Tensor

from .base import Choice, OwnOutput

STEEPNESS = 10.0
"""k of the inverse sigmoid."""


class Scheduled(OwnOutput):
    """A coin for each step, truth ever more rarely.

    Args:
        schedule: the curve along which the odds of truth fall.
        end: the odds of truth at the end of training, above 0 and below those at its start; 0 is allowed for the linear
            one.
        symbol: how a symbol is chosen that is fed back: "sample" or "argmax"; of no effect on real-valued outputs.
    """

    def __init__(
        self,
        schedule: Literal["linear", "exponential", "inverse_sigmoid"] = "linear",
        end: float = 0.01,
        symbol: Choice = "sample",
    ) -> None:
        start = STEEPNESS / (STEEPNESS + 1) if schedule == "inverse_sigmoid" else 1
        if not 0 <= end < start or (end == 0 and schedule != "linear"):
            least = "0 or more" if schedule == "linear" else "above 0"
            raise ValueError(f"end must be {least} and below {start:.6g}, the odds at the start; got {end}")
        super().__init__(symbol)
        self.schedule, self.end = schedule, end

    def odds(self, progress: float) -> float:
        """ε, the odds of truth, when the share `progress` of training is done."""
        if self.schedule == "linear":
            return 1 - (1 - self.end) * progress
        if self.schedule == "exponential":
            return math.pow(self.end, progress)
        last = STEEPNESS * (1 - self.end) / self.end  # exp(i / k) where ε = end
        return STEEPNESS / (STEEPNESS + math.pow(last, progress))

    def truth(self, steps: int, sequences: int, *, progress: float, generator: torch.Generator) -> Tensor:
        """Coins."""
        return (torch.rand(steps, sequences, generator=generator) < self.odds(progress)).float()
