"""Real-time recurrent learning (Williams & Zipser, Neural Computation 1, 1989): the exact gradient, forward in time.

    M_t = A_t M_{t-1} + immediate,     ∂ℓ_t/∂θ = ∂ℓ_t/∂h_t · M_t

The influence matrix M_t = ∂s_t/∂θ is carried along, so every step has its exact gradient and nothing is walked back.
Memory O(B n P) whatever the length, time O(B n² P) a step, with P ~ G n (m + n + 1) parameters: the textbooks' O(n⁴).
With updates along the way M mixes the parameters of all past steps, as in the original. In a closed loop θ includes
the readout, on which the state then depends.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch

from throughtime.networks import Network
from throughtime.tasks.base import Batch

from .base import Algorithm, Update
from .influence import make_influence
from .stepwise import StepGradients


class RTRL(Algorithm):
    """The exact gradient at every step, forward in time.

    Args:
        update_every: steps from one update to the next; None: one update at the sequence's end.
    """

    exact_up_to = math.inf
    unbiased = True
    online = True
    backward_mode = False

    def __init__(self, update_every: int | None = 1) -> None:
        if update_every is not None and update_every < 1:
            raise ValueError(f"update_every must be at least 1, or None for the sequence's end; got {update_every}")
        self.update_every = update_every

    def updates(
        self, network: Network, batch: Batch, carry: Any = None, *, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """One update every `update_every` steps, of the mean loss over the targets since the last."""
        if carry is None:
            state, influence = network.initial_state(batch.size), make_influence(network, batch.size)
        else:
            state, influence = carry[0], carry[1].copy()
        network.check(batch.inputs, state)
        every = self.update_every or batch.length
        for start in range(0, batch.length, every):
            stop, columns = min(start + every, batch.length), None
            steps = StepGradients(network, targets=sum(batch.counts[start:stop]))
            for t in range(start, stop):
                local = network.linearize(batch.inputs[t], state)
                influence.advance(state, local)
                state = local.state
                if batch.counts[t]:
                    by_hidden = steps.add_readout(batch, t, state[0])
                    gradient = influence.gradient(by_hidden)
                    columns = gradient if columns is None else columns + gradient
            if columns is not None:
                steps.add(influence.by_name(columns))
            yield steps.update(batch, start, stop, carry=(state, influence))
