"""Influence balancing: short dependencies point the wrong way (Tallec & Ollivier, "Unbiasing truncated backpropagation
through time", 2017, and "Unbiased online recurrent optimization", 2018).

    h_t = A h_{t-1} + θ s,     A = ½ I + ½ superdiagonal,     s = +1 on the first 10 of 23 units, −1 on the other 13
    ℓ_t = ½ (h_t[0] − 1)²

θ is the one trainable number. It reaches h[0] from the positive units first and from the negative ones, which are more,
later: the steady state is h[0] = −6 θ, but a gradient that sees up to 40 steps back finds a positive slope and drives θ
away from the optimum, −1/6.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from throughtime.networks import Network, Recurrent, State
from throughtime.parts import BadInput

from .base import Batch, Metric, Reference, Task
from .generated import at_last_step

UNITS, POSITIVE = 23, 10
START = 0.5
SETTLED = 300
"""Steps after which h[0] is its steady state, to the last digit of float64."""


def transition() -> Tensor:
    """A, (n, n), float64."""
    diagonal, above = torch.ones(UNITS, dtype=torch.float64), torch.ones(UNITS - 1, dtype=torch.float64)
    return 0.5 * (torch.diag(diagonal) + torch.diag(above, 1))


def signs() -> Tensor:
    """s, (n,), float64."""
    return torch.where(torch.arange(UNITS) < POSITIVE, 1.0, -1.0).double()


class Linear(Recurrent):
    """The linear system; its whole state is the hidden state, its input is ignored, and `theta`, (1,), is trained.

    Args:
        dtype: float32 or float64.
    """

    input_size = 1
    hidden_size = UNITS
    at_once: ClassVar[int] = 128
    """Steps that `unroll` computes by one product."""

    def __init__(self, *, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.full((1,), START, dtype=dtype))
        A, powers, sums = transition(), [], []
        power, total = torch.eye(UNITS, dtype=torch.float64), torch.zeros(UNITS, dtype=torch.float64)
        for _ in range(self.at_once):
            total = total + power @ signs()
            power = power @ A
            powers.append(power)
            sums.append(total)
        # Row k: A^(k+1) and Σ_{j≤k} A^j s, so h_{t+k} = A^(k+1) h_{t-1} + θ Σ_{j≤k} A^j s.
        self.register_buffer("powers", torch.stack(powers).to(dtype), persistent=False)
        self.register_buffer("sums", torch.stack(sums).to(dtype), persistent=False)
        self.powers: Tensor
        self.sums: Tensor

    def initial_state(self, batch_size: int) -> State:
        """Zeros, (batch_size, n)."""
        return (self.theta.new_zeros(batch_size, UNITS),)

    def step(self, input: Tensor, state: State) -> State:
        """A h + θ s."""
        return (state[0] @ self.powers[0].T + self.theta * self.sums[0],)

    def unroll(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """By the powers of A, many steps at once."""
        parts, (h,) = [], state
        for chunk in inputs.split(self.at_once):
            T = len(chunk)
            parts.append(h @ self.powers[:T].mT + self.theta * self.sums[:T, None])
            h = parts[-1][-1]
        return torch.cat(parts), (h,)


class FirstUnit(nn.Module):
    """A readout without parameters: hidden states (…, n) to h[0], (…, 1)."""

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden[..., :1]


def half_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """½ (h[0] − 1)² of each step: outputs and targets (T, B, 1), result (T, B)."""
    return (outputs - targets).square().sum(dim=-1) / 2


class InfluenceBalancing(Task):
    """Bring a linear system's first unit to 1 by its one parameter, whose near and far effects oppose each other.

    A stream: the state goes on from batch to batch. Nothing is drawn, so all sequences are alike, and one is enough.

    Args:
        length: time steps of a training batch.
    """

    metric = Metric("½ (h[0] − 1)²", better="lower")
    own_cell = "linear"
    input_size = 1
    output_size = 1

    def __init__(self, length: int = 100) -> None:
        if length < 1:
            raise ValueError(f"length must be at least 1, got {length}")
        self.length = length

    def sample(self, batch_size: int, *, generator: torch.Generator) -> Batch:
        """The stream's first batch: inputs (T, B, 1) that say nothing, zeros, and targets (T, B, 1) of 1."""
        return Batch(
            torch.zeros(self.length, batch_size, 1), torch.ones(self.length, batch_size, 1), half_squared_error
        )

    def batches(self, batch_size: int, *, generator: torch.Generator) -> Iterator[Batch]:
        first = self.sample(batch_size, generator=generator)
        yield first
        while True:
            yield replace(first, continues=True)

    def validation(self) -> Batch:
        """One sequence, of which the last step counts, the steady state; nothing is drawn, so the same as `test`."""
        return self.test()

    def test(self) -> Batch:
        """One sequence, of which the last step counts: the steady state."""
        shape = (SETTLED, 1, 1)
        return Batch(torch.zeros(shape), torch.ones(shape), half_squared_error, at_last_step(SETTLED, 1))

    def score(self, outputs: Tensor, batch: Batch) -> float:
        """The mean loss over the targets."""
        return float(batch.mean_loss(outputs))

    def references(self) -> list[Reference]:
        """The steady state's loss, ½ (6 θ + 1)², at three values of θ."""
        source = "the steady state, h[0] = −6 θ"
        return [
            Reference(f"θ = {START}, the start", (6 * START + 1) ** 2 / 2, "floor", source),
            Reference("θ = 0", 1 / 2, "floor", source),
            Reference("θ = −1/6", 0.0, "optimum", source),
        ]

    def make_network(
        self, cell: str, *, hidden_size: int, seed: int, dtype: torch.dtype, device: str | torch.device
    ) -> Network:
        """The system with θ = 0.5; it has its own 23 units and draws nothing, so neither size nor seed matters."""
        if cell != self.own_cell:
            raise BadInput(f"influence_balancing brings its own cell, {self.own_cell!r}; got {cell!r}")
        return Network(Linear(dtype=dtype), FirstUnit()).to(device)
