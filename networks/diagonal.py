"""The contract of a diagonal cell, whose state acts on itself unit by unit: exact RTRL then costs O(P) and no more.

    z_t[g] = W_g x_t + b_g                                 (G gates, which see the input alone)
    s_t    = φ(s_{t-1}, z_t, p)      unit by unit          (R planes: the numbers of a unit's state; K parameters p)

A parameter of unit i moves unit i alone, for all time, so the influence ∂s_t/∂θ has R numbers for each parameter and
its recursion is elementwise (Mozer 1989; Zucchet et al. 2023; Irie et al. 2024). The price is what a state can do.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from throughtime.parts.errors import BadInput

from .base import AnyCell, Recurrent, State
from .shortcuts import overtaken
from .start import uniform


@dataclass(frozen=True)
class DiagonalLinearization:
    """One step of a diagonal cell and its local Jacobians, all detached and unit by unit; u = n / R units.

    Attributes:
        input: what the cell was given, (B, m).
        state: the state after the step, one part (B, n).
        by_state: (R, R, B, u): entry [p, q] is ∂(new plane p)/∂(old plane q).
        by_gate: (R, G, B, u): by the pre-activations.
        by_unit: (R, K, B, u): by the units' own parameters.
    """

    input: Tensor
    state: State
    by_state: Tensor
    by_gate: Tensor
    by_unit: Tensor


class DiagonalCell(AnyCell):
    """A cell whose units see the input and themselves; a new one owes its sizes, its parameters' names and φ.

    Parameters are ``weight_ih_l0`` (G u, m), ``bias_ih_l0`` (G u), and for each name in `unit_parameters` one of (u,),
    ``name_l0``. The state is one part, (B, n): the planes side by side, each (B, u), and the readout sees them all.

    Args:
        input_size: m, the features of one input step.
        hidden_size: n = R u, the numbers of the state.
        generator: the source of the initial parameters.
        dtype: float32 or float64. The draw is made in float64, so both start from the same numbers.

    Class attributes:
        planes: R, the numbers of a unit's state: 2 for a complex one.
        gates: G.
        biased: whether the gates have biases.
        unit_parameters: the names of the K parameters that every unit has for itself.
        structured: whether `linearize` is that of `step`; a subclass with another step and no `linearize` has none.
    """

    planes: ClassVar[int] = 1
    gates: ClassVar[int] = 1
    biased: ClassVar[bool] = True
    unit_parameters: ClassVar[tuple[str, ...]] = ()
    state_parts = 1
    structured = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Of a subclass with another φ the kernel goes, and slopes by hand; of one with another step the structure."""
        super().__init_subclass__(**kwargs)
        if overtaken(cls, "unroll", "preactivations", "activate"):
            plain = DiagonalCell if cls.step is DiagonalCell.step else Recurrent
            cls.unroll = plain.unroll  # type: ignore[method-assign]
        if overtaken(cls, "derivatives", "activate"):
            cls.derivatives = DiagonalCell.derivatives  # type: ignore[method-assign]
        cls.structured = not overtaken(cls, "linearize", "step", "preactivations")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if hidden_size % self.planes:
            raise ValueError(
                f"a unit's state is {self.planes} numbers: hidden_size must be a multiple; got {hidden_size}"
            )
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.units = hidden_size // self.planes
        drawn = self.draw(generator)
        self.weight_ih_l0 = nn.Parameter(drawn["weight_ih"].to(dtype))
        if self.biased:
            self.bias_ih_l0 = nn.Parameter(drawn["bias_ih"].to(dtype))
        for name in self.unit_parameters:
            self.register_parameter(f"{name}_l0", nn.Parameter(drawn[name].to(dtype)))

    def draw(self, generator: torch.Generator | None) -> dict[str, Tensor]:
        """Initial values, float64: ``weight_ih`` (G u, m), ``bias_ih`` (G u), and each of the unit's parameters (u,).

        From uniform(−1/√n, 1/√n); a cell overrides it for another start.
        """
        rows = self.gates * self.units
        sizes = {"weight_ih": (rows, self.input_size), "bias_ih": (rows,)}
        sizes |= dict.fromkeys(self.unit_parameters, (self.units,))
        return {name: uniform(self.hidden_size, *size, generator=generator) for name, size in sizes.items()}

    @property
    def own(self) -> list[Tensor]:
        """The K parameters that every unit has for itself, each (u,)."""
        return [getattr(self, f"{name}_l0") for name in self.unit_parameters]

    @abstractmethod
    def activate(self, state: Sequence[Tensor], z: Sequence[Tensor], own: Sequence[Tensor]) -> Sequence[Tensor]:
        """φ: the new state's R planes from the old ones and from the G pre-activations, each (B, u), and from the K
        parameters, (u,) or (B, u).
        """

    def preactivations(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """z: for each of the G gates W_g x + b_g, (…, u), from inputs (…, m): of one step, or of a window at once."""
        bias = self.bias_ih_l0 if self.biased else None
        gates: tuple[Tensor, ...] = linear(inputs, self.weight_ih_l0, bias).split(self.units, dim=-1)
        return gates

    def step(self, input: Tensor, state: State) -> State:
        """One time step, differentiable by autograd: input (B, m), state one tensor (B, n), the new state returned."""
        planes = state[0].split(self.units, dim=1)
        return (torch.cat(tuple(self.activate(planes, self.preactivations(input), self.own)), dim=1),)

    def unroll(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """The input's products for all steps at once, then step by step."""
        planes: Sequence[Tensor] = state[0].split(self.units, dim=1)
        own, hidden = self.own, []
        for z in zip(*(gate.unbind() for gate in self.preactivations(inputs)), strict=True):
            planes = self.activate(planes, z, own)
            hidden.append(torch.cat(tuple(planes), dim=1))
        return torch.stack(hidden), (hidden[-1],)

    def derivatives(
        self, state: Sequence[Tensor], z: Sequence[Tensor], own: Sequence[Tensor]
    ) -> tuple[Sequence[Tensor], Tensor, Tensor, Tensor]:
        """φ with its derivatives: the new planes, by the planes (R, R, B, u), the gates (R, G, B, u) and the unit's own
        parameters (R, K, B, u).

        By forward-mode differentiation with one-hot tangents; a cell may override it by hand for speed.
        """
        primals = torch.stack([*state, *z, *(one.expand_as(state[0]) for one in own)])
        sizes = [self.planes, self.gates, len(own)]

        def phi(values: Tensor) -> Tensor:
            return torch.stack(tuple(self.activate(*(part.unbind() for part in values.split(sizes)))))

        def column(index: int) -> Tensor:
            tangent = torch.zeros_like(primals)
            tangent[index] = 1
            return torch.func.jvp(phi, (primals,), (tangent,))[1]  # type: ignore[no-any-return]

        jacobian = torch.stack([column(index) for index in range(len(primals))], dim=1)
        by_state, by_gate, by_unit = jacobian.split(sizes, dim=1)
        return phi(primals).unbind(), by_state, by_gate, by_unit

    @torch.no_grad()
    def linearize(self, input: Tensor, state: State) -> DiagonalLinearization:
        """One step and its local Jacobians: input (B, m), state one tensor (B, n); nothing keeps a graph."""
        if not self.structured:
            raise BadInput(
                f"{type(self).__name__} has a step of its own, and DiagonalCell.linearize is not that step's: override "
                f"linearize beside it, or take the dense Jacobians of Network.linearize"
            )
        planes = state[0].split(self.units, dim=1)
        new, *slopes = self.derivatives(planes, self.preactivations(input), self.own)
        return DiagonalLinearization(input, (torch.cat(tuple(new), dim=1),), *slopes)
