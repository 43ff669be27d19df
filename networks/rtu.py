"""Recurrent trace unit (Elelimy, White, Bowling & White, NeurIPS 2024), the linear one.

h_t = λ ∘ h_{t-1} + √(1 − r²) ∘ (B x_t),   λ = g + i φ,   g = r cos e^θ,   φ = r sin e^θ,   r = exp(−e^ν)

As the linear recurrent unit, but the norm is a function of r, and what r does through it is part of the gradient.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .rotating import Rotating


class RTU(Rotating):
    """Recurrent trace unit: hidden_size / 2 complex units, whose norm follows from their size.

    Args:
        r_min: the least r to begin with.
        r_max: the largest; λ is drawn evenly from the ring between them.
        max_phase: the largest angle of λ to begin with, in radians.
    """

    unit_parameters = ("nu", "theta")

    def norm(self, own: Sequence[Tensor]) -> tuple[Tensor, tuple[Tensor | float, ...]]:
        """√(1 − r²), and its slope e^ν r² / √(1 − r²)."""
        rate = own[0].exp()
        gamma = (-torch.expm1(-2 * rate)).sqrt()
        return gamma, (rate * (-2 * rate).exp() / gamma, 0.0)
