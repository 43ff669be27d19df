"""Decoupled neural interfaces, or synthetic gradients, through time (Jaderberg, Czarnecki, Osindero, Vinyals, Graves,
Silver & Kavukcuoglu, ICML 2017): truncated BPTT, and a learned map that says what gradient arrives at a window's end.

    gradient = ∂(Σ ℓ in the window)/∂θ + ĝ(h_end) · ∂s_end/∂θ,     ĝ(h) = A h + a ≈ ∂(Σ ℓ after it)/∂s
    A, a descend ½ ‖ĝ(h_start) − g_start‖²,     g_start = ∂(Σ ℓ in the window)/∂s_start + ĝ(h_end) · ∂s_end/∂s_start

So each window teaches the map what the window before it lacked, and by ĝ(h_end) credit reaches further back with every
pass. A and a begin as zero: then, and with a learning rate of zero, it is TBPTT(k, k) to the last bit. Credit is that
of one sequence's summed losses, the map's descent is on the mean over the batch's sequences.

The map is carried along a stream and begins anew where that does. A window without targets makes no update, and teaches
nothing; nor does a last window of fewer than k steps, which reaches back into the one before it. A batch's last window
takes ĝ as any other does, for a stream may go on.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from throughtime.networks import Network, State
from throughtime.tasks.base import Batch

from .base import Update
from .truncated import Past, Truncated
from .window import Windows


class Told(NamedTuple):
    """The carry.

    Attributes:
        past: as truncated BPTT's.
        weight: A, (D, n) for a state of D numbers.
        bias: a, (D,).
    """

    past: Past
    weight: Tensor
    bias: Tensor


class DNI(Truncated):
    """TBPTT(k, k), and a learned map for what lies beyond a window.

    Args:
        k: steps from one update to the next, and back.
        learning_rate: the map's; 0: it stays zero.
    """

    backward_mode = True

    def __init__(self, k: int, learning_rate: float = 0.01) -> None:
        if k < 1:
            raise ValueError(f"k must be at least 1 step, got {k}")
        if not learning_rate >= 0:
            raise ValueError(f"learning_rate must be 0 or more, got {learning_rate}")
        super().__init__(k1=k, k2=k)
        self.k, self.learning_rate = k, learning_rate

    def updates(
        self, network: Network, batch: Batch, carry: Any = None, *, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """One update every k steps; the last one may be shorter."""
        past = self.begin(network, batch, carry.past if carry else None)
        state = past.states[0][1]
        size, hidden = sum(part.shape[1] for part in state), state[0]
        nothing = hidden.new_zeros(size, hidden.shape[1]), hidden.new_zeros(size)
        weight, bias = (carry.weight, carry.bias) if carry else nothing
        windows = _Informed(network, batch, past.inputs, weight, bias, self.learning_rate)
        for update in self.windowed(windows, past):
            yield update._replace(carry=Told(update.carry, windows.weight, windows.bias))


class _Informed(Windows):
    """Windows at whose end the map's gradient arrives, and that teach it."""

    def __init__(
        self, network: Network, batch: Batch, past: Tensor, weight: Tensor, bias: Tensor, learning_rate: float
    ) -> None:
        super().__init__(network, batch, past)
        self.weight, self.bias, self.rate = weight, bias, learning_rate

    def gradient(
        self, state: State, first: int, start: int, stop: int, weights: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """As of any window."""
        assert weights is None, "of the mean over a window's targets"
        targets = sum(self.batch.counts[start:stop])
        widths = [part.shape[1] for part in state]
        told = self._map(self.carried_on(state, first, stop)[0])
        loss, after, leaving = self.segment(state, first, start, stop, targets, (told / targets).split(widths, dim=1))
        if first == start:
            self._learn(state[0], torch.cat(leaving, dim=1) * targets)
        return loss, after

    def _map(self, hidden: Tensor) -> Tensor:
        """ĝ(h), (B, D)."""
        return torch.addmm(self.bias, hidden, self.weight.T)

    def _learn(self, hidden: Tensor, right: Tensor) -> None:
        """A step of descent; fresh tensors, for a carry may hold the old ones."""
        wrong = (self._map(hidden) - right) * (self.rate / len(hidden))
        self.weight, self.bias = self.weight - wrong.T @ hidden, self.bias - wrong.sum(dim=0)
