"""A temporary folder that goes when its block ends, and after a kill when the next one is made.

Beside each stands a file that its owner holds locked, and a lock ends with its process, however that ends.
"""

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from throughtime.parts import BadInput

PREFIX, LOCK = "throughtime-", ".lock"


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """An empty folder in the system's place for them; those whose process is gone are removed before.

    Raises:
        BadInput: none can be made there.
    """
    remove_abandoned()
    try:
        opened, name = tempfile.mkstemp(prefix=PREFIX, suffix=LOCK)
        os.close(opened)
    except OSError as error:
        raise BadInput(
            f"no temporary folder can be made: {error.strerror or error}; make room, or name another place in TMPDIR"
        ) from None
    lock, folder = Path(name), Path(name.removesuffix(LOCK))
    with filelock.FileLock(lock):
        try:
            folder.mkdir(mode=0o700)  # after the lock: one without is nobody's, and stays
            yield folder
        finally:
            _remove(folder, lock)


def remove_abandoned() -> None:
    """Remove what killed processes of this user left behind."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        lock = folder.with_name(folder.name + LOCK)
        if not (_ours(folder, stat.S_ISDIR) and _ours(lock, stat.S_ISREG)):
            continue
        with contextlib.suppress(OSError, filelock.Timeout), filelock.FileLock(lock, timeout=0):
            _remove(folder, lock)


def _ours(path: Path, kind: Callable[[int], bool]) -> bool:
    """Whether there is such a thing that is this user's: the place is everybody's."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return kind(found.st_mode) and found.st_uid == os.getuid()


def _remove(folder: Path, lock: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        lock.unlink()
