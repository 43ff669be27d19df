"""Layer by layer RTRL: each layer carries its own influence, and credit goes down through the layers of one step alone.

    M^l_t = I^l_t + D^l_t M^l_{t-1},     δ^L_t = ∂ℓ_t/∂h^L_t,     δ^{l-1}_t = (∂h^l_t/∂h^{l-1}_t)ᵀ δ^l_t

What a lower layer's past did to an upper layer's state, and so to the loss, is left out: exact with one layer, where it
is `rtrl`, and over one step; biased with more. On diagonal cells it costs O(P), where the exact influence of stacked
layers is dense: it is what "exact" RTRL of deep diagonal networks is in practice (Zucchet et al., NeurIPS 2023; Irie,
Gopalakrishnan & Schmidhuber, ICLR 2024). A closed loop of several layers takes its own output as given.
"""

from collections.abc import Iterator
from typing import Any

import torch

from throughtime.networks import Network, Stacked
from throughtime.tasks.base import Batch

from .base import Update
from .forward import ForwardMode
from .influence import Influence
from .layered_influence import Layered, LayeredLoop, LayerwiseInfluence, layer_by_layer, stack_of, unlayered
from .rtrl import RTRL


class LayerwiseRTRL(RTRL):
    """RTRL within each layer, backpropagation between them at each step.

    Args:
        update_every: steps from one update to the next; None: one update at the sequence's end.
    """

    exact_up_to = 1
    unbiased = False
    shown_on = ("rnn(layers=2)", "lstm(layers=2)", "lru(layers=2)", "elstm(layers=3)")

    def refuses(self, network: Network) -> str:
        """Layers without a structure of their own, or within a network that may do more than hand on their states."""
        return unlayered(network) if isinstance(network.cell, Stacked) else ""

    def begin(self, network: Network, batch_size: int, generator: torch.Generator | None) -> Influence[Any]:
        """Of each layer an influence of zero, in its own structure."""
        if isinstance(network, Layered | LayeredLoop):
            return LayerwiseInfluence(stack_of(network), batch_size)
        return super().begin(network, batch_size, generator)

    def updates(
        self, network: Network, batch: Batch, carry: Any = None, *, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """One update every `update_every` steps, of the mean loss over the targets since the last."""
        yield from ForwardMode.updates(self, layer_by_layer(network), batch, carry, generator=generator)
