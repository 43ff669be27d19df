"""How a kernel is compiled."""

from collections.abc import Callable
from typing import Any

import numba
from numba.core import config

from .cache import cache_folder

FAST = {"reassoc", "contract", "arcp", "nsz"}
"""What of IEEE arithmetic is given up, so that sums vectorize; infinities and NaN stay what they are."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel, compiled at its first call for the types of its arguments, or taken from the cache."""
    folder = cache_folder()
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder or "")  # for the caches of the functions decorated here, and of no others
    try:
        cached = folder is not None
        kernel: Callable[..., Any] = numba.njit(fastmath=FAST, error_model="numpy", cache=cached, nogil=True)(function)
    finally:
        config.CACHE_DIR = before
    return kernel
