"""The contract of a task: batches to learn from, fixed data to judge on, and the numbers that give scores a meaning."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Literal

import torch
from torch import Tensor

from throughtime.networks import Network, make_network

Loss = Callable[[Tensor, Tensor], Tensor]
"""From outputs (T, B, o) and targets (T, B, ...) to the loss of every step of every sequence, (T, B)."""


@dataclass(frozen=True)
class Batch:
    """B sequences of T steps, time-major.

    Attributes:
        inputs: (T, B, m).
        targets: (T, B, o) real values, or (T, B) class numbers; finite everywhere, also where the mask is False.
        loss: the loss of each step of each sequence.
        mask: (T, B) True where a target counts; None where all do.
        continues: this batch goes on where the stream's previous batch ended, so its carry is to be used.
    """

    inputs: Tensor
    targets: Tensor
    loss: Loss
    mask: Tensor | None = None
    continues: bool = False

    @property
    def length(self) -> int:
        """T, the time steps."""
        return self.inputs.shape[0]

    @property
    def size(self) -> int:
        """B, the sequences."""
        return self.inputs.shape[1]

    @cached_property
    def counts(self) -> list[int]:
        """The number of targets at each time step."""
        return [self.size] * self.length if self.mask is None else self.mask.sum(dim=1).tolist()

    @cached_property
    def total(self) -> int:
        """The number of targets of the whole batch."""
        return sum(self.counts)

    def share(self, start: int, stop: int) -> float:
        """The share of the batch's targets that the steps start … stop − 1 hold."""
        return sum(self.counts[start:stop]) / self.total if self.total else 0.0

    def window(self, start: int, stop: int) -> "Batch":
        """The steps start … stop − 1 as a batch of their own."""
        mask = None if self.mask is None else self.mask[start:stop]
        return replace(self, inputs=self.inputs[start:stop], targets=self.targets[start:stop], mask=mask)

    def losses(self, outputs: Tensor) -> Tensor:
        """The loss of each step of each sequence, (T, B), zero where the mask is False; outputs (T, B, o)."""
        losses = self.loss(outputs, self.targets)
        return losses if self.mask is None else losses * self.mask

    def mean_loss(self, outputs: Tensor) -> Tensor:
        """The mean loss over the targets, a scalar; outputs (T, B, o). Zero where there is no target."""
        return self.losses(outputs).sum() / max(self.total, 1)

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> "Batch":
        """The same batch elsewhere; dtype changes inputs and real-valued targets, never class numbers."""
        real = dtype if self.targets.is_floating_point() else None
        return replace(
            self,
            inputs=self.inputs.to(device=device, dtype=dtype),
            targets=self.targets.to(device=device, dtype=real),
            mask=None if self.mask is None else self.mask.to(device=device),
        )


@dataclass(frozen=True)
class Metric:
    """What a score measures.

    Attributes:
        name: "cross-entropy (nats)", "NMSE", "accuracy".
        better: whether a lower or a higher score is the better one.
    """

    name: str
    better: Literal["lower", "higher"]


@dataclass(frozen=True)
class Reference:
    """A number that gives a score its meaning.

    Attributes:
        name: who scores it: "memoryless", "AR(9)".
        value: the score on the test data, in the task's metric.
        kind: floor: reached without learning any dependency; baseline: a classical method; optimum: the best possible.
        source: where the number comes from: a formula, a fit, a paper.
        free: the score free-running over the task's horizon; None where the reference has no such form.
        by_lead: the same for each step ahead by itself, 1 … horizon.
    """

    name: str
    value: float
    kind: Literal["floor", "baseline", "optimum"]
    source: str
    free: float | None = None
    by_lead: tuple[float, ...] = ()


class Task(ABC):
    """What a network learns. A subclass's constructor takes the task's own parameters, annotated.

    Class attributes:
        metric: what `score` returns.
        feedback: how the task can be run in a closed loop: its last o inputs are the target of the step before, as it
            is ("real") or one-hot ("symbol"), and a network's own output may stand there. None: it can't.
        own_cell: the name of the recurrent cell that the task brings; empty where any cell serves.

    Attributes:
        input_size: m.
        output_size: o.
        horizon: the steps of free running that are scored; 0 without feedback.
    """

    metric: ClassVar[Metric]
    feedback: ClassVar[Literal["real", "symbol"] | None] = None
    own_cell: ClassVar[str] = ""
    input_size: int
    output_size: int
    horizon: int = 0

    @abstractmethod
    def sample(self, batch_size: int, *, generator: torch.Generator) -> Batch:
        """A fresh training batch of `batch_size` sequences, drawn from `generator` alone; float32, on the CPU."""

    @abstractmethod
    def validation(self) -> Batch:
        """The fixed data on which hyperparameters are chosen; the same at every call, never seen in training."""

    @abstractmethod
    def test(self) -> Batch:
        """The fixed data that a table reports; the same at every call, never seen in training or choosing."""

    @abstractmethod
    def score(self, outputs: Tensor, batch: Batch) -> float:
        """The metric of outputs (T, B, o) on a batch."""

    @abstractmethod
    def references(self) -> list[Reference]:
        """Floors (at least one), baselines and optima on the test data."""

    def batches(self, batch_size: int, *, generator: torch.Generator) -> Iterator[Batch]:
        """Training batches without end. A stream overrides it and marks the batches that continue the previous one."""
        while True:
            yield self.sample(batch_size, generator=generator)

    def make_network(
        self, cell: str, *, hidden_size: int, seed: int, dtype: torch.dtype, device: str | torch.device
    ) -> Network:
        """A fresh network for this task; a task that puts something inside the loop, or brings its cell, overrides it.

        Args:
            cell: the cell's name; `own_cell` where the task brings one.
            hidden_size: n.
            seed: of the initial parameters.
            dtype: of all parameters.
            device: where they live.
        """
        sizes = {"input_size": self.input_size, "hidden_size": hidden_size, "output_size": self.output_size}
        return make_network(cell, **sizes, seed=seed, dtype=dtype, device=device)

    def checksum(self) -> str:
        """The sha256 of the data file that the task reads; empty for generated data."""
        return ""

    @classmethod
    def available(cls) -> tuple[bool, str]:
        """Whether the task can run on this machine, and if not, why and what to install."""
        return True, ""
