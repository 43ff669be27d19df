"""The contract of a forcing: how a network that feeds on its own past output is driven while it learns.

A forcing turns a task's batch, which holds nothing but the truth, into a driven one, and has a view of the network that
knows what to do with it. Algorithms see only the two, so every algorithm works with every forcing.
"""

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from throughtime.networks import ClosedLoop, Network, drive
from throughtime.parts.defaults import fresh_defaults, run_with_fresh_defaults
from throughtime.tasks.base import Batch

Feedback = Literal["real", "symbol"]
"""What a task feeds back: its target as it is, or one-hot (`Task.feedback`)."""

Choice = Literal["sample", "argmax"]
"""How a symbol is chosen by the network's outputs."""


class Forcing(ABC):
    """How a network is driven. A subclass's constructor takes its parameters, annotated. One instance serves one run.

    Class attributes:
        closes_loop: it feeds the network's own output back, which the task must allow.
        backward_mode_only: it judges whole windows, which needs an algorithm with `Algorithm.backward_mode`.
    """

    closes_loop: ClassVar[bool] = True
    backward_mode_only: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """What a forcing draws never depends on torch's global settings."""
        super().__init_subclass__(**kwargs)
        run_with_fresh_defaults(cls, "__init__", "begin", "drive", "truth")

    def begin(self, network: Network, feedback: Feedback | None, *, seed: int) -> Network:
        """The network as it is trained; the same parameters under the same names.

        Args:
            network: a fresh network.
            feedback: the task's.
            seed: of what the forcing itself draws once, such as a discriminator's parameters.
        """
        return closed_loop(network, feedback)

    @abstractmethod
    def drive(self, batch: Batch, network: Network, *, progress: float, generator: torch.Generator) -> Batch:
        """A training batch as `network` (what `begin` returned) is to see it.

        Args:
            batch: the task's: nothing but the truth.
            network: what is trained.
            progress: the share of the training budget that is used up, 0 to 1.
            generator: the source of coins and symbols.
        """

    def after(self, batch: Batch, network: Network) -> None:  # noqa: B027 (most forcings have nothing to learn)
        """Called when the updates of a driven batch are made: a forcing that learns learns here."""


class OwnOutput(Forcing):
    """A forcing that mixes truth and own output step by step.

    Args:
        symbol: how a symbol is chosen that is fed back; of no effect on real-valued outputs.
    """

    def __init__(self, symbol: Choice = "sample") -> None:
        self.symbol = symbol

    @abstractmethod
    def truth(self, steps: int, sequences: int, *, progress: float, generator: torch.Generator) -> Tensor:
        """α, (steps, sequences): how much of each step's feedback is the truth."""

    def drive(self, batch: Batch, network: Network, *, progress: float, generator: torch.Generator) -> Batch:
        """A sequence's first step is given the truth: there is no output before it."""
        truth = self.truth(batch.length, batch.size, progress=progress, generator=generator)
        return driven(batch, network, truth, self.symbol, generator)


def closed_loop(network: Network, feedback: Feedback | None) -> ClosedLoop:
    """The same cell and readout, in a closed loop.

    Raises:
        ValueError: there is no feedback, or the readout is not linear.
    """
    if feedback is None or not isinstance(network.readout, nn.Linear):
        raise ValueError("only a task whose inputs hold its past targets can be run in a closed loop")
    return ClosedLoop(network.cell, network.readout, symbolic=feedback == "symbol")


def driven(batch: Batch, network: Network, truth: Tensor, symbol: Choice, generator: torch.Generator) -> Batch:
    """The batch with its share of truth (T, B), and with noise for its symbols where they are to be sampled."""
    assert isinstance(network, ClosedLoop)
    if not batch.continues:
        truth = torch.cat([torch.ones_like(truth[:1]), truth[1:]])
    noise = None
    if network.symbolic and symbol == "sample":
        noise = gumbel(batch.length, batch.size, network.readout.out_features, generator=generator)
    device = batch.inputs.device
    return batch.with_inputs(drive(batch.inputs, truth.to(device), None if noise is None else noise.to(device)))


@fresh_defaults()
def gumbel(*shape: int, generator: torch.Generator) -> Tensor:
    """Standard Gumbel noise: argmax(logits + noise) is a draw from softmax(logits)."""
    uniform = torch.rand(shape, generator=generator, dtype=torch.float64).clamp(min=math.ulp(0.0))
    return -(-uniform.log()).log()
