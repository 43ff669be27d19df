"""The contract of a task: batches to learn from, fixed data to judge on, and the numbers that give scores a meaning."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from throughtime.networks import Network, make_network
from throughtime.parts import BadInput
from throughtime.parts.defaults import run_with_fresh_defaults

Loss = Callable[[Tensor, Tensor], Tensor]
"""From outputs (T, B, o) and targets (T, B, ...) to the loss of every step of every sequence, (T, B).

Each step's loss is a function of that step's output and target alone: where no target counts, both are replaced. A loss
that looks at whole sequences overrides `Batch.losses`.
"""


@dataclass(frozen=True)
class Batch:
    """B sequences of T steps, time-major.

    Attributes:
        inputs: (T, B, m).
        targets: (T, B, o) real values, or (T, B) class numbers; where the mask is False anything may stand.
        loss: the loss of each step of each sequence.
        mask: (T, B) True where a target counts; None where all do.
        continues: this batch goes on where the stream's previous batch ended, so its carry is to be used.
    """

    inputs: Tensor
    targets: Tensor
    loss: Loss
    mask: Tensor | None = None
    continues: bool = False

    def __post_init__(self) -> None:
        steps, mask = self.inputs.shape[:2], self.mask
        fits = self.inputs.dim() == 3 and 0 not in steps and self.targets.shape[:2] == steps
        if not fits or not (mask is None or (mask.shape == steps and mask.dtype == torch.bool)):
            raise BadInput(_misfit(self.inputs, self.targets, mask))

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
        # Not by `replace`: an algorithm cuts one out at every step, and neither sizes nor counts are to be found anew.
        window = object.__new__(type(self))
        vars(window).update(
            vars(self),
            inputs=self.inputs[start:stop],
            targets=self.targets[start:stop],
            mask=None if self.mask is None else self.mask[start:stop],
            counts=self.counts[start:stop],
        )
        vars(window).pop("total", None)
        return window

    def with_inputs(self, inputs: Tensor) -> "Batch":
        """The same targets for other inputs, (T, B, …)."""
        return replace(self, inputs=inputs).counted(self.counts)

    def counted(self, counts: list[int]) -> "Batch":
        """Itself, its targets at each step being known: to count them on a GPU would have to be waited for."""
        vars(self)["counts"] = counts
        return self

    def losses(self, outputs: Tensor) -> Tensor:
        """The loss of each step of each sequence, (T, B), zero where the mask is False; outputs (T, B, o)."""
        if self.mask is None or self.total == self.mask.numel():
            return self._loss(outputs, self.targets)
        if not self.total:
            return torch.where(self.mask, outputs.sum(dim=-1), 0.0)
        # Chosen away before the loss and not multiplied by 0 after it: an infinite loss or slope times 0 is NaN. What
        # stands there instead is a step that counts, at which the loss is as well behaved as at all that matters.
        t = next(t for t, count in enumerate(self.counts) if count)
        b = self.mask[t].byte().argmax()[None]  # as a tensor: a number would have to be waited for
        outputs = torch.where(self.mask[..., None], outputs, outputs[t].index_select(0, b).detach())
        mask = self.mask.reshape(*self.mask.shape, *[1] * (self.targets.dim() - 2))
        targets = torch.where(mask, self.targets, self.targets[t].index_select(0, b))
        return torch.where(self.mask, self._loss(outputs, targets), 0.0)

    def _loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        losses = self.loss(outputs, targets)
        if losses.shape != targets.shape[:2]:
            raise BadInput(
                f"a loss gives each step of each sequence its own, (T, B) = {tuple(targets.shape[:2])}; got "
                f"{tuple(losses.shape)}: average over a target's components, never over time or batch"
            )
        return losses

    def target_losses(self, outputs: Tensor) -> Tensor:
        """The losses of the targets alone, (total,), in order of time, sequence after sequence; outputs (T, B, o)."""
        losses = self.losses(outputs).T
        return losses.flatten() if self.mask is None else losses[self.mask.T]

    def mean_loss(self, outputs: Tensor) -> Tensor:
        """The mean loss over the targets, a scalar; outputs (T, B, o). Zero where there is no target."""
        return self.losses(outputs).sum() / max(self.total, 1)

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> "Batch":
        """The same batch elsewhere; dtype changes inputs and real-valued targets, never class numbers."""
        real = dtype if self.targets.is_floating_point() else None
        there = replace(
            self,
            inputs=self.inputs.to(device=device, dtype=dtype),
            targets=self.targets.to(device=device, dtype=real),
            mask=None if self.mask is None else self.mask.to(device=device),
        )
        return there.counted(self.counts)


def _misfit(inputs: Tensor, targets: Tensor, mask: Tensor | None) -> str:
    """Why no batch can be made of these, and what to do."""
    if inputs.dim() != 3:
        return f"a batch's inputs are (T, B, m), of T steps and B sequences; got {tuple(inputs.shape)}"
    T, B, _ = inputs.shape
    if not T or not B:
        return f"a batch has at least one step and one sequence; got inputs (T, B, m) of {tuple(inputs.shape)}"
    if targets.shape[:2] != (T, B):
        turned = targets.shape[:2] == (B, T)
        return (
            f"a batch's inputs (T, B, m) and targets (T, B, …) share their T steps and B sequences, time first; got "
            f"{tuple(inputs.shape)} and {tuple(targets.shape)}"
            + ("; one of them has its sequences first: transpose(0, 1)" if turned else "")
        )
    assert mask is not None
    return (
        f"a batch's mask is bool and (T, B), True where a target counts: bool {(T, B)} here; got "
        f"{str(mask.dtype).removeprefix('torch.')} {tuple(mask.shape)}; use mask.bool() and expand it to all sequences"
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
        losses: of the targets of the test data, as `Batch.target_losses`; empty where they are not known.
    """

    name: str
    value: float
    kind: Literal["floor", "baseline", "optimum"]
    source: str
    free: float | None = None
    by_lead: tuple[float, ...] = ()
    losses: tuple[float, ...] = ()


class Task(ABC):
    """What a network learns. A subclass's constructor takes the task's own parameters, annotated.

    Class attributes:
        metric: what `score` returns.
        feedback: how the task can be run in a closed loop: its last o inputs are the target of the step before, as it
            is ("real") or one-hot ("symbol"), and a network's own output may stand there. None: it can't.
        own_cell: the name of the recurrent cell that the task brings; empty where any cell serves.
        small_test: the test data is a sample so small that a verdict needs its error: the losses of its targets are
            kept.

    Attributes:
        input_size: m.
        output_size: o.
        horizon: the steps of free running that are scored; 0 without feedback.
    """

    metric: ClassVar[Metric]
    feedback: ClassVar[Literal["real", "symbol"] | None] = None
    own_cell: ClassVar[str] = ""
    small_test: ClassVar[bool] = False
    input_size: int
    output_size: int
    horizon: int = 0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """A task's data is the same whatever torch's global settings are."""
        super().__init_subclass__(**kwargs)
        judged = ("validation", "test", "references")
        run_with_fresh_defaults(cls, "__init__", "sample", "batches", *judged, "make_network")

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

    def fold(self, number: int) -> "Task":
        """The task as it is tuned on by one seed: with other data to choose on, and none of it to learn from.

        Where there is too little validation data to rank by, each tuning seed chooses on other data. Its test data is
        the same, and not asked for.

        Args:
            number: of the tuning seed, 0 and up.

        Returns:
            The task itself: its validation data is large enough for all.
        """
        return self

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
