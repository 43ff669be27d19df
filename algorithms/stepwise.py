"""What algorithms that go forward in time share: the gradient of one step's loss, and adding such gradients up."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from throughtime.networks import Network
from throughtime.tasks.base import Batch

from .base import Update, no_update


class StepGradients:
    """The gradient of the mean loss over the targets of some time steps, added up step by step.

    Args:
        network: whose parameters.
        targets: how many targets the steps hold together.
        feedback: (o, n), which stands for a linear readout's weights on the way back to the units; None: they do.
    """

    def __init__(self, network: Network, targets: int, feedback: Tensor | None = None) -> None:
        self.network, self.targets, self.feedback = network, targets, feedback
        self.readout = {f"readout.{name}": p for name, p in network.readout.named_parameters()}
        self.loss: Tensor | float = 0.0
        self.gradients: dict[str, Tensor] = {}

    def add(self, gradients: dict[str, Tensor]) -> None:
        """Add gradients of a part of the mean loss, by parameter name."""
        for name, gradient in gradients.items():
            self.gradients[name] = self.gradients[name] + gradient if name in self.gradients else gradient

    def add_readout(self, batch: Batch, t: int, hidden: Tensor) -> Tensor:
        """Add step t's part of the mean loss, and its gradient by the readout's parameters.

        Args:
            batch: whose step t.
            t: the time step.
            hidden: h_t, (B, n).

        Returns:
            The part's gradient by h_t, (B, n).
        """
        loss, (by_hidden, *by_readout) = self._differentiate(batch.window(t, t + 1), hidden.detach())
        self.loss = self.loss + loss
        self.add(dict(zip(self.readout, by_readout, strict=True)))
        return by_hidden

    def _differentiate(self, step: Batch, hidden: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """One step's part of the mean loss, and its gradient by the hidden state and the readout's parameters."""
        readout = self.network.readout
        if not isinstance(readout, nn.Linear):
            with torch.enable_grad():
                loss = step.losses(readout(hidden.requires_grad_())[None]).sum() / self.targets
                return loss.detach(), torch.autograd.grad(loss, [hidden, *self.readout.values()])
        weight = readout.weight.detach()
        outputs = linear(hidden, weight, readout.bias.detach())
        with torch.enable_grad():  # of the loss alone: autograd costs more than the readout's three products
            loss = step.losses(outputs.requires_grad_()[None]).sum() / self.targets
            (by_output,) = torch.autograd.grad(loss, outputs)
        back = weight if self.feedback is None else self.feedback
        return loss.detach(), (by_output @ back, by_output.T @ hidden, by_output.sum(0))

    def update(self, batch: Batch, start: int, stop: int, carry: Any) -> Update:
        """Fill ``p.grad`` with what was added up, zeros where nothing was; the batch's steps start … stop − 1."""
        if not self.targets:
            return no_update(self.network, carry)
        assert isinstance(self.loss, Tensor), "steps with targets, but none was added"
        for name, parameter in self.network.named_parameters():
            gradient = self.gradients.get(name)
            parameter.grad = torch.zeros_like(parameter) if gradient is None else gradient
        return Update(self.loss, batch.share(start, stop), carry)
