"""What the complex linear cells share: units that turn and shrink, λ = exp(−e^ν + i e^θ), and are driven by the input.

    h_t = λ ∘ h_{t-1} + γ ∘ (B x_t),     |λ| < 1 whatever ν is

A unit's state is two planes, its real and its imaginary part; B's two parts are two gates. (Orvieto et al., ICML 2023.)
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .base import State
from .diagonal import DiagonalCell


class Rotating(DiagonalCell):
    """Complex units, half as many as the state has numbers; `unit_parameters` begin with nu and theta.

    Args:
        r_min: the least |λ| to begin with.
        r_max: the largest. |λ|² is drawn evenly between their squares, so λ evenly from the ring.
        max_phase: the largest angle of λ to begin with, in radians.
    """

    planes = 2
    gates = 2
    biased = False

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
        r_min: float = 0.0,
        r_max: float = 1.0,
        max_phase: float = math.tau,
    ) -> None:
        if not 0 <= r_min < r_max <= 1:
            raise ValueError(f"0 ≤ r_min < r_max ≤ 1 bound the ring of eigenvalues; got r_min={r_min}, r_max={r_max}")
        if not 0 < max_phase <= math.tau:
            raise ValueError(f"max_phase is an angle above 0, at most 2π = {math.tau:.4f}; got {max_phase}")
        self._ring = (r_min, r_max, max_phase)
        super().__init__(input_size, hidden_size, generator=generator, dtype=dtype)

    @abstractmethod
    def norm(self, own: Sequence[Tensor]) -> tuple[Tensor, tuple[Tensor | float, ...]]:
        """γ, and its derivatives by each of the unit's parameters."""

    def draw(self, generator: torch.Generator | None) -> dict[str, Tensor]:
        """λ from the ring, B from normal(0, 1/(2m)), γ = √(1 − |λ|²)."""

        def evenly() -> Tensor:
            return torch.empty(self.units, dtype=torch.float64, device="cpu").uniform_(generator=generator)

        low, high, phase = self._ring
        weight = torch.empty(self.gates * self.units, self.input_size, dtype=torch.float64, device="cpu")
        weight.normal_(std=1 / math.sqrt(2 * self.input_size), generator=generator)
        square = (low**2 + (high**2 - low**2) * evenly()).clamp(1e-12, 1 - 1e-12)
        theta = (phase * evenly()).clamp_min(1e-12).log()
        return {
            "weight_ih": weight,
            "nu": (-square.log() / 2).log(),
            "theta": theta,
            "gamma": (1 - square).sqrt(),
        }

    def activate(self, state: Sequence[Tensor], z: Sequence[Tensor], own: Sequence[Tensor]) -> Sequence[Tensor]:
        """The new real and imaginary parts."""
        turned, (gamma, _) = _turned(state, own), self.norm(own)
        return turned[0] + gamma * z[0], turned[1] + gamma * z[1]

    def derivatives(
        self, state: Sequence[Tensor], z: Sequence[Tensor], own: Sequence[Tensor]
    ) -> tuple[Sequence[Tensor], Tensor, Tensor, Tensor]:
        """By hand: ∂(λh)/∂ν = −e^ν λh and ∂(λh)/∂θ = i e^θ λh; γ's own slopes times what drives."""
        turned, (gamma, slopes) = _turned(state, own), self.norm(own)
        like = turned[0]
        real, imaginary = (part.expand_as(like) for part in _eigenvalue(own))
        zero, scale = torch.zeros_like(like), gamma.expand_as(like)
        shrink, angle = own[0].exp(), own[1].exp()
        by_unit = torch.stack(
            [torch.stack([part * slope for slope in slopes]) for part in (z[0], z[1])]
        )  # by γ's share in each parameter
        by_unit[:, 0] -= torch.stack([shrink * turned[0], shrink * turned[1]])
        by_unit[:, 1] += torch.stack([-angle * turned[1], angle * turned[0]])
        by_state = torch.stack([torch.stack([real, -imaginary]), torch.stack([imaginary, real])])
        by_gate = torch.stack([torch.stack([scale, zero]), torch.stack([zero, scale])])
        return (turned[0] + gamma * z[0], turned[1] + gamma * z[1]), by_state, by_gate, by_unit

    def unroll(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """By `ComplexRecurrence`."""
        own = self.own
        driven, (gamma, _) = torch.complex(*self.preactivations(inputs)), self.norm(own)
        first = torch.complex(*state[0].split(self.units, dim=1))
        eigenvalue = torch.complex(*_eigenvalue(own))
        found = ComplexRecurrence.apply(gamma * driven, first, eigenvalue)  # type: ignore[no-untyped-call]
        hidden = torch.cat([found.real, found.imag], dim=2)
        return hidden, (hidden[-1],)


def _eigenvalue(own: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """λ's real and imaginary part."""
    size, angle = (-own[0].exp()).exp(), own[1].exp()
    return size * angle.cos(), size * angle.sin()


def _turned(state: Sequence[Tensor], own: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """λ h, its real and its imaginary part."""
    (real, imaginary), (g, phi) = state, _eigenvalue(own)
    return g * real - phi * imaginary, phi * real + g * imaginary


class ComplexRecurrence(torch.autograd.Function):
    """h_t = λ ∘ h_{t-1} + u_t for t = 1..T; u (T, B, k), h_0 (B, k) and λ (k) complex. Differentiable once."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, h0: Tensor, eigenvalue: Tensor) -> Tensor:
        """Store the states h_0 … h_T."""
        states = u.new_empty(len(u) + 1, *h0.shape)
        states[0] = h0
        h, *rows = states.unbind()
        for driven, new in zip(u.unbind(), rows, strict=True):
            h = torch.addcmul(driven, eigenvalue, h, out=new)
        ctx.save_for_backward(eigenvalue, states)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """g_t = ∂L/∂h_t + λ* g_{t+1}; by λ Σ_t h*_{t-1} g_t."""
        eigenvalue, states = ctx.saved_tensors
        back, total = eigenvalue.conj().resolve_conj(), torch.empty_like(grad)
        rows, grads = total.unbind(), grad.unbind()
        rows[-1].copy_(grads[-1])
        for t in range(len(rows) - 1, 0, -1):
            torch.addcmul(grads[t - 1], back, rows[t], out=rows[t - 1])
        return total, back * rows[0], (states[:-1].conj() * total).sum(dim=(0, 1))
