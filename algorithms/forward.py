"""What algorithms share that carry ∂s_t/∂θ, or what stands for it, forward in time: RTRL's loop around it."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from throughtime.networks import ClosedLoop, Network, State
from throughtime.tasks.base import Batch

from .base import Algorithm, Update
from .compiled.choose import kernels_of
from .influence import Influence
from .stepwise import StepGradients

if TYPE_CHECKING:
    from .compiled.calls import Kernels


@runtime_checkable
class ByKernel(Protocol):
    """An influence that a kernel takes one step on, and does all else of the step.

    Attributes:
        kernel: the kernel's kind: ``"rtrl"``, ``"traces"``, ``"kf_rtrl"``.
    """

    kernel: str

    def by_kernel(
        self, kernels: "Kernels", t: int, old: Tensor, new: Tensor, targets: int, generator: torch.Generator | None
    ) -> float:
        """Step t's part of the mean loss over so many targets; the gradient is added to.

        The state goes from old to new, (S, B, n).
        """


class ForwardMode(Algorithm):
    """One update every `update_every` steps by an influence that goes forward with the state; nothing is walked back.

    Args:
        update_every: steps from one update to the next; None: one update at the sequence's end.
    """

    unbiased = False
    online = True
    backward_mode = False

    def __init__(self, update_every: int | None = 1) -> None:
        if update_every is not None and update_every < 1:
            raise ValueError(f"update_every must be at least 1, or None for the sequence's end; got {update_every}")
        self.update_every = update_every

    def refuses(self, network: Network) -> str:
        """A recurrence without a cell's structure, whose units and gates nothing tells."""
        if network.structured:
            return ""
        what = type(network.cell).__name__
        if network.diagonal:
            return f"on a diagonal cell such as {what} rtrl itself carries O(P) numbers: take rtrl"
        return (
            f"it needs a cell's units and gates, and {what} has no structured Jacobians here (no linearize of its own, "
            f"several layers, or a diagonal cell fed back its own output); take rtrl or uoro, which do with any step"
        )

    @abstractmethod
    def begin(self, network: Network, batch_size: int, generator: torch.Generator | None) -> Influence[Any]:
        """The influence at a sequence's start."""

    def advance(self, influence: Influence[Any], state: State, local: Any, generator: torch.Generator | None) -> None:
        """The influence one step on; see `Influence.advance`."""
        influence.advance(state, local)

    def updates(
        self, network: Network, batch: Batch, carry: Any = None, *, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """One update every `update_every` steps, of the mean loss over the targets since the last."""
        if carry is None:
            state, influence = network.initial_state(batch.size), self.begin(network, batch.size, generator)
        else:
            state, influence = carry[0], carry[1].copy()
        network.check(batch.inputs, state)
        every = self.update_every or batch.length
        fast = influence if isinstance(influence, ByKernel) else None
        # A loop's influence has the readout's columns even where nothing but the truth is given: no kernel has them.
        given = isinstance(network, ClosedLoop) and batch.inputs.shape[2] == network.cell.input_size
        kernels = kernels_of(network, batch) if fast and not given else None
        if kernels and fast and not kernels.know(fast.kernel):
            kernels = None
        for start in range(0, batch.length, every):
            stop = min(start + every, batch.length)
            if kernels and fast:
                update, state = _at_once(kernels, batch, start, stop, state, fast, generator)
            else:
                update, state = self._step_by_step(network, batch, start, stop, state, influence, generator)
            yield update._replace(carry=(state, influence))

    def _step_by_step(
        self,
        network: Network,
        batch: Batch,
        start: int,
        stop: int,
        state: State,
        influence: Influence[Any],
        generator: torch.Generator | None,
    ) -> tuple[Update, State]:
        """The update of the steps start … stop − 1, without its carry, and the state after them."""
        columns, steps = None, StepGradients(network, sum(batch.counts[start:stop]), influence.feedback)
        for t in range(start, stop):
            local = network.linearize(batch.inputs[t], state)
            self.advance(influence, state, local, generator)
            state = local.state
            if batch.counts[t]:
                gradient = influence.gradient(steps.add_readout(batch, t, state[0]))
                columns = gradient if columns is None else columns + gradient
        if columns is not None:
            steps.add(influence.by_name(columns))
        return steps.update(batch, start, stop, carry=None), state


def _at_once(
    kernels: "Kernels",
    batch: Batch,
    start: int,
    stop: int,
    state: State,
    influence: ByKernel,
    generator: torch.Generator | None,
) -> tuple[Update, State]:
    """The same by a kernel that does all of a step."""
    targets, loss, now = sum(batch.counts[start:stop]), 0.0, torch.stack(state)
    kernels.begin()
    for t in range(start, stop):
        old, now = now, torch.empty_like(now)
        loss += influence.by_kernel(kernels, t, old, now, targets, generator)
    return Update(torch.scalar_tensor(loss, dtype=now.dtype), batch.share(start, stop), None), tuple(now.unbind())
