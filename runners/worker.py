"""Runs in worker processes: one torch thread and one deadline each; every way of ending is a status with a reason."""

import io
import json
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, wait
from concurrent.futures import TimeoutError as DeadlineExceeded
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pebble

from .environment import fingerprint, look_again
from .experiment import RunConfig
from .store import Record

POLL_SECONDS = 0.2

KEPT = 4000
"""Characters of what a run of a plugin prints."""


@dataclass(frozen=True)
class Job:
    """A run to execute.

    Attributes:
        key: the name of its record.
        config: what to run.
        deadline: the seconds after which it is stopped.
        modules: where its code begins, and `data` the checksum of its data: what its key was made from.
        plugins: the modules from outside of throughtime that it uses, with the sha256 of their sources. Where there are
            any, it has a process for itself: they may change what they like in there.
        files: the loose files to load for it.
    """

    key: str
    config: RunConfig
    deadline: float
    modules: tuple[str, ...] = ()
    data: str = ""
    plugins: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Progress:
    """How far a run has come: the share of its budget, steps seen, the latest training loss and validation metric."""

    done: float
    steps: int
    loss: float | None
    metric: float


def execute_all(
    jobs: Iterable[Job],
    workers: int,
    notes: Path,
    on_record: Callable[[Record], None],
    on_poll: Callable[[list[tuple[Job, Progress | None]]], None],
) -> None:
    """Execute jobs side by side.

    Args:
        jobs: what to run; started in this order.
        workers: processes at a time.
        notes: an empty folder, where each run in flight notes how far it is.
        on_record: called in this process with each run's record as soon as it ends.
        on_poll: called a few times a second with the jobs that are running.
    """
    jobs = list(jobs)
    _execute_in_pool([job for job in jobs if not job.plugins], workers, notes, on_record, on_poll)
    _execute_in_pool([job for job in jobs if job.plugins], workers, notes, on_record, on_poll, runs_a_process=1)


def _execute_in_pool(
    jobs: list[Job],
    workers: int,
    notes: Path,
    on_record: Callable[[Record], None],
    on_poll: Callable[[list[tuple[Job, Progress | None]]], None],
    runs_a_process: int = 0,
) -> None:
    if not jobs:
        return
    with worker_pool(min(workers, len(jobs)), runs_a_process) as pool:
        pending = {}
        for job in jobs:
            pending[pool.schedule(_execute, args=(job, str(notes)), timeout=job.deadline)] = job
        while pending:
            done, _ = wait(pending, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in list(pending):
                if future in done:
                    job = pending.pop(future)
                    on_record(_record(job, future, _read(notes, job)))
            on_poll([(job, _read(notes, job)) for future, job in pending.items() if future.running()])


@contextmanager
def worker_pool(workers: int, runs_a_process: int = 0) -> Iterator[pebble.ProcessPool]:
    """Processes with one torch thread each, in which what a run needs is imported; they end with this block.

    Args:
        workers: processes at a time.
        runs_a_process: after so many a process is replaced by a fresh one; 0: never.
    """
    pool = pebble.ProcessPool(
        max_workers=workers,
        max_tasks=runs_a_process,
        context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
    )
    try:
        yield pool
        pool.close()
    except BaseException:
        pool.stop()
        raise
    finally:
        pool.join()


def _start_worker() -> None:
    """Import what a run needs before its deadline starts to count; leave Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    from . import train  # noqa: F401

    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that is killed can't stop its workers, and their results would go nowhere."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _check_code(job: Job) -> None:
    """A record must never stand under the key of other code than it was made with."""
    look_again()
    if job.modules and job.config.key(fingerprint(job.modules, job.data, job.config.device)) != job.key:
        raise RuntimeError("the code changed while the suite ran; give the same command again")


def _execute(job: Job, notes: str) -> dict[str, Any]:
    """In the worker: one run, to the content of its record."""
    from throughtime.networks import Unavailable

    from .plugins import load_plugins
    from .train import Outcome, Point, Trainer

    note = Path(notes) / job.key

    def on_point(point: Point, done: float) -> None:
        fresh = note.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(Progress(done, point.steps, point.loss, point.metric))), encoding="utf-8")
        fresh.replace(note)

    ended: dict[str, Any] = started(job)
    outcome, printed = Outcome(), Tail()
    try:
        with heard(printed) if job.plugins else nullcontext():
            load_plugins(job.files)
            _check_code(job)
            trainer = Trainer(job.config)
            outcome = trainer.outcome
            trainer.run(on_point)
            _check_code(job)
        ended |= {"status": outcome.status, "reason": outcome.reason}
    except Unavailable as error:
        ended |= {"status": "skipped", "reason": str(error)}
    except (Exception, SystemExit) as error:
        ended |= failure(error)
    return {**ended, "printed": printed.text, **_measured(outcome)}


def started(job: Job) -> dict[str, Any]:
    """What a job's record has from the start."""
    return {
        "key": job.key,
        "config": job.config.model_dump(),
        "deadline": job.deadline,
        "plugins": dict(job.plugins),
    }


class Tail(io.TextIOBase):
    """A file for text that keeps the end of it: a plugin may print megabytes."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        """Keep the last `KEPT` characters."""
        self.text = (self.text + text)[-KEPT:]
        return len(text)


@contextmanager
def heard(tail: Tail) -> Iterator[None]:
    """What is printed in this block goes to the tail."""
    with redirect_stdout(tail), redirect_stderr(tail):
        yield


def failure(error: BaseException) -> dict[str, str]:
    """The status, the reason and, of what was not to be expected, the traceback."""
    import torch

    out = isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
    ended = {"status": "out-of-memory" if out else "error", "reason": one_line(error)}
    return ended if out else {**ended, "traceback": traceback.format_exc()}


def _measured(outcome: Any) -> dict[str, Any]:
    values = asdict(outcome)
    counts = values.pop("counts") or {}
    del values["status"], values["reason"]
    return {**values, **counts}


def _record(job: Job, future: Any, progress: Progress | None) -> Record:
    """The record of a job whose worker returned, overran or died."""
    seen = f", {progress.done:.0%} of its budget used" if progress else ""
    try:
        return Record.model_validate(future.result())
    except DeadlineExceeded:
        reason = f"stopped at its deadline of {job.deadline:g} s{seen}"
        return Record.model_validate({**started(job), "status": "timeout", "reason": reason})
    except CancelledError:
        raise
    except pebble.ProcessExpired as error:
        reason = f"the worker process {death(error.exitcode)}{seen}"
        return Record.model_validate({**started(job), "status": "error", "reason": reason})
    except Exception as error:  # the result could not be sent back
        return Record.model_validate({**started(job), "status": "error", "reason": one_line(error)})


def death(exitcode: int | None) -> str:
    """Say how a process ended that did not return."""
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        hint = " (often the system's answer to memory running out)" if name == "SIGKILL" else ""
        return f"was killed by {name}{hint}"
    return f"ended with exit code {exitcode}"


def _read(notes: Path, job: Job) -> Progress | None:
    try:
        return Progress(**json.loads((notes / job.key).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def one_line(error: BaseException) -> str:
    """Its type and the beginning of its message."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
