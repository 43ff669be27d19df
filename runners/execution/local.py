"""The executor of this machine: jobs in, records out, by worker processes with one torch thread each."""

import os
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from throughtime.parts import BadInput

from . import worker
from .executor import Executor, OnPoll
from .job import Job, Progress, R
from .pool import Died, Overran, Pool, Raised, Stopped
from .worker import noted

POLL_SECONDS = 0.2

AHEAD = 2
"""So many jobs for each worker are in the pool: none waits for work, and no result is looked for among thousands."""


class Local(Executor):
    """Processes of this machine.

    Args:
        workers: processes at a time; 0: the cores that this process may use, or one on a GPU.
        device: "cpu" or "cuda".
    """

    here = True

    def __init__(self, workers: int = 0, device: str = "cpu") -> None:
        self.workers = workers or default_workers(device)

    def execute(self, jobs: Iterable[Job[R]], *, notes: Path, on_poll: OnPoll) -> Generator[R, None, None]:
        """By processes of its own."""
        return execute(jobs, workers=self.workers, notes=notes, on_poll=on_poll)

    def __str__(self) -> str:
        return f"{self.workers} at a time"


def default_workers(device: str) -> int:
    """The cores that this process may use; one on a GPU, which runs would share."""
    if device == "cuda":
        return 1
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def execute(
    jobs: Iterable[Job[R]], *, workers: int, notes: Path, on_poll: OnPoll = lambda running, workers: None
) -> Generator[R, None, None]:
    """Execute jobs side by side, and give each record as soon as its job ends.

    Args:
        jobs: what to do; started in this order, those of plugins last.
        workers: processes at a time.
        notes: an empty folder, where each job in flight notes how far it is.
        on_poll: called a few times a second with the jobs that are running.

    Raises:
        BadInput: no worker can be started; the records of what had ended were given before.
    """
    jobs = list(jobs)
    yield from _in_pool([job for job in jobs if not job.isolated], workers, notes, on_poll)
    yield from _in_pool([job for job in jobs if job.isolated], workers, notes, on_poll, jobs_a_process=1)


def _in_pool(jobs: list[Job[R]], workers: int, notes: Path, on_poll: OnPoll, jobs_a_process: int = 0) -> Iterator[R]:
    if not jobs:
        return
    with worker_pool(min(workers, len(jobs)), jobs_a_process) as pool:
        pending: dict[Future[Any], Job[R]] = {}
        waiting = iter(jobs)
        while True:
            for job in islice(waiting, AHEAD * workers - len(pending)):
                pending[pool.schedule(worker.execute, args=(job, str(notes)), timeout=job.deadline)] = job
            if not pending:
                return
            done, _ = wait(pending, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            broken: BaseException | None = None
            for future in [future for future in pending if future in done]:
                job = pending.pop(future)
                try:
                    record = record_of(job, future, noted(notes, job))
                except BadInput as error:  # no worker can be started: told once, when what did end is kept
                    broken = error
                else:
                    yield record
            if broken is not None:
                raise broken
            on_poll([(job, noted(notes, job)) for future, job in pending.items() if future.running()], None)


@contextmanager
def worker_pool(workers: int, jobs_a_process: int = 0) -> Iterator[Pool]:
    """Processes with one torch thread each, in which what a run needs is imported; they end with this block.

    Args:
        workers: processes at a time.
        jobs_a_process: after so many a process is replaced by a fresh one; 0: never.
    """
    pool = Pool(workers, jobs_a_process)
    try:
        yield pool
    finally:
        pool.close()


def record_of(job: Job[R], future: Any, progress: Progress | None) -> R:
    """The record of a job whose worker returned, overran or died; what is nobody's fault but the pool's is raised."""
    seen = f", {progress.done:.0%} of its budget used" if progress else ""
    try:
        record: R = future.result()
        return record
    except Overran:
        return job.ended("timeout", f"stopped at its deadline of {job.deadline:g} s{seen}")
    except (Died, Stopped) as error:  # an error is tried again: with another worker it may end well
        return job.ended("error", f"{error}{seen}")
    except Raised as error:  # the result could not be sent back
        return job.ended("error", str(error))
