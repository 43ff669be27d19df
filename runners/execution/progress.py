"""How far a list of jobs is, runs or measurements: live bars on a terminal, a plain line now and then in a log."""

import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from throughtime.runners.records.kept import Kept

from .executor import Running
from .job import Progress as RunProgress

QUIET_SECONDS = 10.0
"""In a log, the least time between two lines of progress; failures are printed at once."""


class Reporter(Protocol):
    """Who is told of what happens."""

    def start(self, title: str, total: int, unit: str = "") -> None:
        """A phase of `total` jobs begins, which are called what they usually are, or by a unit of their own."""

    def advance(self) -> None:
        """A job ended of which there is no record."""

    def ended(self, record: Kept) -> None:
        """A job ended."""

    def running(self, jobs: Running, workers: int | None = None) -> None:
        """What is running now, and how many workers are alive; None: that goes without saying."""


class Silent:
    """Tells nobody."""

    def start(self, title: str, total: int, unit: str = "") -> None:
        """Nothing."""

    def advance(self) -> None:
        """Nothing."""

    def ended(self, record: Kept) -> None:
        """Nothing."""

    def running(self, jobs: Running, workers: int | None = None) -> None:
        """Nothing."""


class Estimate:
    """Time left, from the rate at which the jobs of a phase have ended and how far the running ones are."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.ended = 0
        self.workers: int | None = None
        self._start = time.monotonic()

    def left(self, running: list[RunProgress | None]) -> str:
        """Say "about 40 s left", or nothing while there is too little to go by; of workers elsewhere how they do."""
        done = self.ended + sum(progress.done for progress in running if progress)
        elapsed = time.monotonic() - self._start
        alive = [] if self.workers is None else [f"{self.workers} worker{'' if self.workers == 1 else 's'}"]
        if done < 1 or elapsed < 2:
            return ", ".join(alive)
        if alive:
            return f"{alive[0]}, {60 * done / elapsed:.0f} a minute, {self._time(done, elapsed)}"
        return self._time(done, elapsed)

    def _time(self, done: float, elapsed: float) -> str:
        seconds = elapsed / done * max(self.total - done, 0)
        return f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {seconds:.0f} s left"


class Lines:
    """Plain lines for a log: progress at most every ten seconds, and each job that did not end well.

    Args:
        console: where to.
        unit: what the jobs are called.
    """

    def __init__(self, console: Console, unit: str = "runs") -> None:
        self.console, self.unit = console, unit
        self._estimate = Estimate(0)
        self._last = 0.0
        self._running: list[RunProgress | None] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing is left to be put away."""

    def start(self, title: str, total: int, unit: str = "") -> None:
        """One line."""
        self._estimate, self._last, self._title = Estimate(total), time.monotonic(), title
        self._unit = unit or self.unit
        self._print(f"{title}: {total} {self._unit}")

    def ended(self, record: Kept) -> None:
        """A line if the last one is long ago, or the job did not end well."""
        if record.status != "done":
            self._print(f"  {_in_words(record)}")
        self.advance()

    def advance(self) -> None:
        """One further; a line if the last one is long ago."""
        self._estimate.ended += 1
        now = time.monotonic()
        if now - self._last >= QUIET_SECONDS or self._estimate.ended == self._estimate.total:
            self._last = now
            left = self._estimate.left(self._running) if self._estimate.ended < self._estimate.total else "complete"
            ended = f"{self._estimate.ended}/{self._estimate.total} {self._unit}"
            self._print(f"  {self._title}: {ended}, {left}".rstrip(", "))

    def running(self, jobs: Running, workers: int | None = None) -> None:
        """Remembered for the estimate."""
        self._running, self._estimate.workers = [progress for _, progress in jobs], workers

    def _print(self, text: str) -> None:
        self.console.print(text, soft_wrap=True, highlight=False, markup=False)


class Bars:
    """Live bars on a terminal: the phase, and each job in progress, a run with its loss so far."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            transient=True,
        )
        self._phase: TaskID | None = None
        self._runs: dict[str, TaskID] = {}
        self._estimate = Estimate(0)
        self._progress: list[RunProgress | None] = []

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.progress.stop()

    def start(self, title: str, total: int, unit: str = "") -> None:
        """A bar for the phase, in place of the last one."""
        for task in (self._phase, *self._runs.values()):
            if task is not None:
                self.progress.remove_task(task)
        self._runs, self._estimate, self._progress = {}, Estimate(total), []
        self._phase = self.progress.add_task(title, total=total, note="")

    def ended(self, record: Kept) -> None:
        """One further; a line above the bars if it did not end well."""
        if record.status != "done":
            self.progress.console.print(_in_words(record), style="yellow", highlight=False, markup=False)
        self.advance()

    def advance(self) -> None:
        """One further."""
        self._estimate.ended += 1
        if self._phase is not None:
            self.progress.update(self._phase, advance=1, note=self._estimate.left(self._progress))

    def running(self, jobs: Running, workers: int | None = None) -> None:
        """A bar for each job in progress, which goes to and fro until it tells how far it is."""
        for key in set(self._runs) - {job.key for job, _ in jobs}:
            self.progress.remove_task(self._runs.pop(key))
        for job, progress in jobs:
            if job.key not in self._runs:
                self._runs[job.key] = self.progress.add_task(f"  {job}", total=None, note="")
            if progress:
                loss = f"loss {progress.loss:.4g}" if progress.loss is not None else f"score {progress.metric:.4g}"
                self.progress.update(self._runs[job.key], total=100, completed=round(100 * progress.done), note=loss)
        self._progress, self._estimate.workers = [progress for _, progress in jobs], workers
        if self._phase is not None:
            self.progress.update(self._phase, note=self._estimate.left(self._progress))


def shown_on(console: Console, unit: str) -> Bars | Lines:
    """Bars where there is a terminal, else lines that call the jobs by their unit."""
    return Bars(console) if console.is_terminal else Lines(console, unit)


def _in_words(record: Kept) -> str:
    return f"{record.status}: {record.subject} ({record.reason})"
