"""Professor forcing (Lamb, Goyal, Zhang, Zhang, Courville & Bengio, NeurIPS 2016): a discriminator watches the hidden
states, and the network learns to move alike when it is given the truth and when it runs on its own output.

Every batch is run twice side by side, forced and free. The loss is the task's on the forced half, plus −log D on the
free half, where D is the discriminator's belief, step by step, that a state comes from a forced run. D learns from the
same states by its own optimizer after each batch. As in the paper, the network follows D only where D is right on more
than 75 % of the states of both halves, and D stops learning where it is right on more than 99 %. Left out of the paper:
outputs beside the hidden states in what D sees, and the third loss that draws forced runs towards free ones.

An algorithm that cuts a sequence into windows shows D a window's own steps alone, while D learned on whole batches:
with `truncated(k1, k2)` D judges k1 steps at a time, so only `full` is professor forcing as the paper has it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from throughtime.networks import ClosedLoop, Network, State, drive
from throughtime.networks.gru import GRU
from throughtime.networks.modes import evaluating, training
from throughtime.tasks.base import Batch

from .base import Choice, Feedback, Forcing, closed_loop, driven

TRUSTED, ENOUGH = 0.75, 0.99


class Observed(ClosedLoop):
    """A closed loop whose outputs are followed by the hidden states that they are read from: (T, B, o + n)."""

    def unroll(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Outputs and hidden states side by side."""
        hidden, state = self.hidden(inputs, state)
        return torch.cat([self.readout(hidden), hidden], dim=-1), state


@dataclass(frozen=True, kw_only=True)
class Halves(Batch):
    """The same sequences forced and free, side by side: the task's loss on the forced half, the judge's on the free.

    Attributes:
        outputs: o, the network's own, which the states follow.
        judge: the loss of each step of the free half, (T, B), from all outputs and states (T, 2 B, o + n).
    """

    outputs: int
    judge: Callable[[Tensor], Tensor]

    def losses(self, outputs: Tensor) -> Tensor:
        """(T, 2 B): twice each half's, so that a mean over both is their sum. Of the states none is left out."""
        half = self.size // 2
        mask = None if self.mask is None else self.mask[:, :half]
        forced = Batch(self.inputs[:, :half], self.targets[:, :half], self.loss, mask)
        forced.counted([count // 2 for count in self.counts])
        fooled = self.judge(outputs)
        if self.mask is not None:
            fooled = torch.where(self.mask[:, half:], fooled, 0.0)
        return 2 * torch.cat([forced.losses(outputs[:, :half, : self.outputs]), fooled], dim=1)


class Discriminator(nn.Module):
    """A bidirectional GRU over hidden states (T, B, n), and at every step a logit (T, B) for "this run is forced"."""

    def __init__(self, states: int, units: int) -> None:
        super().__init__()
        self.ahead, self.back = GRU(states, units), GRU(states, units)
        self.judge = nn.Sequential(nn.Linear(2 * units, units), nn.ReLU(), nn.Linear(units, 1))

    def forward(self, hidden: Tensor) -> Tensor:
        """Hidden states (T, B, n) to logits (T, B)."""
        start = self.ahead.initial_state(hidden.shape[1])
        ahead, back = self.ahead.unroll(hidden, start)[0], self.back.unroll(hidden.flip(0), start)[0].flip(0)
        logits: Tensor = self.judge(torch.cat([ahead, back], dim=-1))[..., 0]
        return logits


class Professor(Forcing):
    """Forced and free runs made alike by a discriminator. For algorithms that differentiate whole windows.

    Args:
        weight: of the adversarial loss beside the task's.
        units: of the discriminator's GRU, in each direction.
        learning_rate: of the discriminator's Adam.
        symbol: how a symbol is chosen that is fed back: "sample" or "argmax"; of no effect on real-valued outputs.
    """

    backward_mode_only = True

    def __init__(
        self, weight: float = 1.0, units: int = 32, learning_rate: float = 0.001, symbol: Choice = "sample"
    ) -> None:
        if weight < 0 or units < 1 or learning_rate <= 0:
            raise ValueError(
                f"weight must be 0 or more, units 1 or more, learning_rate above 0; "
                f"got {weight}, {units}, {learning_rate}"
            )
        self.weight, self.units, self.learning_rate, self.symbol = weight, units, learning_rate, symbol

    def begin(self, network: Network, feedback: Feedback | None, *, seed: int) -> Network:
        """A discriminator for the network's hidden states, and the network with its states in sight."""
        loop = closed_loop(network, feedback)
        like = loop.readout.weight
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.discriminator = Discriminator(loop.cell.hidden_size, self.units).to(like.device, like.dtype)
        self.optimizer = torch.optim.Adam(self.discriminator.parameters(), lr=self.learning_rate)
        return Observed(loop.cell, loop.readout, symbolic=loop.symbolic)

    def drive(self, batch: Batch, network: Network, *, progress: float, generator: torch.Generator) -> Batch:
        """2 B sequences: the batch forced, then the same batch free; a mean over both halves is the sum of two losses.

        The targets count alike in both halves: the free half's loss stands at the steps that the task's loss has.
        """
        free = driven(batch, network, torch.zeros(batch.length, batch.size), self.symbol, generator)
        columns = free.inputs.shape[2] - batch.inputs.shape[2] - 1
        noise = batch.inputs.new_zeros(batch.length, batch.size, columns) if columns else None
        forced = drive(batch.inputs, batch.inputs.new_ones(batch.length, batch.size), noise)
        assert isinstance(network, Observed)
        halves = Halves(
            inputs=torch.cat([forced, free.inputs], dim=1),
            targets=torch.cat([batch.targets, batch.targets], dim=1),
            mask=None if batch.mask is None else torch.cat([batch.mask, batch.mask], dim=1),
            loss=batch.loss,
            continues=batch.continues,
            outputs=network.readout.out_features,
            judge=lambda outputs: self._fooled(outputs[..., network.readout.out_features :]),
        )
        return halves.counted([2 * count for count in batch.counts])

    def after(self, batch: Batch, network: Network) -> None:
        """A step of the discriminator, from zero states: it sees what the network does in this batch."""
        with torch.no_grad():
            hidden = network.hidden(batch.inputs)[0]
        with training(self.discriminator):
            logits = self.discriminator(hidden)
        forced = (torch.arange(batch.size, device=logits.device) < batch.size // 2).to(logits).expand_as(logits)
        right = ((logits > 0) == (forced > 0)).double().mean()
        if right > ENOUGH:
            return
        self.optimizer.zero_grad()
        binary_cross_entropy_with_logits(logits, forced).backward()
        self.optimizer.step()

    def _fooled(self, states: Tensor) -> Tensor:
        """The weighted −log D of the free half, (T, B), zero where D is not to be trusted; states (T, 2 B, n)."""
        with evaluating(self.discriminator):  # it learns in `after` alone
            forced, free = self.discriminator(states).chunk(2, dim=1)
        right = torch.cat([forced > 0, free < 0], dim=1).double().mean()
        return self.weight * torch.where(right > TRUSTED, nn.functional.softplus(-free), 0.0)
