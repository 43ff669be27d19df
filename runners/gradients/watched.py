"""Every update's gradient norm along a run, seen on its way to the optimizer, which gets it as it is."""

import math

import numpy as np
import torch

from throughtime.algorithms.base import Update
from throughtime.runners.training.stepping import Stepper, Tally

STRETCHES = 20
"""Into so many a run's updates are divided."""


class Watched(Stepper):
    """A stepper that notes the norms of what another one applies.

    Args:
        stepper: the run's.
    """

    def __init__(self, stepper: Stepper) -> None:
        self.stepper = stepper
        self.flat, self.rate, self.limit = stepper.flat, stepper.rate, stepper.limit
        self.norms: list[torch.Tensor] = []

    @property
    def updates(self) -> int:  # type: ignore[override]
        """The run's, since they were last asked for."""
        return self.stepper.updates

    def step(self, update: Update) -> None:
        """Note, and hand on."""
        self.norms.append(torch.linalg.vector_norm(self.flat.gather_gradients().double()))
        self.stepper.step(update)

    def _apply(self, gradients: torch.Tensor, update: Update) -> None:
        raise NotImplementedError("what is watched applies them")

    def tally(self) -> Tally:
        """The run's."""
        return self.stepper.tally()

    def rows(self) -> list[dict[str, float]]:
        """For each stretch of the run the norms' quantiles, and the shares that were clipped and not finite.

        ``until`` is the number of updates by its end.
        """
        norms = np.array([float(norm) for norm in self.norms])
        rows, seen = [], 0
        for part in np.array_split(norms, min(STRETCHES, max(len(norms), 1))):
            if not len(part):
                continue
            seen += len(part)
            finite = part[np.isfinite(part)]
            quantiles = np.quantile(finite, [0.1, 0.5, 0.9, 1.0]) if len(finite) else [math.nan] * 4
            names = ("q10", "q50", "q90", "largest")
            rows.append(
                {
                    "until": float(seen),
                    **{name: float(value) for name, value in zip(names, quantiles, strict=True)},
                    "clipped": float((finite > self.limit).sum() / len(part)),
                    "not finite": float(1 - len(finite) / len(part)),
                }
            )
        return rows
