"""A job on its way to another machine: what it needs there, the plugins' sources that go with it, and its record back.

A worker elsewhere does it as one of this machine would: in a process of its own that is watched, so that a deadline, a
kill and memory that runs out become the same statuses. Nothing runs where code or versions are others than here.
"""

import atexit
import functools
import hashlib
import importlib.metadata
import pickle
import tempfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic

import filelock

from throughtime.parts import BadInput
from throughtime.runners.execution import worker
from throughtime.runners.records.machine import arithmetic
from throughtime.runners.suite.fingerprint import Code, file_hash, source_of

from .job import Job, R, RunJob
from .kernels import SECONDS, Kind, kind_of, missing, prepare
from .local import default_workers, record_of
from .pool import Pool

PACKAGES = ("throughtime", "torch", "numpy", "scipy", "numba")
"""Those that the numbers of every run depend on."""


@dataclass(frozen=True)
class Needs:
    """What a machine must have, so that jobs mean there what they mean here.

    Attributes:
        versions: of packages, the plugins' among them; None: not installed.
        files: the sha256 of the plugins' modules that are not sent along.
        modules: those of throughtime in which the jobs' code begins.
        sources: the hash of all that these import of throughtime.
    """

    versions: tuple[tuple[str, str | None], ...]
    files: tuple[tuple[str, str], ...]
    modules: tuple[str, ...]
    sources: str

    @classmethod
    def of(cls, jobs: Iterable[Job[Any]]) -> "Needs":
        """Those of all jobs."""
        codes = {job.code: job.files for job in jobs}
        installed: dict[str, str] = {}
        for code, files in codes.items():
            sent = {module for module, _ in _loose(code, files)}
            installed |= {module: sha256 for module, sha256 in code.plugins.items() if module not in sent}
        known = importlib.metadata.packages_distributions() if installed else {}
        theirs = {one for module in installed for one in known.get(module.partition(".")[0], [])}
        modules = tuple(sorted({name for code in codes for name in code.modules if name.startswith("throughtime.")}))
        versions = tuple((package, version(package)) for package in (*PACKAGES, *sorted(theirs)))
        return cls(versions, tuple(sorted(installed.items())), modules, _sources(modules))

    def refusal(self) -> str:
        """On a worker's machine: why it can't do such jobs, naming both versions; empty where it can."""
        for package, here in self.versions:
            if (there := version(package)) != here:
                return f"{_named(package, there)} on the worker, and {_named(package, here)} here"
        for module, sha256 in self.files:
            if (there := file_hash(module)) != sha256:
                told = f"has the sha256 {there[:12]}" if there else "can't be found"
                return f"the plugin module {module} {told} on the worker, and has {sha256[:12]} here"
        if (found := _sources(self.modules)) != self.sources:
            ours = version("throughtime")
            return f"throughtime {ours} with the sources {found[:12]} on the worker, and with {self.sources[:12]} here"
        return ""


def refused(reason: str) -> BadInput:
    """What is raised where a worker does not have what jobs need."""
    return BadInput(f"a worker can't do these runs: {reason}; install the same there, or run with what is there")


@dataclass(frozen=True)
class Source:
    """A plugin's file that goes with a job: of which folder, where in it, and what is in it."""

    folder: int
    path: str
    sha256: str
    content: bytes


@dataclass(frozen=True)
class Parcel(Generic[R]):
    """A job as it is sent: pickled, so that what it needs is looked at before."""

    needs: Needs
    job: bytes
    sources: tuple[Source, ...]


class _Altered(Exception):
    """A plugin's file is not the one that the key was made of."""


@dataclass(frozen=True)
class Refusal:
    """In place of a record: the worker can't do the job."""

    reason: str


def pack(jobs: Iterable[Job[R]], needs: Needs) -> Iterator[Parcel[R]]:
    """Each job with what it takes along; its key is told to be of this machine's arithmetic."""
    sources: dict[Code, tuple[Source, ...]] = {}
    for job in jobs:
        if job.code not in sources:
            sources[job.code] = _sent(job)
        told = replace(job, arithmetic=arithmetic(job.settings.device))
        yield Parcel(needs, pickle.dumps(told), sources[job.code])


def carry_out(parcel: Parcel[R]) -> R | Refusal:
    """On a worker's machine: do a job in a process of its own, and give its record."""
    if reason := _refusal(parcel.needs):
        return Refusal(reason)
    job: Job[R] = pickle.loads(parcel.job)
    with tempfile.TemporaryDirectory(prefix="throughtime-") as folder:
        notes = Path(folder)
        try:
            job = replace(job, files=_unpacked(job, parcel.sources, notes / "plugins"))
        except _Altered as error:
            return job.ended("error", str(error))
        pool = _pool(job.isolated)
        _compile_kernels(job, pool)
        future = pool.schedule(worker.execute, args=(job, str(notes)), timeout=job.deadline)
        future.exception()  # waits
        return record_of(job, future, worker.noted(notes, job))


def version(package: str) -> str | None:
    """Of a package that is installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _named(package: str, there: str | None) -> str:
    return f"{package} {there}" if there else f"no {package}"


@functools.cache  # for as long as a worker lives: what it has imported stays as it is
def _refusal(needs: Needs) -> str:
    return needs.refusal()


@functools.cache
def _sources(modules: tuple[str, ...]) -> str:
    return Code(modules).fingerprint("")


def _loose(code: Code, files: Iterable[str]) -> Iterator[tuple[str, tuple[int, Path, Path]]]:
    """The modules of loose files, and those that lie beside them: the number of the folder, it, and the file."""
    folders = list(dict.fromkeys(Path(file).parent for file in files))
    for module in code.plugins:
        path = source_of(module)
        for number, folder in enumerate(folders):
            if path is not None and path.resolve().is_relative_to(folder):
                yield module, (number, folder, path.resolve())
                break


def _sent(job: Job[Any]) -> tuple[Source, ...]:
    found = []
    for module, (number, folder, path) in _loose(job.code, job.files):
        content = path.read_bytes()
        found.append(Source(number, path.relative_to(folder).as_posix(), job.code.plugins[module], content))
    return tuple(found)


def _unpacked(job: Job[Any], sources: Iterable[Source], folder: Path) -> tuple[str, ...]:
    """The loose files as they are here, each checked to be what was sent."""
    for source in sources:
        if hashlib.sha256(source.content).hexdigest() != source.sha256:
            raise _Altered(f"the plugin file {source.path} changed while the suite ran; give the same command again")
        path = folder / str(source.folder) / source.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.content)
    numbers = {one: number for number, one in enumerate(dict.fromkeys(Path(file).parent for file in job.files))}
    return tuple(str(folder / str(numbers[Path(file).parent]) / Path(file).name) for file in job.files)


_lock = threading.Lock()
_pools: dict[bool, Pool] = {}


def _pool(isolated: bool) -> Pool:
    """The worker's own processes: they outlive a job, but for those of plugins, and end with the worker."""
    with _lock:
        if isolated not in _pools:
            _pools[isolated] = Pool(default_workers("cpu"), jobs_a_process=int(isolated))
            atexit.register(_pools[isolated].close)
        return _pools[isolated]


_compiled: set[Kind] = set()


def _compile_kernels(job: Job[Any], pool: Pool) -> None:
    """What a run calls and is not in this machine's cache, off the run's clock, and by one worker at a time."""
    if not isinstance(job, RunJob):
        return
    config = job.config
    kind = kind_of(config)
    if kind not in _compiled and missing([config]):
        with filelock.FileLock(Path(tempfile.gettempdir()) / "throughtime-kernels.lock"):
            for use in missing([config]).values():
                pool.schedule(prepare, args=use, timeout=SECONDS).exception()
    _compiled.add(kind)
