"""Files that are there whole or not at all: written under a temporary name, then renamed."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TEMPORARY = re.compile(r"\..+\.\d+")


def is_temporary(name: str) -> bool:
    """Whether a file's name is one that `whole` gives: what a kill leaves behind.

    >>> is_temporary(".table.md.4711"), is_temporary("table.md"), is_temporary(".gitignore")
    (True, False, False)
    """
    return _TEMPORARY.fullmatch(name) is not None


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary file's path; the file takes the place of `path` when the block ends, and goes where it fails."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> Path:
    """Replace a text file."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def write_json(path: Path, content: dict[str, Any]) -> Path:
    """Replace a JSON file."""
    return write_text(path, json.dumps(content, indent=1) + "\n")
