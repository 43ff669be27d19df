"""What an executor is: jobs in, records out, and nothing of where the records are kept.

Which machines there are, what waits, and what is tried again when one is lost, is the engine's affair behind it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .job import Job, Progress, R

Running = list[tuple[Job[Any], Progress | None]]
"""What runs now, and how far it is."""

OnPoll = Callable[[Running, int | None], None]
"""Is called now and then with what is known to run, and with the workers alive; None: they are this process's own."""


class Executor(ABC):
    """Where jobs are executed. Used as a context: it may hold machines from its first job to the block's end.

    Attributes:
        here: whether its workers are all on this machine, whose devices and kernels are then theirs.
    """

    here = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027 (this machine holds nothing)
        """Let go of what it holds; what waits for a worker is cancelled."""

    @abstractmethod
    def execute(self, jobs: Iterable[Job[R]], *, notes: Path, on_poll: OnPoll) -> Generator[R, None, None]:
        """Give each record as soon as its job ends, in any order.

        Args:
            jobs: what to do; each becomes one record, however it ends.
            notes: an empty folder in the results directory, for what is of no use afterwards.
            on_poll: told of the progress.

        Raises:
            BadInput: no worker can do them; the records of what had ended were given before.
        """

    @abstractmethod
    def __str__(self) -> str:
        """Where it is, in a few words: "4 at a time"."""
