"""UORO, unbiased online recurrent optimization: RTRL's influence matrix kept as a random product of two vectors.

The influence G_t = ∂s_t/∂θ of RTRL is replaced by s̃_t θ̃_tᵀ, whose mean over random signs ν is G_t:

    s̃_t = ρ0 (∂F/∂s) s̃_{t-1} + ρ1 ν,     θ̃_t = θ̃_{t-1} / ρ0 + (νᵀ ∂F/∂θ) / ρ1.

ρ0 and ρ1 balance the norms of the two, which makes the noise least. Memory is that of a few gradients, the cost of a
step that of a few steps, whatever the size; the price is noise, which grows with the time that the influence spans.
Each sequence of a batch has a pair of its own. (Tallec & Ollivier, "Unbiased Online Recurrent Optimization", ICLR 2018,
algorithm 1.)
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from throughtime.networks import Network, State
from throughtime.parts import BadInput
from throughtime.tasks.base import Batch

from .base import Algorithm, Update, no_update
from .compiled.choose import kernels_of
from .step_products import step_products

if TYPE_CHECKING:
    from .compiled.calls import Kernels


class UORO(Algorithm):
    """A random, unbiased, rank-one influence matrix."""

    exact_up_to = 0
    unbiased = True
    online = True
    backward_mode = False

    def refuses(self, network: Network) -> str:
        """A recurrence whose step can't be differentiated twice, as fused layers can't."""
        if network.structured or not network.input_sizes:
            return ""
        state, s, _ = _nothing(network, 1)
        x = s[0].new_zeros(1, network.input_sizes[0])
        try:
            step_products(network, x, state, s, s)
        except BadInput as error:
            return str(error)
        return ""

    def updates(
        self, network: Network, batch: Batch, carry: Any = None, *, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """One update a step."""
        state, s, theta = carry or _nothing(network, batch.size)
        network.check(batch.inputs, state)
        kernels = kernels_of(network, batch) if type(network) is Network else None
        if kernels:
            yield from _at_once(kernels, network, batch, state, s, theta, generator)
            return
        parameters = list(network.parameters())
        for t, signs in enumerate(_signs(state, batch.length, generator)):
            state, along, back = step_products(network, batch.inputs[t], state, s, signs)
            rho0 = _ratio(theta.norm(dim=1), _norm(along))[:, None]
            rho1 = _ratio(back.norm(dim=1), _norm(signs))[:, None]
            s = tuple(rho0 * a + rho1 * nu for a, nu in zip(along, signs, strict=True))
            theta = (theta / rho0).add_(back.div_(rho1))
            if not batch.counts[t]:
                yield no_update(network, (state, s, theta))
                continue

            hidden = state[0].clone().requires_grad_()
            with torch.enable_grad():
                loss = batch.window(t, t + 1).mean_loss(network.readout(hidden)[None])
            readout = list(network.readout.parameters())
            by_hidden, *by_readout = torch.autograd.grad(loss, [hidden, *readout])
            gradient = (by_hidden * s[0]).sum(dim=1) @ theta
            pieces = gradient.split([p.numel() for p in parameters])
            for parameter, piece in zip(parameters, pieces, strict=True):
                parameter.grad = piece.view_as(parameter)
            for parameter, direct in zip(readout, by_readout, strict=True):
                assert parameter.grad is not None
                parameter.grad += direct
            yield Update(loss.detach(), batch.share(t, t + 1), (state, s, theta))


def _at_once(
    kernels: "Kernels",
    network: Network,
    batch: Batch,
    state: State,
    s: State,
    theta: Tensor,
    generator: torch.Generator | None,
) -> Iterator[Update]:
    """The updates of a batch, each by a kernel that does all of a step."""
    now, s_parts, theta = torch.stack(state), torch.stack(s), theta.clone()
    for t, drawn in enumerate(_signs(state, batch.length, generator)):
        signs = torch.stack(drawn)
        old, now = now, torch.empty_like(now)
        loss = kernels.uoro(t, old, now, signs, s_parts, theta)
        carry = (tuple(now.unbind()), tuple(s_parts.unbind()), theta)
        share = batch.share(t, t + 1)
        yield Update(loss, share, carry) if share else no_update(network, carry)


def _nothing(network: Network, sequences: int) -> tuple[State, State, Tensor]:
    """The state before a sequence, and an influence of zero: s̃ like the state, θ̃ (B, P)."""
    state = network.initial_state(sequences)
    numbers = sum(parameter.numel() for parameter in network.parameters())
    return state, tuple(map(torch.zeros_like, state)), state[0].new_zeros(sequences, numbers)


AHEAD = 64
"""Steps whose signs go to another device at once: each way there has to be waited for."""


def _signs(state: State, steps: int, generator: torch.Generator | None) -> Iterator[State]:
    """Of each step, signs for every number of the state; drawn on the CPU, so that they are the same everywhere."""
    shapes, device, dtype = [part.shape for part in state], state[0].device, state[0].dtype
    del state  # which is old after a step
    ahead = 1 if device.type == "cpu" else AHEAD
    for start in range(0, steps, ahead):
        drawn = [[_draw(shape, dtype, generator) for shape in shapes] for _ in range(start, min(start + ahead, steps))]
        if ahead == 1:
            yield tuple(drawn.pop())
        else:
            there = [torch.stack(signs).to(device) for signs in zip(*drawn, strict=True)]
            yield from zip(*(signs.unbind() for signs in there), strict=True)


def _draw(shape: torch.Size, dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
    return (2 * torch.randint(2, shape, generator=generator, device="cpu") - 1).to(dtype)


def _norm(parts: Iterable[Tensor]) -> Tensor:
    """Of each sequence's vector, (B,), given in parts (B, …)."""
    size: Tensor = torch.cat([part.flatten(1) for part in parts], dim=1).norm(dim=1)
    return size


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    """√(above / below); 1 where one of them is zero, and nothing is to be balanced."""
    return torch.where((above > 0) & (below > 0), (above / below).sqrt(), 1.0)
