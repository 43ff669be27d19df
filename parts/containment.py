"""Code of others, looked at: importing a plugin or building a part of it must never take the suite along.

A run executes in a process of its own, with a deadline. What has to happen outside of runs (finding a class, building
one to read its promises) happens in here: whatever it raises, an endless loop too, becomes one error that names it.
"""

import contextlib
import io
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from . import process
from .errors import BadInput, Broken, Unavailable

SECONDS = 20.0
"""More than any import of a plugin needs, torch being loaded already."""


class _TooLong(BaseException):
    """Not an `Exception`, which a plugin may catch."""


@contextmanager
def contained(subject: str, seconds: float | None = None) -> Iterator[None]:
    """Run code of others: errors, exits and overrunning become `Broken`, and what it prints is dropped.

    Settings of the process that it changes are put back: the next part is to find what this one found. Functions of
    torch, numpy or throughtime that it replaces are put back too, and are `Broken`: the part counts on them.

    Args:
        subject: what is being done, as the message begins.
        seconds: the time it has, `SECONDS` by default; only a main thread on a system with alarms is held to it.
    """
    seconds = SECONDS if seconds is None else seconds
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            _undone(subject),
            _limit(seconds),
        ):
            yield
    except (BadInput, Unavailable, Broken):
        raise
    except _TooLong as error:
        raise Broken(f"{subject} took longer than {seconds:g} s{place(error)}") from None
    except (Exception, SystemExit) as error:
        raise Broken(f"{subject} failed{place(error)}: {type(error).__name__}: {error}") from error


@contextmanager
def _undone(subject: str) -> Iterator[None]:
    before, names = process.state(), process.names_in_use()
    replaced: list[str] = []
    try:
        yield
    finally:
        replaced = process.put_names_back(names)  # first: what is read next may be among them
        process.restore(before)
    if replaced:
        more = f" and {len(replaced) - 3} more" if len(replaced) > 3 else ""
        raise Broken(
            f"{subject} replaced {', '.join(replaced[:3])}{more}, which every other part computes with; it was put "
            "back: call a function of your own in place of it"
        )


def place(error: BaseException) -> str:
    """Where in code that is neither Python's nor an installed library's an error arose: `` (file, line 3)``."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}, line {error.lineno})"
    libraries = (sys.prefix, sys.base_prefix, "<frozen")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)[1:] if frame.filename != __file__]
    own = [frame for frame in frames if not frame.filename.startswith(libraries)] or frames
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


@contextmanager
def _limit(seconds: float) -> Iterator[None]:
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise _TooLong

    handler = signal.signal(signal.SIGALRM, stop)
    left, again = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, left, again)
