"""Linear recurrent unit (Orvieto et al., ICML 2023; trained forward in time by Zucchet et al., NeurIPS 2023).

h_t = λ ∘ h_{t-1} + γ ∘ (B x_t),   λ = exp(−e^ν + i e^θ),   γ a parameter of its own

The layer that the papers put behind it is left to the readout, which sees real and imaginary parts: one layer under a
linear readout is a linear filter of its input.
"""

from collections.abc import Sequence

from torch import Tensor

from .rotating import Rotating


class LRU(Rotating):
    """Linear recurrent unit: hidden_size / 2 complex units, and γ learned.

    Args:
        r_min: the least |λ| to begin with.
        r_max: the largest; λ is drawn evenly from the ring between them.
        max_phase: the largest angle of λ to begin with, in radians.
    """

    unit_parameters = ("nu", "theta", "gamma")

    def norm(self, own: Sequence[Tensor]) -> tuple[Tensor, tuple[Tensor | float, ...]]:
        """The parameter γ."""
        return own[2], (0.0, 0.0, 1.0)
