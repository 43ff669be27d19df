"""Long short-term memory with elementwise recurrence (Irie, Gopalakrishnan & Schmidhuber, ICLR 2024).

f_t = σ(F x_t + w_f ∘ c_{t-1}),   z_t = tanh(Z x_t + w_z ∘ c_{t-1}),   c_t = f_t ∘ c_{t-1} + (1 − f_t) ∘ z_t

Both gates have biases. The paper's output gate feeds nothing back; it is left out, and the readout sees c.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .diagonal import DiagonalCell


class ELSTM(DiagonalCell):
    """LSTM with elementwise recurrence: gates f and z, which see the unit's own state by w_f and w_z."""

    gates = 2
    unit_parameters = ("weight_f", "weight_z")

    def activate(self, state: Sequence[Tensor], z: Sequence[Tensor], own: Sequence[Tensor]) -> Sequence[Tensor]:
        """The new c."""
        (c,) = state
        keep, candidate = (z[0] + own[0] * c).sigmoid(), (z[1] + own[1] * c).tanh()
        return (torch.lerp(candidate, c, keep),)

    def derivatives(
        self, state: Sequence[Tensor], z: Sequence[Tensor], own: Sequence[Tensor]
    ) -> tuple[Sequence[Tensor], Tensor, Tensor, Tensor]:
        """By hand: c acts by itself and through both gates."""
        (c,) = state
        keep, candidate = (z[0] + own[0] * c).sigmoid(), (z[1] + own[1] * c).tanh()
        by_gate = torch.stack([(c - candidate) * keep * (1 - keep), (1 - keep) * (1 - candidate * candidate)])
        by_state = keep + own[0] * by_gate[0] + own[1] * by_gate[1]
        return (torch.lerp(candidate, c, keep),), by_state[None, None], by_gate[None], (by_gate * c)[None]
