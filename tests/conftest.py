"""One torch thread everywhere, the same random examples at every run, and jobs and commands done in this process."""

import contextlib
import functools
import gc
import importlib.metadata
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

os.environ["OMP_NUM_THREADS"] = "1"  # worker processes started by a test inherit it
torch.set_num_threads(1)
torch.set_warn_always(True)  # torch warns once a process; a test must not depend on those before it
# A shell has its jobs in the background ignore Ctrl-C, and whatever they start: tests of it would wait in vain.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_distributions = functools.cache(lambda _path, ask=importlib.metadata.packages_distributions: ask())
# Which package brings which module: a plugin's code asks for each run, and to read all that is installed takes long.
importlib.metadata.packages_distributions = lambda: _distributions(tuple(sys.path))

settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Run each benchmark once and untimed, unless they are asked for: `--benchmark-only`, `--benchmark-enable`."""
    gc.disable()  # until all is collected: what is imported stays, and to look through it over and over takes long
    if not (config.option.benchmark_only or config.option.benchmark_enable):
        config.option.benchmark_disable = True


LONG = ("tests/test_guide.py", "tests/test_install.py", "tests/runners")
"""Where the tests that take seconds are, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deal out the long tests first, so that at the end none is left alone: the rest take milliseconds."""

    def place(item: pytest.Item) -> int:
        return next((number for number, start in enumerate(LONG) if item.nodeid.startswith(start)), len(LONG))

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what is imported and collected: counters and statsmodels call it often."""
    gc.freeze()
    gc.enable()


class Pool:
    """Stands in for a pool of workers: each future is worked on at once, in this process, and has no deadline."""

    def schedule(self, work: Callable[..., Any], args: tuple[Any, ...] = (), timeout: float | None = None) -> Future:
        future = Future()
        try:
            future.set_result(work(*args))
        except Exception as error:
            future.set_exception(error)
        return future


def do_jobs_here(patch: pytest.MonkeyPatch) -> None:
    """Let jobs be done without a worker, which takes seconds to start, and figures be saved small."""
    from throughtime.runners.execution import local
    from throughtime.runners.showing import saved
    from throughtime.runners.verify import run

    @contextmanager
    def pool(workers: int, jobs_a_process: int = 0) -> Iterator[Pool]:
        yield Pool()

    for module in (local, run):
        patch.setattr(module, "worker_pool", pool)
    patch.setattr(saved, "DPI", 20)


@contextmanager
def jobs_here() -> Iterator[None]:
    """In this block jobs are done without a worker."""
    with pytest.MonkeyPatch.context() as patch:
        do_jobs_here(patch)
        yield


@pytest.fixture(scope="session")
def without_workers() -> Callable[[], AbstractContextManager[None]]:
    """A block without workers, for what a whole module shares; a single test takes `in_this_process`.

    What a worker is for is tested with real ones: kills, deadlines, memory, and plugins that wreck their process.
    """
    return jobs_here


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are done without a worker; undone with all that the test itself replaces, the last one first."""
    do_jobs_here(monkeypatch)


@dataclass(frozen=True)
class Ended:
    """How a command ended, by the names that a process has for it."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def throughtime_here() -> Callable[..., Ended]:
    """Call the command line in this process, in a folder, its jobs without a worker; nothing of it stays behind."""
    from typer.testing import CliRunner

    from throughtime.parts import registry
    from throughtime.runners.commands.cli import app
    from throughtime.runners.suite import plugins

    def call(*words: object, cwd: Path) -> Ended:
        path, before = list(sys.path), set(sys.modules)
        try:
            with jobs_here(), contextlib.chdir(cwd):
                result = CliRunner().invoke(app, [str(word) for word in words])
        finally:
            plugins.forget()
            sys.path[:] = path
            registry.installed.cache_clear()
            for name in set(sys.modules) - before:  # what plugins imported from the folder that they lie in
                if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(cwd):
                    del sys.modules[name]
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    return call
