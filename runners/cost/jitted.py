"""A loop of another framework, compiled by `jax.jit`: its updates as one call, the gradient it finds, its memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from throughtime.tasks import Batch

Loop = Callable[..., tuple[Any, Any, Any]]
"""From parameters, the optimizer's state, inputs (T, B, m) and targets (T, B) to the first two and the loss."""


@dataclass(frozen=True)
class Peer:
    """Another framework's network and its loop over a sequence.

    Attributes:
        name: of what is compared.
        parameters: ours, as its tree has them.
        loop: from an optimizer to the function of a whole sequence's updates.
        named: from a tree of gradients to arrays under the names of our parameters, of those that it has.
        batch_first: it takes (B, T, m) and (B, T).
    """

    name: str
    parameters: Any
    loop: Callable[[Any], Loop]
    named: Callable[[Any], Mapping[str, np.ndarray]]
    batch_first: bool = False


class Jitted:
    """A peer's training on one batch, by Adam with clipping; what it donates it gets back, as in a training loop.

    Args:
        peer: whose.
        batch: of classes.
        updates: of a sequence.
        learning_rate: Adam's.
    """

    def __init__(self, peer: Peer, batch: Batch, updates: int, learning_rate: float = 1e-12) -> None:
        self.peer, self.updates = peer, updates
        inputs, targets = batch.inputs.numpy(), batch.targets.numpy().astype(np.int32)
        if peer.batch_first:
            inputs, targets = inputs.swapaxes(0, 1), targets.swapaxes(0, 1)
        self.data = jnp.array(inputs), jnp.array(targets)
        optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(learning_rate))
        self.state = [jax.tree.map(jnp.array, peer.parameters), optimizer.init(peer.parameters)]
        self.loss: Any = None
        self.sequence = jax.jit(peer.loop(optimizer), donate_argnums=(0, 1))

    def run(self) -> None:
        """All updates of the batch, begun."""
        *self.state, self.loss = self.sequence(*self.state, *self.data)

    def wait(self) -> None:
        """Until all that was begun is done."""
        jax.block_until_ready((self.state, self.loss))

    def peak_bytes(self) -> int:
        """XLA's own figure of what `run` takes beside its arguments, which it overwrites."""
        found = self.sequence.lower(*self.state, *self.data).compile().memory_analysis()
        return int(found.temp_size_in_bytes + found.output_size_in_bytes - found.alias_size_in_bytes)

    def gradients(self) -> Mapping[str, np.ndarray]:
        """The mean over the updates at the peer's first parameters, by the same loop with another optimizer."""
        total = _summing()
        start = total.init(self.peer.parameters)
        _, found, _ = jax.jit(self.peer.loop(total))(self.peer.parameters, start, *self.data)
        return self.peer.named(jax.tree.map(lambda leaf: leaf / self.updates, found))


def _summing() -> Any:
    """An optimizer that changes nothing and adds the gradients up."""

    def update(gradient: Any, total: Any, parameters: Any = None) -> tuple[Any, Any]:
        return jax.tree.map(jnp.zeros_like, gradient), jax.tree.map(jnp.add, total, gradient)

    return optax.GradientTransformation(lambda parameters: jax.tree.map(jnp.zeros_like, parameters), update)


def updated(optimizer: Any, gradient: Any, moments: Any, parameters: Any) -> tuple[Any, Any]:
    """The parameters and the optimizer's state after an update."""
    step, moments = optimizer.update(gradient, moments, parameters)
    return optax.apply_updates(parameters, step), moments


def full(loss: Callable[[Any, Any, Any], Any], optimizer: Any) -> Loop:
    """One update by the gradient of a sequence's loss, a function of parameters, inputs and targets."""

    def sequence(parameters: Any, moments: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
        value, gradient = jax.value_and_grad(loss)(parameters, x, y)
        return *updated(optimizer, gradient, moments, parameters), value

    return sequence


def mean_loss(logits: Any, y: Any) -> Any:
    """The mean cross-entropy of logits (..., o) and classes (...)."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
