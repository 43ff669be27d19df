"""Files that are there whole or not at all: written under a temporary name, then renamed."""

import contextlib
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from throughtime.parts import BadInput

_TEMPORARY = re.compile(r"\..+\.(\d+)")


def is_temporary(name: str) -> bool:
    """Whether a file's name is one that `whole` gives: what a kill leaves behind.

    >>> is_temporary(".table.md.4711"), is_temporary("table.md"), is_temporary(".gitignore")
    (True, False, False)
    """
    return _TEMPORARY.fullmatch(name) is not None


def is_abandoned(name: str) -> bool:
    """Whether it is one whose process is gone: another may be writing it, which draws or shows what is here."""
    found = _TEMPORARY.fullmatch(name)
    # Among those that there are: to ask the system for a number that no process can have is an error.
    return found is not None and (int(found[1]) == os.getpid() or int(found[1]) not in psutil.pids())


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary file's path; the file takes the place of `path` when the block ends, and goes where it fails.

    Raises:
        BadInput: the disk is full, say, or the folder is gone; what stood there before is unharmed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _cannot_be_written(path, error) from error
        raise


def make_folder(path: Path) -> Path:
    """A folder, in one that there is, made where it is missing; `BadInput` where it can't be."""
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise _cannot_be_written(path, error) from error
    return path


def _cannot_be_written(path: Path, error: OSError) -> BadInput:
    return BadInput(
        f"{str(path)!r} can't be written: {error.strerror or error}; what is finished is kept: mend that, and give the "
        "same command again"
    )


def read_regular(path: Path) -> bytes:
    """A file's content; of a regular file alone, since reading a FIFO or a device may never end.

    Raises:
        FileNotFoundError: there is none.
        BadInput: it is something else, or it can't be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise BadInput(f"{str(path)!r} is no regular file: remove it, or give another directory")
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BadInput(f"{str(path)!r} can't be read: {error.strerror or error}; give another directory") from None


def write_text(path: Path, text: str) -> Path:
    """Replace a text file."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def write_json(path: Path, content: dict[str, Any], *, indent: int | None = 1) -> Path:
    """Replace a JSON file; `indent`: None for all on one line, as befits thousands of numbers."""
    return write_text(path, json.dumps(content, indent=indent) + "\n")
