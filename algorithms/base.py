"""The whole plugin contract: an algorithm turns a batch into updates, each with a gradient in every ``p.grad``.

An algorithm is a class with one generator. It fills ``p.grad`` of every parameter and yields; whoever pulls may step an
optimizer before resuming. Full BPTT yields once a sequence, truncated BPTT every k1 steps, RTRL every step: the trainer
is the same loop for all. Resuming without a step gives the algorithm's estimate of the batch gradient, Σ weight · grad.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from throughtime.networks import Network, State
from throughtime.parts import BadInput
from throughtime.tasks.base import Batch


class Update(NamedTuple):
    """One gradient, ready in ``p.grad``.

    Attributes:
        loss: the mean loss over the targets that this update covers, a detached scalar.
        weight: their share of the batch's targets. Shares sum to 1 over a sequence, in expectation where windows are
            drawn at random. 0: the window holds no target, ``p.grad`` is zero and no parameter may change.
        carry: what `updates` needs to go on with the next batch of the same stream; opaque, detached, and good until
            the iterator is resumed: only the last update's goes on.
    """

    loss: Tensor
    weight: float
    carry: Any


class NoGradient(ArithmeticError):
    """An algorithm has no gradient at these parameters, in these numbers; the message says why. A run ends with it."""


class Algorithm(ABC):
    """A way of computing a recurrent network's gradient. A subclass's constructor takes its parameters, annotated.

    What an instance promises, and `throughtime verify` measures:

    Attributes:
        exact_up_to: the longest sequence on which it equals full BPTT at frozen parameters (`math.inf`: any; 0: none).
        unbiased: it equals full BPTT in expectation over its own random draws, at any length.
        online: its memory does not grow with the sequence.
        backward_mode: it differentiates `network.unroll`'s outputs; forcings that judge a whole window need that.
        shown_on: specs of the cells on which these promises are measured; empty: rnn, lstm and gru, which do for most.
        random_memory: its memory depends on its draws: what measures it takes several, and tells their mean and most.
    """

    exact_up_to: float
    unbiased: bool
    online: bool
    backward_mode: bool = True
    shown_on: tuple[str, ...] = ()
    random_memory: bool = False

    @abstractmethod
    def updates(
        self, network: Network, batch: Batch, carry: Any = None, *, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """Fill ``p.grad`` for every parameter, then yield; the caller may step the optimizer before resuming.

        Args:
            network: what is trained; only ``p.grad`` may change.
            batch: the sequences.
            carry: the last update's carry of the stream's previous batch; None at a sequence's start.
            generator: the source of the algorithm's own random draws.
        """

    def refuses(self, network: Network) -> str:
        """Why it can't be used on a network, its cell, its sizes or its closed loop; empty where it can.

        A suite skips such a row with this reason before anything runs, and verification leaves such networks out.
        """
        return ""


def detach(state: State) -> State:
    """The state without its graph, and without the memory of the window whose end it was a view of."""
    return tuple(part.detach().clone() for part in state)


def backward(network: Network, loss: Tensor, also: State = ()) -> None:
    """Set every ``p.grad`` to the derivative of a scalar loss; zeros where the loss does not depend on p.

    Args:
        network: whose parameters.
        loss: a scalar.
        also: leaves whose ``grad``, None before, is filled too where the loss depends on them.
    """
    parameters = list(network.parameters())
    for parameter in parameters:
        parameter.grad = None
    # Not torch.autograd.grad: it may return one tensor for two parameters, which clipping in place would scale twice.
    if not (loss.requires_grad or torch.is_grad_enabled()):
        raise BadInput(
            "an algorithm's updates are pulled where torch records no gradients, so theirs would be zero: pull them "
            "outside of torch.no_grad() and torch.inference_mode(), or in a block of torch.enable_grad()"
        )
    if loss.requires_grad:
        torch.autograd.backward(loss, inputs=[*parameters, *also])
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)


def no_update(network: Network, carry: Any) -> Update:
    """The update of a window without targets: weight 0, every ``p.grad`` zero."""
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    return Update(next(network.parameters()).new_zeros(()), 0.0, carry)


def estimate_gradient(
    algorithm: Algorithm,
    network: Network,
    batch: Batch,
    carry: Any = None,
    *,
    generator: torch.Generator | None = None,
) -> dict[str, Tensor]:
    """The algorithm's estimate of the batch's gradient at frozen parameters: Σ weight · grad over its updates.

    Args:
        algorithm: whose gradient.
        network: where; its ``p.grad`` are left as they were, and whether it is in training or evaluation mode.
        batch: on which sequences.
        carry: as in `Algorithm.updates`.
        generator: the algorithm's own random draws.

    Returns:
        For each of ``network.named_parameters()``, by name, a tensor of the parameter's shape.
    """
    before = {name: parameter.grad for name, parameter in network.named_parameters()}
    with torch.inference_mode(False), torch.enable_grad():  # elsewhere every gradient would be zero
        total = {name: torch.zeros_like(parameter) for name, parameter in network.named_parameters()}
        try:
            for update in algorithm.updates(network, batch, carry, generator=generator):
                for name, parameter in network.named_parameters():
                    assert parameter.grad is not None, f"{type(algorithm).__name__} left {name}.grad unfilled"
                    if update.weight:  # left out and not multiplied: infinity times 0 is NaN
                        total[name].add_(parameter.grad, alpha=update.weight)
        finally:
            for name, parameter in network.named_parameters():
                parameter.grad = before[name]
    return total
