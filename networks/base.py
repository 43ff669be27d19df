"""The contract of a recurrent cell: a whole window, one step, and the step's local Jacobians.

`Recurrent` is any differentiable step; its Jacobians are taken densely (`dense.py`). `AnyCell` is one that a spec can
name. Every standard cell is more than that, a `Cell`: an elementwise map of affine pre-activations,

    z_t[g] = W_g x_t + U_g h_{t-1} + b_g            (G gates)
    s_t    = φ(s_{t-1}, z_t)   unit by unit         (S state parts; part 0 is the hidden state h)

so its local Jacobians are ∂s_t/∂s_{t-1} = φ_s + φ_z U, and the immediate Jacobian of row i of gate g is
φ_z[g, i] · (x_t, h_{t-1}, 1) in unit i alone. `Cell.linearize` returns φ_s and φ_z and nothing dense: that is what
makes forward-mode algorithms cheap and general over cells. A new cell owes its sizes, its gates and φ.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from throughtime.parts.errors import BadInput

from .shortcuts import overtaken, step_by_step
from .start import Start, kept, recurrent, uniform

State = tuple[Tensor, ...]
"""The S parts of a recurrent state, each (B, n); part 0 is the hidden state, which the readout sees."""


@dataclass(frozen=True)
class Linearization:
    """One step of a cell and its local Jacobians, all detached.

    Attributes:
        input: what the cell was given, (B, m).
        state: the state after the step, S tensors of (B, n).
        by_state: φ_s, (S, S, B, n): entry [p, q] is ∂(new part p)/∂(old part q), unit by unit, at fixed z.
        by_gate: φ_z, (S, G, B, n): entry [p, g] is ∂(new part p)/∂z[g], unit by unit.
        transition: (B, S n, n): the derivative of all new parts by the old *hidden* part, through z and directly:
            Σ_g φ_z[p, g] ∘ U_g + diag(φ_s[p, 0]). The other old parts act by `by_state` alone. In a closed loop also
            through the output that is fed back.
        by_output: (B, S n, o): the derivative of all new parts by the output of the step before, where that was fed
            back; None where it was not.
    """

    input: Tensor
    state: State
    by_state: Tensor
    by_gate: Tensor
    transition: Tensor
    by_output: Tensor | None = None


class Recurrent(nn.Module, ABC):
    """Any differentiable recurrence s_t = F(s_{t-1}, x_t); part 0 of its state is what the readout sees.

    Attributes:
        input_size: m, the features of one input step.
        hidden_size: n, the width of part 0.
    """

    input_size: int
    hidden_size: int

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Of a subclass with another step a window is its steps, until it has an `unroll` of its own."""
        super().__init_subclass__(**kwargs)
        if overtaken(cls, "unroll", "step"):
            cls.unroll = Recurrent.unroll  # type: ignore[method-assign]

    @abstractmethod
    def initial_state(self, batch_size: int) -> State:
        """The state before a sequence: tensors (batch_size, …), part 0 (batch_size, n)."""

    @abstractmethod
    def step(self, input: Tensor, state: State) -> State:
        """One time step, differentiable by autograd: input (B, m), the new state returned."""

    def unroll(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """A whole window, differentiable: inputs (T, B, m) to the hidden states (T, B, n) and the state after it."""
        return step_by_step(self, inputs, state)


class AnyCell(Recurrent):
    """A recurrence that can be asked for by a spec, ``"leaky(leak=0.1)"``.

    It is made as ``cell(input_size, hidden_size, *, generator, dtype)``; what its constructor takes beside these,
    annotated and with defaults, is its spec's parameters. Every random draw is the generator's.

    Attributes:
        state_parts: S; a state is S tensors (B, n).
        structured: whether `linearize` is that of `step`.
    """

    state_parts: int
    structured: bool = False

    def initial_state(self, batch_size: int) -> State:
        """Zeros: S tensors (batch_size, n)."""
        # Of itself, as all built-in cells have: `parameters` takes longer to find it than the zeros take.
        own = next(iter(self._parameters.values()), None)
        like = next(self.parameters()) if own is None else own
        return tuple(like.new_zeros(batch_size, self.hidden_size) for _ in range(self.state_parts))


class Cell(AnyCell):
    """A recurrent cell with torch.nn's parameter names, shapes and gate order.

    Parameters are ``weight_ih_l0`` (blocks·n, m), ``weight_hh_l0`` (blocks·n, n), ``bias_ih_l0`` and ``bias_hh_l0``
    (blocks·n), drawn from uniform(−1/√n, 1/√n) as in torch.nn: a ``torch.nn.LSTM``'s state_dict loads, and back.

    Args:
        input_size: m, the features of one input step.
        hidden_size: n, the units.
        generator: the source of the initial parameters.
        dtype: float32 or float64. The draw is made in float64, so both start from the same numbers.
        sparsity: the share of recurrent weights that are fixed at zero, from 0 to below 1.
        init: how each gate's recurrent matrix begins, see `start.Start`.
        gain: what it is multiplied by.

    Class attributes:
        state_parts: S.
        input_blocks: for each gate, the block of weight_ih and bias_ih that feeds it, or None.
        hidden_blocks: for each gate, the block of weight_hh and bias_hh that feeds it, or None.
        structured: whether `linearize` is that of `step`; a subclass with another step and no `linearize` has none.
        fan_in: how many recurrent weights a unit has in each gate; an instance's.
        masked: whether its methods read the recurrent weights from `recurrent_weight`, so that `sparsity` holds; a
            subclass with an `unroll`, `step`, `preactivations` or `linearize` of its own has to say so.
    """

    input_blocks: ClassVar[tuple[int | None, ...]]
    hidden_blocks: ClassVar[tuple[int | None, ...]]
    structured = True
    masked: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Of a subclass with another φ the kernel goes, and slopes by hand; of one with another step the structure."""
        if overtaken(cls, "masked", "unroll", "step", "preactivations", "linearize"):
            cls.masked = False
        super().__init_subclass__(**kwargs)
        if overtaken(cls, "unroll", "preactivations", "activate", "input_blocks", "hidden_blocks", "state_parts"):
            cls.unroll = Recurrent.unroll  # type: ignore[method-assign]
        if overtaken(cls, "derivatives", "activate"):
            cls.derivatives = Cell.derivatives  # type: ignore[method-assign]
        cls.structured = not overtaken(cls, "linearize", "step", "preactivations")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
        sparsity: float = 0.0,
        init: Start = "default",
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        if sparsity and not self.masked:
            raise ValueError(
                f"{type(self).__name__} has methods of its own that may read weight_hh_l0 past its mask: leave "
                f"sparsity out, or let them use self.recurrent_weight and declare masked = True in the class"
            )
        rows = hidden_size * (1 + max(block for block in self.input_blocks if block is not None))
        sizes = (rows, input_size), (rows, hidden_size), (rows,), (rows,)
        W, U, b_ih, b_hh = (uniform(hidden_size, *size, generator=generator) for size in sizes)
        U = recurrent(init, U, generator) * gain
        mask = kept(sparsity, rows, hidden_size, generator)
        self.weight_ih_l0 = nn.Parameter(W.to(dtype))
        self.weight_hh_l0 = nn.Parameter((U if mask is None else U * mask).to(dtype))
        self.bias_ih_l0 = nn.Parameter(b_ih.to(dtype))
        self.bias_hh_l0 = nn.Parameter(b_hh.to(dtype))
        self.fan_in = hidden_size if mask is None else int(mask[0].sum())
        if mask is not None:
            self.register_buffer("mask_hh_l0", mask)

    @property
    def mask(self) -> Tensor | None:
        """Which recurrent weights there are, (blocks·n, n), `fan_in` in every row; None: all of them."""
        return self._buffers.get("mask_hh_l0")

    @property
    def recurrent_weight(self) -> Tensor:
        """U, (blocks·n, n), as the cell uses it.

        The weights that `sparsity` leaves out are multiplied by zero here, and here alone: so they have no effect and
        no gradient, whichever algorithm takes it, and no optimizer moves them from the zero at which they begin.
        """
        mask = self.mask
        return self.weight_hh_l0 if mask is None else self.weight_hh_l0 * mask

    @abstractmethod
    def activate(self, state: State, z: Sequence[Tensor]) -> State:
        """φ: the new state from the old state, S tensors (B, n), and the pre-activations, G tensors (B, n)."""

    def preactivations(self, input: Tensor, hidden: Tensor) -> list[Tensor]:
        """z: for each of the G gates W_g x + U_g h + b_g, (B, n), from the input (B, m) and the hidden state (B, n)."""
        from_input = linear(input, self.weight_ih_l0, self.bias_ih_l0).split(self.hidden_size, dim=1)
        from_hidden = linear(hidden, self.recurrent_weight, self.bias_hh_l0).split(self.hidden_size, dim=1)
        gates = []
        for i, h in zip(self.input_blocks, self.hidden_blocks, strict=True):
            terms = [from_input[i]] if i is not None else []
            terms += [from_hidden[h]] if h is not None else []
            gates.append(sum(terms[1:], terms[0]))
        return gates

    def step(self, input: Tensor, state: State) -> State:
        """One time step, differentiable by autograd: input (B, m), state S tensors (B, n), the new state returned."""
        return self.activate(state, self.preactivations(input, state[0]))

    def derivatives(self, state: State, z: Sequence[Tensor]) -> tuple[State, Tensor, Tensor]:
        """φ with its derivatives: the new state, φ_s (S, S, B, n) and φ_z (S, G, B, n).

        By forward-mode differentiation with one-hot tangents; a cell may override it by hand for speed.
        """
        primals = torch.stack([*state, *z])

        def phi(values: Tensor) -> Tensor:
            parts = values.unbind()
            return torch.stack(self.activate(parts[: self.state_parts], parts[self.state_parts :]))

        def column(index: int) -> Tensor:
            tangent = torch.zeros_like(primals)
            tangent[index] = 1
            return torch.func.jvp(phi, (primals,), (tangent,))[1]  # type: ignore[no-any-return]

        jacobian = torch.stack([column(index) for index in range(len(primals))], dim=1)
        return tuple(phi(primals).unbind()), jacobian[:, : self.state_parts], jacobian[:, self.state_parts :]

    @torch.no_grad()
    def linearize(self, input: Tensor, state: State) -> Linearization:
        """One step and its structured local Jacobians: input (B, m), state S tensors (B, n); nothing keeps a graph."""
        if not self.structured:
            raise BadInput(
                f"{type(self).__name__} has a step of its own, and Cell.linearize is not that step's: override "
                f"linearize beside it, or take the dense Jacobians of Network.linearize"
            )
        new_state, by_state, by_gate = self.derivatives(state, self.preactivations(input, state[0]))
        blocks = self.recurrent_weight.split(self.hidden_size)
        n, S = self.hidden_size, self.state_parts
        transition = input.new_zeros(len(input), S, n, n)
        by_part = by_gate.transpose(0, 2)  # (B, G, S, n)
        for gate, block in enumerate(self.hidden_blocks):
            if block is not None:
                transition.addcmul_(by_part[:, gate, :, :, None], blocks[block])
        transition.diagonal(dim1=2, dim2=3).add_(by_state[:, 0].transpose(0, 1))
        return Linearization(input, new_state, by_state, by_gate, transition.flatten(1, 2))
