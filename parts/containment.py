"""Code of others, looked at: importing a plugin or building a part of it must never take the suite along.

A run executes in a process of its own, with a deadline. What has to happen outside of runs (finding a class, building
one to read its promises) happens in here: whatever it raises, an endless loop too, becomes one error that names it.
"""

import contextlib
import faulthandler
import io
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from . import process
from .errors import BadInput, Broken, Unavailable
from .text import message, plain

SECONDS = 20.0
"""More than any import of a plugin needs, torch being loaded already."""

_TICKS, _TRIES = 20, 20
"""Alarms within the time that code of others has, and after it, before the process is given up."""

_GAP = 5
"""Alarms that may be late: more were lost while the whole process stood still, which is nobody's fault."""


_HELD = 10
"""As many times what it has, spent in C code that does not let Python look up once, and the process is ended."""

now = time.monotonic


class _TooLong(BaseException):
    """Not an `Exception`, which a plugin may catch."""


@contextmanager
def contained(subject: str, seconds: float | None = None) -> Iterator[None]:
    """Run code of others: errors, exits and overrunning become `Broken`, and what it prints is dropped.

    Settings of the process that it changes are put back: the next part is to find what this one found. Functions of
    torch, numpy or throughtime that it replaces are put back too, and are `Broken`: the part counts on them. A Ctrl-C
    of the user goes on as one, a `KeyboardInterrupt` that the code raises itself does not.

    Args:
        subject: what is being done, as the message begins.
        seconds: the time it has, `SECONDS` by default; only a main thread on a system with alarms is held to it. Code
            that goes on even so, since it catches whatever is raised in it or never comes back from C code, ends the
            process, with a word on where it was.
    """
    seconds = SECONDS if seconds is None else seconds
    with _interruptible():
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
                _undone(subject),
                _limit(subject, seconds),
            ):
                yield
        except (BadInput, Unavailable, Broken):
            raise
        except _TooLong as error:
            raise Broken(plain(f"{subject} took longer than {seconds:g} s{place(error)}")) from None
        except BaseException as error:
            words = f"{subject} failed{place(error)}: {type(error).__name__}: {message(error)}"
            raise Broken(plain(words.removesuffix(": "))) from error


@contextmanager
def _interruptible() -> Iterator[None]:
    """A Ctrl-C in this block is raised after it, whatever became of it inside."""
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupts: list[KeyboardInterrupt] = []

    def hear(number: int, frame: FrameType | None) -> None:
        try:
            before(number, frame)
        except KeyboardInterrupt as interrupt:
            interrupts.append(interrupt)
            raise

    signal.signal(signal.SIGINT, hear)
    try:
        yield
    except BaseException:
        if interrupts:
            raise interrupts[0] from None
        raise
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupts:
        raise interrupts[0]


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
def _limit(subject: str, seconds: float) -> Iterator[None]:
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    interval = seconds / _TICKS
    spent, tries, last = 0.0, 0, now()

    def tick(number: int, frame: FrameType | None) -> None:
        nonlocal spent, tries, last
        faulthandler.dump_traceback_later(_HELD * seconds, exit=True, file=2)  # begins anew
        at = now()
        spent, last = spent + min(at - last, _GAP * interval), at
        # What puts things in order after the code must not be interrupted.
        if spent < seconds or frame is None or frame.f_code.co_filename in (__file__, contextlib.__file__):
            return
        tries += 1
        if tries > _TRIES:
            _give_up(subject, seconds, frame)
        raise _TooLong

    handler = signal.signal(signal.SIGALRM, tick)
    left, again = signal.setitimer(signal.ITIMER_REAL, interval, interval)
    faulthandler.dump_traceback_later(_HELD * seconds, exit=True, file=2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, left, again)


def _give_up(subject: str, seconds: float, frame: FrameType) -> None:
    """End the process: nothing in it can stop code that catches whatever is raised in it, and goes on."""
    at = f"{frame.f_code.co_filename}, line {frame.f_lineno}"
    words = (
        f"{subject} took longer than {seconds:g} s ({at}) and catches what would stop it: leave the code out or mend it"
    )
    os.write(2, f"throughtime: {plain(words)}\n".encode(errors="replace"))
    os._exit(2)
