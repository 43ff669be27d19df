"""Where the machine code of kernels is kept, and who compiles a kernel: one process, once a machine.

Numba's cache looks at the file of a kernel alone and not at those that it calls. So each state of the sources together
has a folder of its own, where the user may write. A file in it marks each kernel that is there. Nothing here needs
Numba but its version.
"""

import functools
import hashlib
import importlib.metadata
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import filelock
import torch

UNUSED_DAYS = 30
"""A folder in which nothing was compiled for so long goes when another one is made."""


@functools.cache
def cache_folder() -> Path | None:
    """Where the machine code is kept; None where nothing can be written to."""
    content = hashlib.sha256(importlib.metadata.version("numba").encode())
    here = Path(__file__).parent
    root = here.parents[1]
    rooms = (here, root / "algorithms" / "compiled")
    # A plant's constants are written in its task.
    for path in sorted([*(path for room in rooms for path in room.glob("*.py")), root / "tasks" / "pendulum.py"]):
        content.update(path.name.encode() + path.read_bytes())
    name = f"kernels-{content.hexdigest()[:16]}"
    for parent in (_user_cache() / "throughtime", Path(tempfile.gettempdir()) / f"throughtime-{_user()}"):
        folder = parent / name
        try:
            parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new = not folder.is_dir()
            folder.mkdir(exist_ok=True, mode=0o700)
        except OSError:
            continue
        # Whose the one above is could exchange this one at any moment.
        if os.access(folder, os.W_OK) and _is_ours(parent) and _is_ours(folder):
            if new:
                _remove_unused(parent)
            return folder
    return None


def _remove_unused(parent: Path) -> None:
    for folder in parent.glob("kernels-*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > UNUSED_DAYS * 24 * 3600:
                shutil.rmtree(folder, ignore_errors=True)


def name_of(kind: str, cell: str, dtype: torch.dtype) -> str:
    """What a kernel is marked by."""
    return f"{kind}-{cell}-{str(dtype).removeprefix('torch.')}"


def is_compiled(kernel: str) -> bool:
    """Whether a kernel needs only to be loaded."""
    folder = cache_folder()
    return folder is not None and _mark(folder, kernel).exists()


@contextmanager
def compiling(kernel: str) -> Iterator[None]:
    """In this block a kernel is called for the first time: others that need it wait until it is in the cache."""
    folder = cache_folder()
    if folder is None or is_compiled(kernel):
        yield
        return
    mark = _mark(folder, kernel)
    with ExitStack() as held:
        with suppress(OSError, NotImplementedError):  # there are file systems without locks: then both compile
            held.enter_context(filelock.FileLock(mark.with_suffix(".lock")))
        yield
        with suppress(OSError):
            mark.touch()


def _mark(folder: Path, kernel: str) -> Path:
    return folder / f"{kernel}.compiled"


def _user_cache() -> Path:
    home = Path("~").expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home)
    if sys.platform == "darwin":
        return home / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else "cache"


def _is_ours(folder: Path) -> bool:
    """Machine code is run: none is taken from a folder that is another user's."""
    return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
