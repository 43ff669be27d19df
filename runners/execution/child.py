"""What a worker process is from its first line on: held to its parent, then one piece of work after the other.

Started as a script, by its path: nothing is imported before the process is held to its parent, torch least of all, and
not the parent's own script, which may need no main guard then. Messages both ways are pickles, each after its length.
"""

import ctypes
import os
import pickle
import signal
import socket
import struct
import sys
import threading
import time
from typing import Any

LENGTH = struct.Struct("!Q")
"""What comes before each message."""

READY, BEGUN, RETURNED, RAISED = "ready", "begun", "returned", "raised"
"""What a worker tells: it has imported all, it took the work up, and how that ended."""

UNHEARD = 74
"""Exit code of a worker that could not tell: its connection was closed, by its parent or by code of others in it."""

_PR_SET_PDEATHSIG = 1
_LOOKS_SECONDS = 0.5


def main(channel: int, parent: int) -> None:
    """Do what comes through a socket, until it is closed.

    Args:
        channel: the socket's file descriptor.
        parent: the process at its other end.
    """
    _hold_to(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's affair; it had it blocked while this process began
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    connection = socket.socket(fileno=channel)
    try:
        sys.path[:] = pickle.loads(receive(connection))
        from throughtime.runners.execution import worker

        worker.start()
        connection.sendall(message((READY, None)))
        while True:
            work = receive(connection)
            connection.sendall(message((BEGUN, None)))
            connection.sendall(_ended(work))
    except (EOFError, OSError):
        os._exit(UNHEARD)


def message(content: object) -> bytes:
    """A message as it is sent."""
    pickled = pickle.dumps(content)
    return LENGTH.pack(len(pickled)) + pickled


def receive(connection: socket.socket) -> bytes:
    """The next message's pickle; `EOFError` where the socket was closed."""
    (length,) = LENGTH.unpack(_exactly(connection, LENGTH.size))
    return _exactly(connection, length)


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        some = connection.recv(size - len(received))
        if not some:
            raise EOFError
        received += some
    return bytes(received)


def _ended(work: bytes) -> bytes:
    """Do the work, and say how it ended: whatever the code of others raises, this process goes on."""
    from throughtime.runners.execution.worker import one_line

    try:
        function, args = pickle.loads(work)
        result: Any = function(*args)
        return message((RETURNED, result))
    except BaseException as error:  # also that the result can't be pickled
        return message((RAISED, one_line(error)))


def _hold_to(parent: int) -> None:
    """End when the parent ends, whatever this process is at: by the kernel where it can, as Linux."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    held = libc is not None and libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) == 0
    if os.getppid() != parent:  # it ended before that
        os._exit(1)
    if not held:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOKS_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
