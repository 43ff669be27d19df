"""A request to end, by SIGTERM or by a terminal that is gone, is an exception: what is open is closed on its way."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NAMES = ("SIGTERM", "SIGHUP")

AT_ONCE = 10.0
"""Seconds in which a second request is the first once more: `timeout` sends two, and cleaning up must not be cut."""


class Terminated(BaseException):
    """Not an `Exception`, which would be taken for one of the code that runs. `str` gives the signal's name."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def terminations() -> Iterator[None]:
    """In this block requests to end raise `Terminated` in the main thread, which must be the one that calls.

    One that is not handled inside ends the process with a line and its exit code. A signal that is ignored, as `nohup`
    has it, stays ignored. Processes started inside are not concerned.
    """
    last = -AT_ONCE

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= AT_ONCE:
            last = now
            raise Terminated(number)

    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]  # not every system has all
    changed = {number: end for number in numbers if signal.getsignal(number) is signal.SIG_DFL}
    for number in changed:
        signal.signal(number, end)
    try:
        yield
    except Terminated as error:
        print(f"throughtime: ended by {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)
