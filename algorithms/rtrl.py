"""Real-time recurrent learning (Williams & Zipser, Neural Computation 1, 1989): the exact gradient, forward in time.

    M_t = A_t M_{t-1} + immediate,     ∂ℓ_t/∂θ = ∂ℓ_t/∂h_t · M_t

The influence matrix M_t = ∂s_t/∂θ is carried along, so every step has its exact gradient and nothing is walked back.
Memory O(B n P) whatever the length, time O(B n² P) a step, with P ~ G n (m + n + 1) parameters: the textbooks' O(n⁴).
With updates along the way M mixes the parameters of all past steps, as in the original. In a closed loop θ includes
the readout, on which the state then depends.
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from throughtime.networks import Network, State
from throughtime.tasks.base import Batch

from .base import Algorithm, Update
from .compiled.choose import kernels_of
from .influence import Influence, StructuredInfluence, make_influence
from .stepwise import StepGradients

if TYPE_CHECKING:
    from .compiled.calls import Kernels


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
        kernels = kernels_of(network, batch) if type(network) is Network else None
        for start in range(0, batch.length, every):
            stop = min(start + every, batch.length)
            if kernels:
                update, state = _at_once(kernels, batch, start, stop, state, influence)
            else:
                update, state = _step_by_step(network, batch, start, stop, state, influence)
            yield update._replace(carry=(state, influence))


def _step_by_step(
    network: Network, batch: Batch, start: int, stop: int, state: State, influence: Influence[Any]
) -> tuple[Update, State]:
    """The update of the steps start … stop − 1, without its carry, and the state after them."""
    columns, steps = None, StepGradients(network, targets=sum(batch.counts[start:stop]))
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
    return steps.update(batch, start, stop, carry=None), state


def _at_once(
    kernels: "Kernels", batch: Batch, start: int, stop: int, state: State, influence: Influence[Any]
) -> tuple[Update, State]:
    """The same by a kernel that does all of a step."""
    assert isinstance(influence, StructuredInfluence)
    targets, loss, now = sum(batch.counts[start:stop]), 0.0, torch.stack(state)
    kernels.begin()
    for t in range(start, stop):
        old, now = now, torch.empty_like(now)
        loss += kernels.rtrl(t, old, now, influence.matrix, influence.spare, targets)
        influence.turn()
    share = batch.share(start, stop)
    return Update(torch.scalar_tensor(loss, dtype=now.dtype), share, None), tuple(now.unbind())
