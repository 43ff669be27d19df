"""e-prop (Bellec et al., "A solution to the learning dilemma for recurrent networks of spiking neurons", Nature
Communications 11, 2020).

    ε_t = ∂s_t/∂s_{t-1}|own ε_{t-1} + ∂s_t/∂θ|immediate,     ∂ℓ_t/∂θ ≈ (Bᵀ ∂ℓ_t/∂y_t) · ∂h_t/∂s_t ε_t

The influence of every weight along its own unit's state, and along nothing that passes from unit to unit: what the
gates see of h_{t-1}, the unit's own included, is a constant. An LSTM's credit so runs along c alone, a GRU's along
u ∘ h; a cell without state of its own, such as the tanh cell, has no past: there it is online(1). O(P) a sequence.
"""

from .local import LocalRule


class Eprop(LocalRule):
    """Traces along each unit's own state.

    Args:
        feedback: of the loss's slopes to the units: exact, by the readout's weights, or by random ones.
        update_every: steps from one update to the next; None: one update at the sequence's end.
    """
