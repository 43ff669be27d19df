"""What is printed can't break the work: a closed pipe, a full device, a narrow encoding cost their own text alone."""

import os
import sys
from typing import Any, TextIO


class Patient:
    """A text stream that goes on when its reader is gone, and shows a question mark for what it can't encode.

    After the first failure the rest goes nowhere.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")

    def write(self, text: str) -> int:
        """As of any stream, but that nothing is raised."""
        try:
            self._stream.write(text)
        except (OSError, ValueError):
            self._give_up()
        return len(text)

    def flush(self) -> None:
        """Likewise."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._give_up()

    def _give_up(self) -> None:
        """What is left in buffers must not fail once more when the process ends."""
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        except (OSError, ValueError):  # a stream that was closed has nothing left to lose
            pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def make_patient() -> None:
    """From here on nothing that this process prints can break it."""
    _open_closed()
    sys.stdout, sys.stderr = Patient(sys.stdout), Patient(sys.stderr)


def _open_closed() -> None:
    """A stream that was closed before this process began leads nowhere: the next file opened would take its number."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            try:
                os.fstat(number)  # a file has it already
            except OSError:
                nowhere = os.open(os.devnull, os.O_RDWR)
                os.dup2(nowhere, number)
                if nowhere != number:
                    os.close(nowhere)
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 (it stays open)
