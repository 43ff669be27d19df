"""Measuring a cost suite: one point after the other in a worker process; what is measured already is kept.

One record a point, so a kill at any moment loses the point in flight and nothing else, and the same call goes on where
it stopped. A point that raises, runs out of memory or overruns its deadline is a record with that status.
"""

import importlib.metadata
from collections.abc import Callable
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as DeadlineExceeded
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pebble

from throughtime.algorithms import make_algorithm
from throughtime.networks import CELLS, BadInput

from ..environment import environment, fingerprint, look_again, plugin_sources
from ..plugins import load_plugins, loaded
from ..suite_runner import check_device
from ..worker import Tail, death, failure, heard, one_line, worker_pool
from .point import Cost, Point, measure
from .store import FORMAT, CostStore, LineKeys, Manifest
from .suite import CostSuite, load_cost_suite


@dataclass
class Summary:
    """How a call ended: points measured now, points found measured, and all points by status."""

    directory: Path
    measured: int = 0
    cached: int = 0
    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Points that are not done."""
        return sum(count for status, count in self.statuses.items() if status != "done")


@dataclass(frozen=True)
class _Job:
    key: str
    point: Point
    deadline: float


class CostRunner:
    """A cost suite, the directory that its results go to, and the keys of its points on this machine."""

    def __init__(self, suite: CostSuite | str | Path, out: str | Path | None, *, device: str) -> None:
        self.suite = suite if isinstance(suite, CostSuite) else load_cost_suite(suite)
        self.device = check_device(device)
        self.store = CostStore(default_directory(self.suite) if out is None else out)
        self.store.check_writable()
        if self.store.has_manifest():
            there = self.store.manifest()
            if (there.suite.name, there.device) != (self.suite.name, self.device):
                raise BadInput(
                    f"{str(self.store.directory)!r} holds the costs of {there.suite.name} on {there.device}, "
                    f"not of {self.suite.name} on {self.device}; give another directory with --out"
                )
        self._fingerprints: dict[tuple[str, str], str] = {}
        look_again()
        self._jobs: dict[str, _Job] = {}
        self._lines: list[LineKeys] = []
        for number, sweep in enumerate(self.suite.sweeps):
            for cell in sweep.cells:
                for algorithm in sweep.algorithms:
                    points = sweep.points(cell, algorithm, self.device)
                    keys = tuple(point.key(self._fingerprint(point)) for point in points)
                    for key, point in zip(keys, points, strict=True):
                        self._jobs[key] = _Job(key, point, sweep.deadline)  # sweeps may share a point
                    self._lines.append(LineKeys(sweep=number, cell=cell, algorithm=algorithm, keys=keys))

    @property
    def points(self) -> int:
        """How many there are."""
        return len(self._jobs)

    def missing(self) -> list[_Job]:
        """What is not measured yet."""
        records = {key: self.store.record(key) for key in self._jobs}
        return [job for key, job in self._jobs.items() if not ((r := records[key]) and r.finished(job.deadline))]

    def run(self, on_cost: Callable[[Cost], None] = lambda cost: None) -> Summary:
        """Measure what is missing; `on_cost` is called with each new record.

        The caller holds the directory's lock.
        """
        todo = self.missing()
        summary = Summary(self.store.directory, len(todo), self.points - len(todo))
        version = importlib.metadata.version("throughtime")
        self.store.write_manifest(
            Manifest(format=FORMAT, version=version, device=self.device, suite=self.suite, lines=tuple(self._lines))
        )
        if todo:
            self.store.write_environment(environment(self.device))
            plugins = {job.key for job in todo if plugin_sources(_roots(job.point))}
            self._measure([job for job in todo if job.key not in plugins], on_cost)
            self._measure([job for job in todo if job.key in plugins], on_cost, runs_a_process=1)
        for key in self._jobs:
            record = self.store.record(key)
            assert record is not None, "a point ended without a record"
            summary.statuses[record.status] = summary.statuses.get(record.status, 0) + 1
        return summary

    def _measure(self, jobs: list[_Job], on_cost: Callable[[Cost], None], runs_a_process: int = 0) -> None:
        """One after the other; a plugin's each in a fresh process, where it may change what it likes."""
        if not jobs:
            return
        files = tuple(str(plugin.path) for plugin in loaded()) if runs_a_process else ()
        with worker_pool(1, runs_a_process) as pool:
            running = [pool.schedule(_execute, args=(job.point, files), timeout=job.deadline) for job in jobs]
            for job, future in zip(jobs, running, strict=True):
                cost = _cost(job, future)
                self._check_code(job)
                self.store.write_record(cost)
                on_cost(cost)

    def _fingerprint(self, point: Point) -> str:
        pair = (point.algorithm, point.cell)
        if pair not in self._fingerprints:
            self._fingerprints[pair] = fingerprint(_roots(point), "", self.device)
        return self._fingerprints[pair]

    def _check_code(self, job: _Job) -> None:
        """A record must never stand under the key of other code than it was made with."""
        look_again()
        if job.point.key(fingerprint(_roots(job.point), "", self.device)) != job.key:
            raise BadInput("the code changed while it was measured; give the same command again")


def default_directory(suite: CostSuite) -> Path:
    """results/runs/<suite>, under the working directory."""
    return Path("results") / "runs" / suite.name


def _roots(point: Point) -> tuple[str, ...]:
    """Where a point's code begins."""
    algorithm, cell = type(make_algorithm(point.algorithm)), CELLS.get(point.cell)
    return algorithm.__module__, cell.__module__, measure.__module__


def _execute(point: Point, files: tuple[str, ...]) -> dict[str, Any]:
    """In the worker: one point, to the content of its record, with the loose files that it may need."""
    try:
        with heard(Tail()) if files else nullcontext():
            load_plugins(files)
            return {"status": "done", **measure(point)}
    except (Exception, SystemExit) as error:
        return failure(error)


def _cost(job: _Job, future: Any) -> Cost:
    """The record of a point whose worker returned, overran or died."""
    started = {"key": job.key, "point": job.point, "deadline": job.deadline}
    try:
        ended = future.result()
    except DeadlineExceeded:
        ended = {"status": "timeout", "reason": f"stopped at its deadline of {job.deadline:g} s"}
    except CancelledError:
        raise
    except pebble.ProcessExpired as error:
        ended = {"status": "error", "reason": f"the worker process {death(error.exitcode)}"}
    except Exception as error:  # the result could not be sent back
        ended = {"status": "error", "reason": one_line(error)}
    return Cost.model_validate({**started, **ended})
