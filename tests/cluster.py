"""A dask cluster in threads of this process, whose runs are done by the thread that has them: it starts at once.

A real one, with processes that are killed, is in tests/runners/execution/test_clusters.py, by the marker `long`.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from .conftest import Pool


class OneAtATime(Pool):
    """A run holds what torch has once for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def schedule(self, *words: Any, **more: Any) -> Any:
        with self._lock:
            return super().schedule(*words, **more)


@contextmanager
def dask_here(workers: int = 2) -> Iterator[str]:
    """A scheduler's address."""
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
    import dask

    from throughtime.runners.execution import on_dask, parcel

    def cluster(workers: int, device: str) -> "distributed.LocalCluster":
        return distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=False, dashboard_address=":0", silence_logs=50
        )

    # Its profiler looks at the frames of all threads, and for as long holds the tensors in them, which are counted.
    unwatched = dask.config.set({"distributed.worker.profile.enabled": False})
    with unwatched, pytest.MonkeyPatch.context() as patch, cluster(workers, "cpu") as started:
        patch.setattr(on_dask, "_own_cluster", cluster)
        pool = OneAtATime()
        patch.setattr(parcel, "_pool", lambda isolated: pool)
        parcel._refusal.cache_clear()
        yield started.scheduler_address
        parcel._refusal.cache_clear()
