"""A job: one thing for a worker to do, and the record that it becomes, however it ends."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeVar

from throughtime.parts.text import plain
from throughtime.runners.records.kept import Kept
from throughtime.runners.records.machine import arithmetic, machine
from throughtime.runners.records.record import Point, Record
from throughtime.runners.suite.config import RunConfig
from throughtime.runners.suite.fingerprint import Code, key_of

R = TypeVar("R", bound=Kept)


class Settings(Protocol):
    """What a job is to do: a frozen pydantic model."""

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Where it is done."""

    def model_dump(self) -> dict[str, object]:
        """All of it, for the key."""


@dataclass(frozen=True)
class Progress:
    """How far a job has come: the share of its budget, steps seen, the latest training loss and validation metric."""

    done: float
    steps: int
    loss: float | None
    metric: float


Note = Callable[[Progress], None]


@dataclass(frozen=True)
class Job(ABC, Generic[R]):
    """One thing to execute.

    Attributes:
        key: the name of its record, made of all that its numbers depend on.
        deadline: the seconds after which it is stopped.
        code: what the key was made of besides the settings.
        files: the loose files to load for it. Where its code has parts of plugins it has a process for itself: they may
            change what they like in there.
        arithmetic: what the key was made of of the machine; empty: the one that the job is done on.
    """

    key: str
    deadline: float
    code: Code
    files: tuple[str, ...]
    arithmetic: str = field(default="", kw_only=True)

    @property
    @abstractmethod
    def settings(self) -> Settings:
        """What is to be done."""

    @abstractmethod
    def started(self) -> R:
        """Its record when nothing has happened yet."""

    @abstractmethod
    def execute(self, record: R, note: Note) -> None:
        """In a worker: do it, fill the record, and tell now and then how far it is."""

    def ended(self, status: Literal["timeout", "error", "skipped"], reason: str) -> R:
        """Its record where no worker gave one."""
        return self.started().model_copy(update={"status": status, "reason": plain(reason)})

    @property
    def isolated(self) -> bool:
        """Whether code of others takes part in it."""
        return bool(self.code.plugins)

    @property
    def stale(self) -> bool:
        """Whether the key is not that of the code as it is now: no record may stand under it then."""
        on = self.arithmetic or arithmetic(self.settings.device)
        return self.key != key_of(self.settings.model_dump(), self.code.fingerprint(on))

    def __str__(self) -> str:
        return str(self.settings)


@dataclass(frozen=True)
class RunJob(Job[Record]):
    """A training run of a suite."""

    config: RunConfig

    @property
    def settings(self) -> Settings:
        """The run's."""
        return self.config

    def started(self) -> Record:
        """With what is known before."""
        here = machine(self.config.device)
        return Record(key=self.key, config=self.config, deadline=self.deadline, plugins=self.code.plugins, machine=here)

    def execute(self, record: Record, note: Note) -> None:
        """Train."""
        from throughtime.runners.training.train import Trainer

        def on_point(point: Point, done: float) -> None:
            note(Progress(done, point.steps, point.loss, point.metric))

        Trainer(self.config, record).run(on_point)
