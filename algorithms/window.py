"""The gradient of one window: the one place where it is computed, whatever algorithm asks for it.

From the state before a window: over its steps, the losses of the last of them, and back through all. By torch's
autograd; or, where the parts are the usual ones, by a compiled kernel that does the same in one call.
"""

import torch
from torch import Tensor

from throughtime.networks import Network, State
from throughtime.tasks.base import Batch

from .base import backward, detach
from .compiled.choose import kernels_of


class Windows:
    """Windows of a batch on a network. Steps are counted from the batch's first; those before it are negative.

    Args:
        network: every ``p.grad`` of which is filled.
        batch: whose losses count.
        past: (H, B, m), the inputs of the H steps before the batch's first, into which windows may reach.
    """

    def __init__(self, network: Network, batch: Batch, past: Tensor | None = None) -> None:
        self.network, self.batch = network, batch
        self.past = past
        self.kernels = kernels_of(network, batch, past)

    def gradient(
        self, state: State, first: int, start: int, stop: int, weights: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Fill every ``p.grad`` with the derivative of a window's loss.

        Args:
            state: before the window's first step.
            first: the window's steps are first … stop − 1.
            start: its losses are those of the steps start … stop − 1, in the batch, with a target at least.
            stop: see there.
            weights: (stop − start,) of these steps' losses, which make Σ_t w_t Σ_b ℓ_tb the loss; None: the mean over
                the targets.

        Returns:
            The loss, a detached scalar, and the state after the window, detached.
        """
        if self.kernels:
            return self.kernels.window(state, first, start, stop, weights)
        whole = start == 0 and stop == self.batch.length
        window = self.batch if whole else self.batch.window(start, stop)
        outputs, after = self.network.unroll(self.inputs(first, stop), state)
        outputs = outputs[start - stop :] if first < start else outputs
        loss = window.mean_loss(outputs) if weights is None else weights @ window.losses(outputs).sum(dim=1)
        del outputs  # what the walk back needs of them its graph has
        backward(self.network, loss)
        return loss.detach(), detach(after)  # a copy, made when what the walk back needed is gone

    def segment(
        self, state: State, first: int, start: int, stop: int, targets: int, arriving: State, *, add: bool = False
    ) -> tuple[Tensor, State, State]:
        """Fill every ``p.grad`` with the derivative of a part of a longer window, at which credit arrives from later.

        Args:
            state: before the segment's first step.
            first: the segment's steps are first … stop − 1.
            start: its losses are those of the steps start … stop − 1, of which there may be none.
            stop: see there.
            targets: by which the sum of the losses is divided: those of all of the window.
            arriving: the gradient by the state after the segment, for what comes after it, S tensors (B, n).
            add: to what ``p.grad`` holds, in place of filling it.

        Returns:
            The segment's part of the loss, the state after it, and the gradient by the state before it, all detached.
        """
        if self.kernels:
            return self.kernels.segment(state, first, start, stop, targets, arriving, add)
        before = tuple(part.detach().clone().requires_grad_() for part in state)
        outputs, after = self.network.unroll(self.inputs(first, stop), before)
        loss = outputs.new_zeros(())
        if any(self.batch.counts[start:stop]):
            loss = self.batch.window(start, stop).losses(outputs[start - stop :]).sum() / targets
        del outputs
        parameters = list(self.network.parameters())
        kept = [parameter.grad if add else None for parameter in parameters]
        worth = sum(((part * credit).sum() for part, credit in zip(after, arriving, strict=True)), start=loss)
        backward(self.network, worth, also=before)
        with torch.no_grad():
            for parameter, more in zip(parameters, kept, strict=True):
                if more is not None:
                    parameter.grad = more.add_(parameter.grad)  # type: ignore[arg-type]
        leaving = tuple(torch.zeros_like(part) if part.grad is None else part.grad for part in before)
        return loss.detach(), detach(after), leaving

    def carried_on(self, state: State, first: int, stop: int) -> State:
        """The state before step `stop`, from that before step `first`, without gradient."""
        if first == stop:
            return state
        if self.kernels:
            return self.kernels.carried_on(state, first, stop)
        with torch.no_grad():
            return detach(self.network.unroll(self.inputs(first, stop), state)[1])

    def inputs(self, first: int, stop: int) -> Tensor:
        """Of the steps first … stop − 1, (stop − first, B, m); the batch's are not copied."""
        present = self.batch.inputs
        if first == 0 and stop == len(present):
            return present
        return present[first:stop] if self.past is None else span(self.past, present, first, stop)


def span(past: Tensor, present: Tensor, first: int, stop: int) -> Tensor:
    """The steps first … stop − 1, counted from the present's first, of the past followed by the present."""
    if first >= 0:
        return present[first:stop]
    return torch.cat([past[len(past) + first : len(past) + min(stop, 0)], present[: max(stop, 0)]])
