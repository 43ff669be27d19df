"""How a kernel is compiled, and where the machine code is kept.

Numba's cache looks at the file of a kernel alone and not at those that it calls. So each state of the sources together
has a folder of its own, where the user may write, and a kernel is compiled once a machine.
"""

import functools
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import config

FAST = {"reassoc", "contract", "arcp", "nsz"}
"""What of IEEE arithmetic is given up, so that sums vectorize; infinities and NaN stay what they are."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel, compiled at its first call for the types of its arguments, or taken from the cache."""
    folder = cache_folder(Path(function.__code__.co_filename).parent)
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder or "")  # for the caches of the functions decorated here, and of no others
    try:
        cached = folder is not None
        kernel: Callable[..., Any] = numba.njit(fastmath=FAST, error_model="numpy", cache=cached, nogil=True)(function)
    finally:
        config.CACHE_DIR = before
    return kernel


@functools.cache
def cache_folder(sources: Path) -> Path | None:
    """Where the machine code of a folder's kernels is kept; None where nothing can be written to."""
    content = hashlib.sha256(numba.__version__.encode())
    for path in sorted({*Path(__file__).parent.glob("*.py"), *sources.glob("*.py")}):
        content.update(path.name.encode() + path.read_bytes())
    name = f"kernels-{content.hexdigest()[:16]}"
    for folder in (_user_cache() / "throughtime", Path(tempfile.gettempdir()) / f"throughtime-{_user()}"):
        try:
            (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError:
            continue
        if os.access(folder / name, os.W_OK) and _is_ours(folder / name):
            return folder / name
    return None


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
    """Machine code is run: none is taken from a folder that another user made."""
    return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
