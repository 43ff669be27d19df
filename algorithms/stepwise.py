"""What algorithms that go forward in time share: the gradient of one step's loss, and adding such gradients up."""

from typing import Any

import torch
from torch import Tensor

from throughtime.networks import Network
from throughtime.tasks.base import Batch

from .base import Update, no_update


class StepGradients:
    """The gradients of the time steps' losses since the last update, added up."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.parameters = dict(network.named_parameters())
        self.readout = {name: p for name, p in self.parameters.items() if name.startswith("readout.")}
        self.loss: Tensor | float = 0.0
        self.gradients: dict[str, Tensor] = {}

    def add(self, gradients: dict[str, Tensor]) -> None:
        """Add gradients of a step's summed loss, by parameter name."""
        for name, gradient in gradients.items():
            self.gradients[name] = self.gradients[name] + gradient if name in self.gradients else gradient

    def add_readout(self, batch: Batch, t: int, hidden: Tensor) -> Tensor:
        """Add step t's loss, summed over the sequences, and its gradient by the readout's parameters.

        Args:
            batch: whose step t.
            t: the time step.
            hidden: h_t, (B, n).

        Returns:
            The summed loss's gradient by h_t, (B, n).
        """
        with torch.enable_grad():
            hidden = hidden.detach().requires_grad_()
            loss = batch.window(t, t + 1).losses(self.network.readout(hidden)[None]).sum()
            by_hidden, *by_readout = torch.autograd.grad(loss, [hidden, *self.readout.values()])
        self.loss = self.loss + loss.detach()
        self.add(dict(zip(self.readout, by_readout, strict=True)))
        return by_hidden

    def update(self, batch: Batch, start: int, stop: int, carry: Any) -> Update:
        """Fill ``p.grad`` with the mean over the targets of steps start … stop − 1, zeros where nothing was added.

        What was added up is used up: the next update starts from nothing.
        """
        loss, gradients = self.loss, self.gradients
        self.loss, self.gradients = 0.0, {}
        targets = sum(batch.counts[start:stop])
        if not targets:
            return no_update(self.network, carry)
        assert isinstance(loss, Tensor), "steps with targets, but none was added"
        for name, parameter in self.parameters.items():
            gradient = gradients.get(name)
            parameter.grad = torch.zeros_like(parameter) if gradient is None else gradient / targets
        return Update(loss / targets, batch.share(start, stop), carry)
