"""What local learning rules share: eligibility traces, and how the loss's slopes at the outputs reach the units.

Exactly, by the readout's own weights; or by fixed random ones in their place (feedback alignment, Lillicrap et al.
2016), which no synapse would have to know. These are drawn once for a network, at its first sequence, as a
readout is, from uniform(−1/√n, 1/√n); the instance keeps them from sequence to sequence, and the carry from batch to
batch of a stream.
"""

import math
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from throughtime.networks import Network

from .forward import ForwardMode
from .influence import Influence
from .traces import Traces


class LocalRule(ForwardMode):
    """Traces along each unit's own state, its own recurrent weight left out.

    Args:
        feedback: by the readout's weights (exact), or by random ones.
        update_every: steps from one update to the next; None: one update at the sequence's end.
    """

    def __init__(self, feedback: Literal["exact", "random"] = "exact", update_every: int | None = 1) -> None:
        super().__init__(update_every)
        self.feedback = feedback
        self.exact_up_to = 1 if feedback == "exact" else 0
        self._drawn: WeakKeyDictionary[Network, Tensor] = WeakKeyDictionary()

    def refuses(self, network: Network) -> str:
        """A recurrence without a cell's structure, and random feedback in place of what isn't linear."""
        if self.feedback == "random" and not isinstance(network.readout, nn.Linear):
            what = type(network.readout).__name__
            return f"random feedback stands for a linear readout's weights, and the readout is a {what}; take exact"
        return super().refuses(network)

    def begin(self, network: Network, batch_size: int, generator: torch.Generator | None) -> Influence[Any]:
        """Traces of zero."""
        return Traces(network, batch_size, feedback=self.weights(network, generator))

    def weights(self, network: Network, generator: torch.Generator | None) -> Tensor | None:
        """Of the feedback, (o, n): the random ones, drawn where they aren't yet; None: the readout's."""
        if self.feedback == "exact":
            return None
        if network not in self._drawn:
            n, o = network.cell.hidden_size, int(network.readout.out_features)  # type: ignore[arg-type]
            bound = 1 / math.sqrt(n)
            drawn = torch.empty(o, n, dtype=torch.float64, device="cpu").uniform_(-bound, bound, generator=generator)
            self._drawn[network] = drawn
        # To where the network is by now: it may have been moved since.
        moved = self._drawn[network] = self._drawn[network].to(next(network.readout.parameters()))
        return moved
