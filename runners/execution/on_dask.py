"""The executor of a dask cluster: one that runs elsewhere, or one of this machine that ends with the suite.

Dask deals out the runs and tries those of a lost worker elsewhere. A run is a task without dependencies; on its worker
it has a process of its own, so that no run takes a worker along.
"""

import contextlib
import logging
import queue
import signal
import time
import uuid
from collections.abc import Generator, Iterable, Iterator
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughtime.parts import BadInput

from .executor import Executor, OnPoll
from .job import Job, R
from .local import default_workers
from .parcel import Needs, Parcel, Refusal, carry_out, pack, refused
from .worker import one_line

if TYPE_CHECKING:
    from distributed import Client, Future, SpecCluster

WAIT_SECONDS = 60.0
"""For a scheduler to answer, and for a first worker to be there."""

POLL_SECONDS = 1.0

BATCH = 500
"""So many jobs go to the scheduler in one message, and records come in one: of thousands each would be megabytes."""

QUIET = logging.ERROR
"""What dask logs of a cluster of this machine."""

LOSSES = 100
"""So many workers may be lost under a run before dask blames it for that; a cluster elsewhere has its own limit."""


class Dask(Executor):
    """Workers of a dask cluster; with one thread each they do one run at a time.

    Args:
        scheduler: the address of a cluster's; empty: a cluster of this machine's own.
        workers: of the own one; 0: the cores, or the GPUs.
        device: "cpu"; on "cuda" a run takes one of its worker's resource GPU.
    """

    def __init__(self, scheduler: str = "", workers: int = 0, device: str = "cpu") -> None:
        self.scheduler, self.device, self.here = scheduler, device, not scheduler
        self.workers = workers or _own_workers(device)
        self._cluster: SpecCluster | None = None
        self._client: Client | None = None

    def __str__(self) -> str:
        return f"on the dask cluster at {self.scheduler}" if self.scheduler else f"on {self.workers} dask workers"

    def close(self) -> None:
        """The client goes, and what it had asked for is cancelled; so does a cluster of its own."""
        with contextlib.suppress(Exception):  # the scheduler is gone already
            if self._client is not None:
                self._client.close(timeout=5)
        with contextlib.suppress(Exception):
            if self._cluster is not None:
                self._cluster.close(timeout=10)
        self._client = self._cluster = None

    def execute(self, jobs: Iterable[Job[R]], *, notes: Path, on_poll: OnPoll) -> Generator[R, None, None]:
        """As tasks, all of them at once: what waits, waits at the scheduler."""
        todo = list(jobs)
        client, needs = self._connected(), Needs.of(todo)
        self._check(client, needs)
        ended: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        pending: dict[Future[Any], Job[R]] = {}
        try:
            for some in _batched(todo):
                for future, job in zip(self._submit(client, list(pack(some, needs)), some), some, strict=True):
                    pending[future] = job
                    future.add_done_callback(ended.put)
            last = 0.0
            while pending:
                yield from self._records(client, _taken(ended), pending)
                if time.monotonic() - last >= POLL_SECONDS:
                    on_poll([], len(client.scheduler_info(n_workers=-1)["workers"]))
                    last = time.monotonic()
        finally:
            with contextlib.suppress(Exception):  # nothing is to be cancelled where the scheduler is gone
                client.cancel(list(pending), force=True)

    def _connected(self) -> "Client":
        """The client, once there is a worker; its cluster starts when it is first needed."""
        if self._client is None:
            from distributed import Client

            if not self.scheduler:
                self._cluster = _own_cluster(self.workers, self.device)
            try:
                self._client = Client(self.scheduler or self._cluster, timeout=WAIT_SECONDS, set_as_default=False)
                self._client.wait_for_workers(1, timeout=WAIT_SECONDS)
            except (OSError, ValueError, TimeoutError) as error:
                where = self.scheduler or "this machine"
                raise BadInput(
                    f"no dask worker is there after {WAIT_SECONDS:g} s at {where} ({one_line(error)}); start them: "
                    "dask scheduler; dask worker ADDRESS --nthreads 1"
                ) from None
        return self._client

    def _check(self, client: "Client", needs: Needs) -> None:
        """`BadInput` where a worker that is there can't do the jobs: before anything runs."""
        for address, reason in client.run(needs.refusal, on_error="return").items():
            if isinstance(reason, BaseException):
                raise refused(f"the worker {address} has no throughtime, or another one ({one_line(reason)})")
            if reason:
                raise refused(f"{reason} ({address})")
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        if self.device == "cuda" and not any("GPU" in one["resources"] for one in workers):
            raise BadInput("no dask worker has a GPU to give: start them with dask worker ADDRESS --resources GPU=1")

    def _submit(self, client: "Client", parcels: list[Parcel[Any]], jobs: Iterable[Job[Any]]) -> "list[Future[Any]]":
        mark = uuid.uuid4().hex  # a run that is tried again is another task
        names = [f"run-{job.key}-{mark}" for job in jobs]
        resources = {"GPU": 1} if self.device == "cuda" else None
        return client.map(carry_out, parcels, key=names, pure=False, resources=resources)

    def _records(
        self, client: "Client", futures: "list[Future[Any]]", pending: "dict[Future[Any], Job[R]]"
    ) -> Generator[R, None, None]:
        """The records of tasks that ended."""
        from distributed import KilledWorker

        broken: BadInput | None = None
        well = [future for future in futures if future.status == "finished"]
        results = dict(zip(well, client.gather(well, errors="skip"), strict=False)) if well else {}
        for future in futures:
            job = pending[future]
            if future in results:
                del pending[future]
                if isinstance(results[future], Refusal):
                    broken = refused(results[future].reason)
                else:
                    yield results[future]
            elif future.status == "error":
                del pending[future]
                error = future.exception()
                if isinstance(error, KilledWorker):
                    yield job.ended("error", "its dask worker was lost, one after the other")
                else:
                    broken = error if isinstance(error, BadInput) else refused(one_line(error))
            elif future.status in ("cancelled", "lost"):
                broken = BadInput(
                    "the dask scheduler is gone, or cancelled what was asked for; what is finished is kept: give the "
                    "same command again"
                )
        if broken is not None:
            raise broken


def _batched(jobs: list[Job[R]]) -> Iterable[tuple[Job[R], ...]]:
    return (tuple(jobs[start : start + BATCH]) for start in range(0, len(jobs), BATCH))


def _taken(ended: "queue.SimpleQueue[Future[Any]]") -> "list[Future[Any]]":
    """What has ended, once something has, or after a while."""
    found: list[Future[Any]] = []
    with contextlib.suppress(queue.Empty):
        found.append(ended.get(timeout=POLL_SECONDS))
        while len(found) < BATCH:
            found.append(ended.get_nowait())
    return found


def _own_workers(device: str) -> int:
    import torch

    return torch.cuda.device_count() if device == "cuda" else default_workers(device)


def _own_cluster(workers: int, device: str) -> "SpecCluster":
    """A cluster of this machine: processes with one thread each, and on GPUs each with its own."""
    import dask
    from distributed import Nanny, Scheduler, SpecCluster

    def options(number: int) -> dict[str, Any]:
        own = {"resources": {"GPU": 1}, "env": {"CUDA_VISIBLE_DEVICES": str(number)}} if device == "cuda" else {}
        return {"nthreads": 1, "memory_limit": 0, "host": "127.0.0.1", "silence_logs": QUIET, **own}

    dask.config.set({"distributed.scheduler.allowed-failures": LOSSES})
    with _ctrl_c_is_ours():
        return SpecCluster(
            workers={number: {"cls": Nanny, "options": options(number)} for number in range(workers)},
            scheduler={
                "cls": Scheduler,
                "options": {"host": "127.0.0.1", "port": 0, "dashboard": False, "dashboard_address": ":0"},
            },
            name=None,
            silence_logs=QUIET,
        )


@contextlib.contextmanager
def _ctrl_c_is_ours() -> Iterator[None]:
    """The thread that begins meanwhile, which starts dask's processes, now and in place of lost ones, leaves Ctrl-C to
    the one that is here, and so do they: else each would end with a traceback of its own.
    """
    resource_tracker.ensure_running()  # which would set the mask back where it is started by one of dask's threads
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
