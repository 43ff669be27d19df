"""The gradient of one window: the one place where it is computed, whatever algorithm asks for it.

From the state before a window: over its steps, the losses of the last of them, and back through all. By torch's
autograd; or, where the parts are the usual ones, by a compiled kernel that does the same in one call.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from throughtime.networks import Network, State
from throughtime.tasks.base import Batch

from .base import backward, detach
from .choose import kernel_of

Window = Callable[[Tensor, State, Batch, Tensor | None], tuple[Tensor, State]]


def window_gradient(network: Network, batch: Batch) -> Window:
    """The function that computes the gradient of a window of a batch on a network.

    It takes the inputs (L, B, m) of the window's steps, the state before them, the last k ≤ L of them as a batch, with
    a target at least, and weights (k,) of these steps' losses, which make Σ_t w_t Σ_b ℓ_tb the loss; None: the mean
    over the targets. It fills every ``p.grad``. Returned are the loss, a detached scalar, and the state after it all.
    """
    return kernel_of(network, batch) or _ByAutograd(network)


class _ByAutograd:
    def __init__(self, network: Network) -> None:
        self.network = network

    def __call__(
        self, inputs: Tensor, state: State, window: Batch, weights: Tensor | None = None
    ) -> tuple[Tensor, State]:
        outputs, after = self.network.unroll(inputs, state)
        outputs = outputs[len(inputs) - window.length :]
        loss = window.mean_loss(outputs) if weights is None else weights @ window.losses(outputs).sum(dim=1)
        del outputs  # what the walk back needs of them its graph has
        after = detach(after)
        backward(self.network, loss)
        return loss.detach(), after


def carried_on(network: Network, inputs: Tensor, state: State) -> State:
    """The state after some steps (L, B, m), without gradient; that before them where there are none."""
    if not len(inputs):
        return state
    with torch.no_grad():
        return detach(network.unroll(inputs, state)[1])
