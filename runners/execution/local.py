"""The executor of this machine: jobs in, records out, by worker processes with one torch thread each."""

import multiprocessing
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, wait
from concurrent.futures import TimeoutError as DeadlineExceeded
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pebble

from . import worker
from .job import Job, Progress, R
from .worker import death, noted, one_line

POLL_SECONDS = 0.2

OnPoll = Callable[[list[tuple[Job[Any], Progress | None]]], None]


def execute(
    jobs: Iterable[Job[R]], *, workers: int, notes: Path, on_poll: OnPoll = lambda running: None
) -> Generator[R, None, None]:
    """Execute jobs side by side, and give each record as soon as its job ends.

    Args:
        jobs: what to do; started in this order, those of plugins last.
        workers: processes at a time.
        notes: an empty folder, where each job in flight notes how far it is.
        on_poll: called a few times a second with the jobs that are running.
    """
    jobs = list(jobs)
    yield from _in_pool([job for job in jobs if not job.isolated], workers, notes, on_poll)
    yield from _in_pool([job for job in jobs if job.isolated], workers, notes, on_poll, jobs_a_process=1)


def _in_pool(jobs: list[Job[R]], workers: int, notes: Path, on_poll: OnPoll, jobs_a_process: int = 0) -> Iterator[R]:
    if not jobs:
        return
    with worker_pool(min(workers, len(jobs)), jobs_a_process) as pool:
        pending = {pool.schedule(worker.execute, args=(job, str(notes)), timeout=job.deadline): job for job in jobs}
        while pending:
            done, _ = wait(pending, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in [future for future in pending if future in done]:
                job = pending.pop(future)
                yield _record(job, future, noted(notes, job))
            on_poll([(job, noted(notes, job)) for future, job in pending.items() if future.running()])


@contextmanager
def worker_pool(workers: int, jobs_a_process: int = 0) -> Iterator[pebble.ProcessPool]:
    """Processes with one torch thread each, in which what a run needs is imported; they end with this block.

    Args:
        workers: processes at a time.
        jobs_a_process: after so many a process is replaced by a fresh one; 0: never.
    """
    pool = pebble.ProcessPool(
        max_workers=workers,
        max_tasks=jobs_a_process,
        context=multiprocessing.get_context("spawn"),
        initializer=worker.start,
    )
    try:
        yield pool
        pool.close()
    except BaseException:
        pool.stop()
        raise
    finally:
        pool.join()


def _record(job: Job[R], future: Any, progress: Progress | None) -> R:
    """The record of a job whose worker returned, overran or died."""
    seen = f", {progress.done:.0%} of its budget used" if progress else ""
    try:
        record: R = future.result()
        return record
    except DeadlineExceeded:
        return job.ended("timeout", f"stopped at its deadline of {job.deadline:g} s{seen}")
    except CancelledError:
        raise
    except pebble.ProcessExpired as error:
        return job.ended("error", f"the worker process {death(error.exitcode)}{seen}")
    except Exception as error:  # the result could not be sent back
        return job.ended("error", one_line(error))
