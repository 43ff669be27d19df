"""Processes that begin as copies of this one, in which all is imported: a fresh interpreter takes seconds for that.

What a command or a worker does is the same from its first line on. How a real one starts is tested where that matters:
tests/test_install.py, and under tests/runners test_kills.py, test_interrupted.py, test_pool.py and test_scripts.py.
Where torch finds a GPU all are real, since what this process holds of it does not outlive a fork.
"""

import contextlib
import functools
import gc
import importlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from throughtime.algorithms.compiled.choose import available
from throughtime.parts import registry
from throughtime.runners.execution import child, process
from throughtime.runners.suite import plugins

POSSIBLE = hasattr(os, "fork") and not torch.cuda.is_available()


class Copy:
    """A copy of this process that calls a function and ends; the part of `subprocess.Popen` that workers need."""

    def __init__(
        self, function: Callable[[], object], streams: Mapping[int, int] | None = None, keep: Sequence[int] = ()
    ) -> None:
        self.returncode: int | None = None
        _import_all()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of threads, none of which it needs
            self.pid = os.fork()
        if not self.pid:
            code: object = 1
            try:
                _begin_anew(streams or {}, keep)
                function()
                code = 0
            except SystemExit as ended:
                code = ended.code
            except BaseException:
                traceback.print_exc()
            finally:
                with contextlib.suppress(BaseException):
                    sys.stdout.flush()
                    sys.stderr.flush()
                os._exit(code if isinstance(code, int) else int(code is not None))

    def poll(self) -> int | None:
        """How it ended; None as long as it did not."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """How it ended, once it has."""
        deadline = time.monotonic() + (timeout or float("inf"))
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a copy of this process", timeout)
            time.sleep(0.005)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class InBackground(Copy):
    """A copy in a process group of its own, whose standard error is read here."""

    def __init__(self, function: Callable[[], object]) -> None:
        reads, writes = os.pipe()

        def call() -> None:
            os.setsid()
            function()

        with open(os.devnull, "r+b") as nothing:  # noqa: PTH123
            super().__init__(call, {0: nothing.fileno(), 1: nothing.fileno(), 2: writes})
        os.close(writes)
        self.stderr = open(reads, "rb")  # noqa: PTH123, SIM115 (a number is no path)

    def communicate(self, timeout: float | None = None) -> tuple[None, bytes]:
        """What it says until it has ended."""
        self.wait(timeout)
        with self.stderr:
            return None, self.stderr.read()


@functools.cache
def _import_all() -> None:
    """What runs and commands import when they first need it, which each copy would do again."""
    for name in ("throughtime.runners.training.train", "torch._dynamo", "seaborn", "scipy.stats", "tabulate", "jinja2"):
        importlib.import_module(name)
    if available():
        importlib.import_module("throughtime.algorithms.compiled.calls")
        importlib.import_module("throughtime.networks.compiled.optimizers")


def _begin_anew(streams: Mapping[int, int], keep: Sequence[int]) -> None:
    """Put away what a new process would not have: open files, handlers of signals, filters of warnings, plugins."""
    gc.freeze()  # what is here stays: to look through all of it takes long, and copies it
    for number, file in streams.items():
        os.dup2(file, number)
    last = 2
    for kept in sorted(keep):
        os.closerange(last + 1, kept)
        last = kept
    os.closerange(last + 1, 4096)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    warnings.resetwarnings()
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 (a number is no path)
        for number, mode in enumerate(("r", "w", "w"))
    )
    plugins.forget()
    registry.installed.cache_clear()


def _start_worker(words: Sequence[str], *, stdin: int, pass_fds: Sequence[int], env: Mapping[str, str]) -> Copy:
    """In place of `subprocess.Popen`: a worker by its command; a copy has this process's order of words."""
    assert stdin == subprocess.DEVNULL
    assert {**env, "PYTHONHASHSEED": ""} == {**os.environ, "PYTHONHASHSEED": ""}
    *_, script, channel, parent = words
    assert script == child.__file__

    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        return Copy(lambda: child.main(int(channel), int(parent)), {0: nothing.fileno()}, pass_fds)


@contextmanager
def warm_workers() -> Iterator[None]:
    """In this block worker processes begin as copies of this one."""
    with pytest.MonkeyPatch.context() as patch:
        if POSSIBLE:
            names = ("DEVNULL", "TimeoutExpired", "_args_from_interpreter_flags")
            known = {name: getattr(subprocess, name) for name in names}
            patch.setattr(process, "subprocess", SimpleNamespace(Popen=_start_worker, **known))
        yield


def warm_command(words: Sequence[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """What the command line, in a copy of this process and with warm workers, prints and ends with."""
    from throughtime.runners.commands.cli import main

    def call() -> None:
        sys.argv[:] = ["throughtime", *words]
        with warm_workers():
            main()

    return in_a_copy(call, ["throughtime", *words], cwd)


def warm_command_in_background(
    words: Sequence[str], variables: Mapping[str, str], before: Callable[[], object] = lambda: None
) -> InBackground:
    """The command line in a copy of this process and with warm workers, which goes on by itself, after `before`."""
    from throughtime.runners.commands.cli import main

    def call() -> None:
        os.environ.update(variables)
        tempfile.tempdir = None
        before()
        sys.argv[:] = ["throughtime", *words]
        with warm_workers():
            main()

    return InBackground(call)


def warm_command_in_its_group(words: Sequence[str], cwd: Path, printed: int) -> Copy:
    """The same in a folder, in a process group of its own; what it prints goes to an open file."""
    from throughtime.runners.commands.cli import main

    def call() -> None:
        os.setsid()
        os.chdir(cwd)
        sys.argv[:] = ["throughtime", *words]
        with warm_workers():
            main()

    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        return Copy(call, {0: nothing.fileno(), 1: printed, 2: printed})


def warm_pytest(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """What `pytest WORDS` in a folder, in a copy of this process, prints and ends with."""
    given = list(map(str, words))
    if not POSSIBLE:
        command = [sys.executable, "-m", "pytest", *given]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)

    def call() -> None:
        sys.path.insert(0, "")
        for name in [name for name in os.environ if name.startswith("PYTEST_")]:
            del os.environ[name]
        sys.exit(int(pytest.main(given)))

    return in_a_copy(call, ["pytest", *given], cwd)


def in_a_copy(
    function: Callable[[], object], words: Sequence[str], cwd: Path, timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """What a function, called in a copy of this process, prints and ends with; `words` are what it stands for."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as error:

        def call() -> None:
            os.chdir(cwd)
            function()

        sys.stdout.flush()
        sys.stderr.flush()
        ended = Copy(call, {1: out.fileno(), 2: error.fileno()})
        try:
            code = ended.wait(timeout)
        except subprocess.TimeoutExpired:
            ended.kill()
            ended.wait()
            raise
        said = []
        for file in (out, error):
            file.seek(0)
            said.append(file.read().decode())
    return subprocess.CompletedProcess(words, code, *said)
