"""How alive a network's state map is: its Lyapunov exponents and its spectral radius.

The exponents by QR decompositions along a trajectory (Benettin et al., Meccanica 15, 1980; Eckmann & Ruelle 1985):

    Q_t R_t = J_t Q_{t−1},     λ_i = mean over t of log |R_t[i, i]|

Of any map whose derivative can be applied to vectors; of a network it is that of the state, at the inputs of a batch. A
positive first exponent means that gradients explode, a negative one that they vanish, by e^λ a step.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from throughtime.networks import DenseLinearization, DiagonalLinearization, Linearization, Network
from throughtime.networks.modes import evaluating
from throughtime.tasks import Batch

Push = Callable[[Tensor], Tensor]
"""Vectors (B, D, k) through the derivative of a step."""

EXPONENTS = 4
"""The leading ones that are told of a network."""

PLACES = 8
"""Steps along a batch at which eigenvalues are computed."""

SETTLING = 0.1
"""The share of a batch's steps before the exponents begin to count: vectors must first turn to where they grow."""


def lyapunov(pushes: Iterable[Push], vectors: Tensor, *, skip: int = 0) -> Tensor:
    """Leading exponents, the largest first, per step: (B, k).

    Args:
        pushes: the derivative of each step of a trajectory.
        vectors: (B, D, k), to begin with; linearly independent.
        skip: steps at the beginning that don't count.

    Raises:
        ValueError: no step is left.
    """
    total, counted = torch.zeros_like(vectors[:, 0]), 0
    for number, push in enumerate(pushes):
        vectors, triangle = torch.linalg.qr(push(vectors))
        if number >= skip:
            total += triangle.diagonal(dim1=-2, dim2=-1).abs().log()
            counted += 1
    if not counted:
        raise ValueError(f"exponents are means over steps, and after the first {skip} none is left")
    return total / counted


@dataclass(frozen=True)
class Dynamics:
    """Of a network along a batch.

    Attributes:
        exponents: the leading ones in nats a step, means over the sequences.
        radius: the spectral radius of ∂s_t/∂s_{t−1}, the mean over places and sequences.
        largest_radius: the largest of them.
    """

    exponents: tuple[float, ...]
    radius: float
    largest_radius: float


@torch.no_grad()
def dynamics(network: Network, batch: Batch, *, exponents: int = EXPONENTS, sequences: int = 8) -> Dynamics:
    """Exponents and spectral radius of a network's state map along a batch, from a zero state on."""
    inputs = batch.inputs[:, :sequences]
    size = sum(part[0].numel() for part in network.initial_state(1))
    radii: list[Tensor] = []
    start = torch.eye(size, dtype=torch.float64)  # any that are independent; the same in every run
    turned = torch.linalg.qr(start + torch.arange(1.0, size * size + 1, dtype=torch.float64).view(size, size).sin())[0]
    vectors = turned[:, : min(exponents, size)].expand(inputs.shape[1], -1, -1).to(inputs.device)

    def pushes() -> Iterator[Push]:
        state = network.initial_state(inputs.shape[1])
        every = max(1, len(inputs) // PLACES)
        for t, x in enumerate(inputs):
            local = network.linearize(x, state)
            push, state = push_of(local), local.state
            if t % every == every - 1:
                identity = torch.eye(size, dtype=torch.float64, device=x.device).expand(len(x), -1, -1)
                radii.append(torch.linalg.eigvals(push(identity)).abs().amax(dim=1))
            yield push

    with evaluating(network):
        found = lyapunov(pushes(), vectors, skip=math.floor(SETTLING * len(inputs)))
    every_radius = torch.cat(radii)
    means = [float(value) for value in found.mean(dim=0)]
    return Dynamics(tuple(means), float(every_radius.mean()), float(every_radius.max()))


def push_of(local: Linearization | DiagonalLinearization | DenseLinearization) -> Push:
    """The derivative of one step by the whole state, its parts one behind the other, in float64."""
    by_state = local.by_state.double()
    if isinstance(local, DenseLinearization):
        return lambda vectors: by_state @ vectors
    parts, units = len(by_state), by_state.shape[-1]
    slopes = by_state.permute(2, 0, 1, 3)[..., None]  # (B, new part, old part, unit, 1)
    if isinstance(local, DiagonalLinearization):
        return lambda vectors: (slopes * vectors.unflatten(1, (1, parts, units))).sum(dim=2).flatten(1, 2)
    transition = local.transition.double()

    def push(vectors: Tensor) -> Tensor:
        others = (slopes[:, :, 1:] * vectors.unflatten(1, (1, parts, units))[:, :, 1:]).sum(dim=2)
        pushed: Tensor = transition @ vectors[:, :units] + others.flatten(1, 2)
        return pushed

    return push
