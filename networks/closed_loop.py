"""A network in a closed loop: part of its input is its own last output, in place of the truth or mixed with it.

    f_t = α_t y*_{t-1} + (1 − α_t) ŷ_{t-1},     ŷ_{t-1} = V h_{t-1} + c

How much truth each step is given, α_t, comes with the inputs (`drive`), so a window of the sequence, a replay of it or
a batch that continues it are driven alike. ŷ_{t-1} is a function of h_{t-1}, read by the parameters of now: the loop
needs no state of its own. The gradient runs through a real-valued output; a symbol is a choice and cuts it.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from .base import Cell, Linearization, Recurrent, State
from .dense import DenseLinearization, linearize_densely
from .diagonal import DiagonalCell, DiagonalLinearization
from .network import Network


def drive(inputs: Tensor, truth: Tensor, noise: Tensor | None = None) -> Tensor:
    """Inputs that tell a `ClosedLoop` how much truth each step is given.

    Args:
        inputs: (T, B, m), the last o features the true y*_{t-1}.
        truth: α, (T, B), from 0 to 1.
        noise: (T, B, o) Gumbel noise with which a symbol is sampled; None: the likeliest symbol.

    Returns:
        (T, B, m + 1) or (T, B, m + 1 + o).
    """
    return torch.cat([inputs, truth[..., None].to(inputs), *([] if noise is None else [noise.to(inputs)])], dim=-1)


class ClosedLoop(Network):
    """A cell and a readout whose output is fed back; inputs that were not driven hold nothing but the truth.

    Args:
        cell: the recurrence; the last o of its m inputs are the feedback.
        readout: the linear map to the output (B, o).
        symbolic: the outputs are logits, and what is fed back is a symbol chosen by them, one-hot.
    """

    readout: nn.Linear

    def __init__(self, cell: Recurrent, readout: nn.Linear, *, symbolic: bool = False) -> None:
        super().__init__(cell, readout)
        self.symbolic = symbolic

    @property
    def input_sizes(self) -> tuple[int, ...]:
        """m, or as `drive` makes them."""
        m, o = self.cell.input_size, self.readout.out_features
        return (m, m + 1, m + 1 + o)

    def seen(self, input: Tensor, hidden: Tensor) -> Tensor:
        """What the cell is given, (B, m), from an input as `drive` makes it and the hidden state before the step."""
        m, o = self.cell.input_size, self.readout.out_features
        if input.shape[1] == m:
            return input
        outside, true, truth, noise = input.split([m - o, o, 1, input.shape[1] - m - 1], dim=1)
        own = self.readout(hidden)
        if self.symbolic:
            chosen = (own + noise if noise.shape[1] else own).argmax(dim=1)
            own = (chosen[:, None] == torch.arange(o, device=own.device)).to(own)  # one_hot does not work under vmap
        # Chosen where it is the one or the other: what is not given must not matter, and infinity times 0 is NaN.
        mixed = torch.where(truth == 1, true, torch.where(truth == 0, own, truth * true + (1 - truth) * own))
        return torch.cat([outside, mixed], dim=1)

    def hidden(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Step by step; on a CPU the first steps at once as far as all of them are given the truth."""
        self.check(inputs, state)
        m = self.cell.input_size
        state = state or self.initial_state(inputs.shape[1])
        if inputs.shape[2] == m:
            return self.cell.unroll(inputs, state)
        # Another device would have to be asked for what it was given, and waited for.
        given = int((inputs[..., m] == 1).all(dim=1).cumprod(dim=0).sum()) if inputs.device.type == "cpu" else 0
        parts = []
        if given:
            hidden, state = self.cell.unroll(inputs[:given, :, :m], state)
            parts.append(hidden)
        for x in inputs[given:].unbind():
            state = self.step(x, state)
            parts.append(state[0][None])
        return torch.cat(parts), state

    def step(self, input: Tensor, state: State) -> State:
        """One step of the loop, differentiable by autograd: input as `drive` makes it."""
        return self.cell.step(self.seen(input, state[0]), state)

    @property
    def diagonal(self) -> bool:
        """Where the output is a choice, which has no derivative; any other that is fed back joins all units."""
        return super().diagonal and self.symbolic

    def linearize(self, input: Tensor, state: State) -> Linearization | DiagonalLinearization | DenseLinearization:
        """One step with its local Jacobians, those through the output that is fed back included."""
        if self.diagonal:
            assert isinstance(self.cell, DiagonalCell)
            with torch.no_grad():
                return self.cell.linearize(self.seen(input, state[0]), state)
        if not isinstance(self.cell, Cell) or not self.cell.structured:
            return linearize_densely(self, input, state)
        with torch.no_grad():
            local = self.cell.linearize(self.seen(input, state[0]), state)
            m = self.cell.input_size
            if self.symbolic or input.shape[1] == m:
                return local
            o, n = self.readout.out_features, self.cell.hidden_size
            weights = self.cell.weight_ih_l0[:, -o:].unflatten(0, (-1, n))
            own = 1 - input[:, m, None, None]
            by_output = own.new_zeros(self.cell.state_parts, len(input), n, o)
            for gate, block in enumerate(self.cell.input_blocks):
                if block is not None:
                    by_output.addcmul_(local.by_gate[:, gate, :, :, None], weights[block])
            by_output = by_output.transpose(0, 1).flatten(1, 2) * own
            transition = local.transition + by_output @ self.readout.weight
            return replace(local, transition=transition, by_output=by_output)
