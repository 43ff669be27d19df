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
    """Windows of a batch on a network.

    Args:
        network: every ``p.grad`` of which is filled.
        batch: whose losses count.
    """

    def __init__(self, network: Network, batch: Batch) -> None:
        self.network, self.batch = network, batch
        self.kernels = kernels_of(network, batch)

    def gradient(
        self, inputs: Tensor, state: State, start: int, stop: int, weights: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Fill every ``p.grad`` with the derivative of a window's loss.

        Args:
            inputs: (L, B, m), all steps of the window.
            state: before them.
            start: the last steps of the window are start …
            stop: … stop − 1 of the batch, with a target at least.
            weights: (k,) of these steps' losses, which make Σ_t w_t Σ_b ℓ_tb the loss; None: the mean over the targets.

        Returns:
            The loss, a detached scalar, and the state after the window, detached.
        """
        if self.kernels:
            return self.kernels.window(inputs, state, start, stop, weights)
        window = self.batch.window(start, stop)
        outputs, after = self.network.unroll(inputs, state)
        outputs = outputs[start - stop :]
        loss = window.mean_loss(outputs) if weights is None else weights @ window.losses(outputs).sum(dim=1)
        del outputs  # what the walk back needs of them its graph has
        after = detach(after)
        backward(self.network, loss)
        return loss.detach(), after

    def carried_on(self, inputs: Tensor, state: State) -> State:
        """The state after some steps (L, B, m), without gradient; that before them where there are none."""
        if not len(inputs):
            return state
        if self.kernels:
            return self.kernels.carried_on(inputs, state)
        with torch.no_grad():
            return detach(self.network.unroll(inputs, state)[1])
