"""How a kernel is compiled."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import config as settings_of_numba
from numba.core.caching import UserProvidedCacheLocator

from .cache import cache_folder

config: Any = settings_of_numba  # its names are made as it is imported

FAST = {"reassoc", "contract", "arcp", "nsz"}
"""What of IEEE arithmetic is given up, so that sums vectorize; infinities and NaN stay what they are."""


class ByContent(UserProvidedCacheLocator):
    """Copies of the same sources share their machine code, wherever they are: a wheel's, a clone's, the gate's."""

    @classmethod
    def get_suitable_cache_subpath(cls, py_file: str) -> str:
        """One folder for each of the two of sources."""
        return Path(py_file).parents[1].name


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel, compiled at its first call for the types of its arguments, or taken from the cache."""
    folder = cache_folder()
    before = config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES
    # For the caches of the functions decorated here, and of no others.
    config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES = str(folder or ""), f"{__name__}.{ByContent.__name__}"
    try:
        cached = folder is not None
        kernel: Callable[..., Any] = numba.njit(fastmath=FAST, error_model="numpy", cache=cached, nogil=True)(function)
    finally:
        config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES = before
    return kernel
