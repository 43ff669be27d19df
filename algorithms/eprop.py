"""e-prop (Bellec et al., "A solution to the learning dilemma for recurrent networks of spiking neurons", Nature
Communications 11, 2020).

    ε_t = ∂s_t/∂s_{t-1}|own ε_{t-1} + ∂s_t/∂θ|immediate,     ∂ℓ_t/∂θ ≈ (Bᵀ ∂ℓ_t/∂y_t) · ∂h_t/∂s_t ε_t

The influence of every weight along its own unit's state, and along nothing that passes from unit to unit: what the
gates see of h_{t-1}, the unit's own included, is a constant. An LSTM's credit so runs along c alone, a GRU's along
u ∘ h; a cell without state of its own, such as the tanh cell, has no past: there it is online(1). A diagonal cell's
units see nothing but themselves: there it is RTRL. O(P) a sequence.
"""

from typing import Any

import torch
from torch import nn

from throughtime.networks import Network

from .influence import Influence, make_influence
from .local import LocalRule


class Eprop(LocalRule):
    """Traces along each unit's own state.

    Args:
        feedback: of the loss's slopes to the units: exact, by the readout's weights, or by random ones.
        update_every: steps from one update to the next; None: one update at the sequence's end.
    """

    def refuses(self, network: Network) -> str:
        """What has neither a cell's gates nor a diagonal cell's units; random feedback for what isn't linear."""
        reason = super().refuses(network)
        linear = isinstance(network.readout, nn.Linear)
        return "" if network.diagonal and (linear or self.feedback == "exact") else reason

    def begin(self, network: Network, batch_size: int, generator: torch.Generator | None) -> Influence[Any]:
        """Traces of zero."""
        if not network.diagonal:
            return super().begin(network, batch_size, generator)
        influence = make_influence(network, batch_size)
        influence.feedback = self.weights(network, generator)
        return influence
