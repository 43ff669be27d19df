"""RFLO, random feedback local online learning (Murray, "Local online learning in recurrent networks with random
feedback", eLife 8:e43299, 2019, equations 4 and 5).

    e_t = (1 − λ) e_{t-1} + λ φ'(z_t) ∘ (x_t, h_{t-1}, 1),     ∂ℓ_t/∂θ ≈ (Bᵀ ∂ℓ_t/∂y_t) · e_t

λ is the cell's leak, and what other units make of a unit's past is left out, so memory and time are O(P). B is random
and fixed, or the readout V itself. Without a leak, λ = 1, nothing is carried: with exact feedback this is online(1).
"""

import torch

from throughtime.networks import Network

from .influence import cell_of
from .local import LocalRule


class RFLO(LocalRule):
    """Traces that decay by the cell's leak.

    Args:
        feedback: of the loss's slopes to the units: exact, by the readout's weights, or by random ones.
        update_every: steps from one update to the next; None: one update at the sequence's end.
    """

    shown_on = ("rnn", "leaky(leak=0.3)")

    def refuses(self, network: Network) -> str:
        """A cell without a constant leak: of several parts, or with a gate in its place."""
        if reason := super().refuses(network):
            return reason
        if cell_of(network).state_parts == 1 and _leak_is_constant(network):
            return ""
        return (
            f"rflo's traces decay by a constant leak, and a unit of {type(network.cell).__name__} keeps its state by a "
            f"gate or in several parts; take eprop, which follows the unit's own state"
        )


@torch.no_grad()
def _leak_is_constant(network: Network) -> bool:
    """Whether ∂h_t/∂h_{t-1} at fixed z is the same at two points far from each other."""
    cell = cell_of(network)
    points = (cell.weight_hh_l0.new_full((1, cell.hidden_size), value) for value in (-0.5, 0.75))
    first, second = (cell.derivatives((h,), [h] * len(cell.input_blocks))[1] for h in points)
    return torch.allclose(first, second)
