"""Worker processes, watched: work goes in, and a future tells how it ended, whatever becomes of the process.

One thread watches all of them. Each process has a socket of its own, so that one that is killed in the middle of a
message takes nothing of another's along; work waits in this process until a worker is ready for it, so that a worker
that is killed before it took work up loses none; and a worker that is done with is killed, since code of others may
have left behind what keeps a process from ending.
"""

import contextlib
import pickle
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any

from throughtime.parts import BadInput

from .child import BEGUN, RAISED, READY, RETURNED
from .process import Process
from .worker import death, one_line

TICK_SECONDS = 0.2
"""How often at least the processes are looked at."""

GAP_SECONDS = 1.0
"""The most that may count from one look to the next: more went by while this process stood still, and so did others."""

START_SECONDS = 300.0
"""For a worker to import what a run needs, and to take work up."""

FAILED_STARTS = 4
"""So many processes in a row for each worker that ended before they took work up, and no more are tried."""

now = time.monotonic


class Overran(Exception):
    """The work was stopped at its deadline."""


class Stopped(Exception):
    """Something outside stopped the worker's process, and did not let it go on; the work's own time was not used up."""


class Died(Exception):
    """The worker's process ended without a result.

    Args:
        exitcode: less than 0: minus the signal that it was killed by; None: it closed its connection.
    """

    def __init__(self, exitcode: int | None) -> None:
        super().__init__(f"the worker process {death(exitcode)}")
        self.exitcode = exitcode


class Raised(Exception):
    """The work raised something, or its result could not be sent; the message tells it in one line."""


@dataclass(eq=False)
class _Work:
    function: Callable[..., Any]
    args: tuple[Any, ...]
    timeout: float | None
    future: Future[Any] = field(default_factory=Future)


class Pool:
    """Processes in which what a run needs is imported; started when there is work for them.

    Args:
        workers: processes at a time.
        jobs_a_process: after so much work a process is replaced by a fresh one; 0: never.
    """

    def __init__(self, workers: int, jobs_a_process: int = 0) -> None:
        self._workers, self._jobs_a_process = workers, jobs_a_process
        self._queue: deque[_Work] = deque()
        self._processes: list[Process[_Work]] = []
        self._failed_starts = 0
        self._lock, self._open = threading.Lock(), True
        self._error: BaseException | None = None
        self._bell, self._ring = socket.socketpair()
        self._bell.setblocking(False)
        self._ring.setblocking(False)
        self._thread = threading.Thread(target=self._watch, name="watches the workers", daemon=True)
        self._thread.start()

    def schedule(
        self, function: Callable[..., Any], args: tuple[Any, ...] = (), timeout: float | None = None
    ) -> Future[Any]:
        """Have a worker call a function, in the order of the calls of this one.

        Args:
            function: one that a worker can import.
            args: of it.
            timeout: the seconds that it may take, not counting those that this machine stood still.

        Returns:
            A future of what the function returns; else of `Overran`, `Stopped`, `Died`, `Raised`, and of `BadInput`
            where no worker can be started.
        """
        work = _Work(function, args, timeout)
        with self._lock:
            if self._error is not None:
                work.future.set_exception(self._error)
                return work.future
            if not self._open:
                raise RuntimeError("the pool is closed")
            self._queue.append(work)
        self._wake()
        return work.future

    def close(self) -> None:
        """End every process; what has not ended by now is cancelled."""
        with self._lock:
            self._open = False
        self._wake()
        self._thread.join()
        self._bell.close()
        self._ring.close()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):  # it rings already
            self._ring.send(b"!")

    def _watch(self) -> None:
        """In the thread: until the pool is closed."""
        # What a process inherits: from its first line on Ctrl-C is left to the parent, whose main thread hears it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            last = now()
            while self._open:
                self._deal_out()
                wait([self._bell, *(process.socket for process in self._processes)], timeout=TICK_SECONDS)
                with contextlib.suppress(BlockingIOError):
                    self._bell.recv(4096)
                last, passed = now(), min(now() - last, GAP_SECONDS)
                for process in list(self._processes):
                    self._look_at(process, passed)
        except BaseException as error:  # no future may wait for ever, nor one that is asked for later
            with self._lock:
                self._error = error
        finally:
            with self._lock:
                self._open = False
            self._end_all(self._error)

    def _deal_out(self) -> None:
        """Give waiting work to workers that are ready, and start as many as there is more work for."""
        for process in self._processes:
            while process.state == "idle" and (work := self._next()):
                try:
                    pickled = pickle.dumps((work.function, work.args))
                except Exception as error:
                    work.future.set_exception(Raised(one_line(error)))
                else:
                    process.give(work, pickled)
        starting = sum(process.state == "starting" for process in self._processes)
        for _ in range(min(self._workers - len(self._processes), len(self._queue) - starting)):
            try:
                self._processes.append(Process())
            except OSError as error:  # no memory, no process, no file descriptor left
                self._start_failed(f"could not be started: {error.strerror or error}")
                break

    def _next(self) -> _Work | None:
        with self._lock:
            while self._queue:
                work = self._queue.popleft()
                if not work.future.cancelled():
                    return work
        return None

    def _look_at(self, process: "Process[_Work]", passed: float) -> None:
        """Take what a process tells, and see whether it has ended, or has had its time."""
        ended = process.exitcode  # before its last words are read: there are no more after it has ended
        for word, content in process.messages():
            if word == READY:
                process.state = "idle"
            elif word == BEGUN and process.work is not None:
                process.state, self._failed_starts = "working", 0
                process.work.future.set_running_or_notify_cancel()
            elif word in (RETURNED, RAISED) and process.work is not None:
                self._finish(process, word, content)
        if process not in self._processes:
            return
        if ended is not None or process.closed:
            self._lost(process, Died(process.end()))
            return
        process.count(passed)
        if process.state == "working":
            assert process.work is not None
            allowed = process.work.timeout
            if allowed is not None and process.spent >= allowed:
                self._lost(process, Overran())
            elif allowed is not None and process.stood_still >= allowed:
                self._lost(process, Stopped(f"the worker process was stopped from outside for {allowed:g} s"))
        elif process.state != "idle" and process.spent + process.stood_still >= START_SECONDS:
            self._lost(process, Overran())

    def _finish(self, process: "Process[_Work]", word: str, content: Any) -> None:
        work = process.free()
        if 0 < self._jobs_a_process <= process.done:
            self._end(process)  # before anything else: what it left behind must take no time from others
        if word == RETURNED:
            work.future.set_result(content)
        else:
            work.future.set_exception(Raised(content))

    def _lost(self, process: "Process[_Work]", why: Died | Overran | Stopped) -> None:
        """End a process that gives no result; work that it had not taken up waits again, the first in the queue."""
        state, work = process.state, process.work
        self._end(process)
        if state == "working":
            assert work is not None
            work.future.set_exception(why)
            return
        if work is not None:
            with self._lock:
                self._queue.appendleft(work)
        if not process.done:
            what = death(why.exitcode) if isinstance(why, Died) else f"was not ready after {START_SECONDS:g} s"
            self._start_failed(what)

    def _start_failed(self, what: str) -> None:
        self._failed_starts += 1
        if self._failed_starts >= FAILED_STARTS * self._workers:
            raise BadInput(
                f"no worker process can be started: {self._failed_starts} in a row ended before they could begin, the "
                f"last one {what}; what is finished is kept: give the same command again with fewer workers, or on a "
                "machine with more memory free"
            )

    def _end(self, process: "Process[_Work]") -> None:
        self._processes.remove(process)
        process.kill()

    def _end_all(self, error: BaseException | None) -> None:
        waiting = [process.work for process in self._processes if process.work is not None] + list(self._queue)
        for process in list(self._processes):
            self._end(process)
        self._queue.clear()
        for work in waiting:
            if error is not None:
                work.future.set_exception(error)
            elif not work.future.cancel():
                work.future.set_exception(RuntimeError("the pool was closed"))
