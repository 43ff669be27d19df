"""In a worker process: one job, to the record of how it ended; every way of ending is a status with a reason."""

import contextlib
import io
import json
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import asdict
from pathlib import Path

from throughtime.parts import Unavailable
from throughtime.parts.text import message, plain
from throughtime.runners.records.kept import Kept
from throughtime.runners.suite.fingerprint import look_again
from throughtime.runners.suite.plugins import load_plugins

from .job import Job, Progress, R

KEPT = 4000
"""Characters of what a run of a plugin prints."""


def start() -> None:
    """Import what a run needs before its deadline starts to count."""
    import torch

    from throughtime.runners.records.machine import compute_in_full_precision
    from throughtime.runners.training import train  # noqa: F401

    torch.set_num_threads(1)
    compute_in_full_precision()
    _begun.append(True)


_begun: list[bool] = []


def in_worker() -> bool:
    """Whether this process is a worker, whose limits are its own affair."""
    return bool(_begun)


def execute(job: Job[R], notes: str) -> R:
    """Do a job; what it raises is told by its record.

    Args:
        job: what to do.
        notes: the folder where it notes how far it is.
    """
    path = Path(notes) / job.key

    def note(progress: Progress) -> None:
        fresh = path.with_suffix(".new")
        with contextlib.suppress(OSError):  # a full disk costs the progress on the screen, and no run
            fresh.write_text(json.dumps(asdict(progress)), encoding="utf-8")
            fresh.replace(path)

    record, printed = job.started(), Tail()
    try:
        with heard(printed) if job.isolated else nullcontext():
            load_plugins(job.files)
            check_code(job)
            job.execute(record, note)
            check_code(job)
    except Unavailable as error:
        record.status, record.reason = "skipped", message(error)
    except BaseException as error:  # Ctrl-C is the parent's: a KeyboardInterrupt in here is the run's own
        fail(record, error)
    record.printed = plain(printed.text)
    return record


def noted(notes: Path, job: Job[R]) -> Progress | None:
    """How far a job is, as its worker noted it; None where it did not yet."""
    try:
        return Progress(**json.loads((notes / job.key).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def check_code(job: Job[R]) -> None:
    """A record must never stand under the key of other code than it was made with."""
    look_again()
    if job.stale:
        raise RuntimeError("the code changed while the suite ran; give the same command again")


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


def fail(record: Kept, error: BaseException) -> None:
    """Give a record the status, the reason and, of what was not to be expected, the traceback of an error."""
    import torch

    record.reason = one_line(error)
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in message(error):
        record.status = "out-of-memory"
    else:
        record.status, record.traceback = "error", plain(traceback.format_exc())


def death(exitcode: int | None) -> str:
    """Say how a process ended that did not return; None: it closed the connection that its result would come by."""
    if exitcode is None:
        return "closed its connection to the suite"
    if exitcode >= 0:
        return f"ended with exit code {exitcode}"
    number = -exitcode
    try:
        name = signal.Signals(number).name
    except ValueError:  # those for real time have numbers alone
        name = f"signal {number}"
    hint = " (often the system's answer to memory running out)" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"


def one_line(error: BaseException) -> str:
    """Its type and the beginning of its message."""
    text = " ".join(message(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
