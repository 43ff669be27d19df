"""One worker process as its parent sees it: started, given work, listened to, killed."""

import contextlib
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import psutil

from . import child
from .child import LENGTH, message

W = TypeVar("W")

_LAST_WORD = 1.0
"""Seconds from the end of a process's connection to its own."""

_LAST_WAIT = 5.0
"""Seconds for a killed process to be gone: one that waits in the kernel for a disk may take longer, and is let be."""


class Process(Generic[W]):
    """A process that was just started.

    Attributes:
        state: "given": work was sent to it, which it did not take up yet.
        work: what it has, sent or taken up.
        done: how much work it has finished.
        spent: the seconds since its state changed, without those in which it, or the whole machine, stood still.
        stood_still: the seconds in which something had stopped it.
        closed: whether it closed its end of the connection, or sent what nobody can read.

    Raises:
        OSError: the system gives no process, no memory or no file descriptor.
    """

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair()
        flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        script = str(Path(child.__file__))
        try:
            self._process = subprocess.Popen(
                [sys.executable, *flags, script, str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # A set of words has one order in all of them: what is drawn in it depends on no process.
                env={**os.environ, "PYTHONHASHSEED": "0"},
            )
        except BaseException:
            self.socket.close()
            raise
        finally:
            theirs.close()
        self.socket.setblocking(False)
        self._received = bytearray()
        self._state: Literal["starting", "idle", "given", "working"] = "starting"
        self.work: W | None = None
        self.done, self.spent, self.stood_still, self.closed = 0, 0.0, 0.0, False
        self._send(message(sys.path))

    @property
    def state(self) -> Literal["starting", "idle", "given", "working"]:
        """What it is at."""
        return self._state

    @state.setter
    def state(self, state: Literal["starting", "idle", "given", "working"]) -> None:
        self._state, self.spent, self.stood_still = state, 0.0, 0.0

    @property
    def exitcode(self) -> int | None:
        """How it ended; None as long as it did not."""
        return self._process.poll()

    def end(self) -> int | None:
        """How it ended, of one that may be about to end; None where it has closed its connection alone."""
        try:
            exitcode = self._process.wait(_LAST_WORD)
        except subprocess.TimeoutExpired:
            return None
        return None if exitcode == child.UNHEARD else exitcode

    def give(self, work: W, pickled: bytes) -> None:
        """Send work; what can't be sent is found when the process is looked at next."""
        self.state, self.work = "given", work
        self._send(LENGTH.pack(len(pickled)) + pickled)

    def free(self) -> W:
        """It is done with its work, which is returned."""
        work, self.work = self.work, None
        assert work is not None
        self.state, self.done = "idle", self.done + 1
        return work

    def count(self, seconds: float) -> None:
        """So much time went by."""
        if self._state == "idle":
            return
        if self._is_stopped():
            self.stood_still += seconds
        else:
            self.spent += seconds

    def _is_stopped(self) -> bool:
        try:
            return psutil.Process(self._process.pid).status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
        except psutil.Error:
            return False

    def messages(self) -> Iterator[tuple[str, Any]]:
        """What it has told since; never waits, though it may have been stopped in the middle of a message."""
        self._receive()
        while len(self._received) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._received)
            end = LENGTH.size + length
            if len(self._received) < end:
                return
            content = bytes(self._received[LENGTH.size : end])
            del self._received[:end]
            try:
                word, told = pickle.loads(content)
            except Exception as error:  # of a class that this process can't make, or no message at all
                word, told = child.RAISED, f"its result can't be read: {type(error).__name__}: {error}"
            yield word, told

    def _receive(self) -> None:
        try:
            while some := self.socket.recv(1 << 20):
                self._received += some
            self.closed = True
        except BlockingIOError:
            pass
        except OSError:
            self.closed = True

    def _send(self, data: bytes) -> None:
        try:
            self.socket.setblocking(True)
            self.socket.settimeout(_LAST_WAIT)
            self.socket.sendall(data)
        except OSError:  # it ended, or was stopped
            self.closed = True
        finally:
            self.socket.setblocking(False)

    def kill(self) -> None:
        """End it, and the processes that it started."""
        if self._process.poll() is None:  # else its number may be another process's by now
            with contextlib.suppress(psutil.Error):
                for one in psutil.Process(self._process.pid).children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        one.kill()
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_WAIT)
        self.socket.close()
