"""A Ctrl-C and a parent that is killed, also while workers start: no traceback, and no process that goes on alone."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from ...warm import POSSIBLE, warm_command_in_its_group
from ..conftest import command, environment
from .test_pool import workers_of

HOLDING = '''
"""Never gives Python back."""

import ctypes

from throughtime.algorithms.full import Full


class Holding(Full):
    """Sleeps in C, and keeps the lock that every Python thread needs."""

    def updates(self, network, batch, carry=None, *, generator=None):
        ctypes.PyDLL(None).sleep(600)
        yield from super().updates(network, batch, carry, generator=generator)
'''

WAITING = '''
"""Waits for a word."""

import time
from pathlib import Path

from throughtime.algorithms.full import Full


class Waiting(Full):
    """Tells that it begins, and begins when it may."""

    def updates(self, network, batch, carry=None, *, generator=None):
        Path("begun").touch()
        while not Path("go").exists():
            time.sleep(0.02)
        yield from super().updates(network, batch, carry, generator=generator)
'''

SLOW = """
import time
from pathlib import Path

Path("importing").touch()
time.sleep(600)
"""

CALLING = """
import sys
import torch
from throughtime.runners import run_suite

sys.path.insert(0, "slow")  # for the workers, which find another torch there
try:
    run_suite("suite.toml", "out", workers=2)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture
def start(tmp_path):
    """Start the command line, or after None some Python, in a process group of its own; it prints into a file.

    A warm one begins as a copy of this process.
    """
    started = []

    def begin(*words, warm=False):
        call = command() if words[0] is not None else [sys.executable, "-c"]
        with (tmp_path / "printed").open("a") as printed:
            if warm and POSSIBLE:
                started.append(warm_command_in_its_group([str(word) for word in words], tmp_path, printed.fileno()))
                return started[-1]
            process = subprocess.Popen(
                [*call, *(str(word) for word in words if word is not None)],
                cwd=tmp_path,
                env=environment(),
                start_new_session=True,
                stdout=printed,
                stderr=printed,
            )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def eventually(condition, seconds=120.0):
    """What a condition gives as soon as it is something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.005)
    raise AssertionError("it did not come to that")


def gone(processes):
    """Whether none of them is left, but for what waits to be asked how it ended."""
    return all(not one.is_running() or one.status() == psutil.STATUS_ZOMBIE for one in processes)


def left(processes, seconds=10.0):
    """Those that are still there after some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not gone(processes):
        time.sleep(0.02)
    return [one for one in processes if not gone([one])]


@pytest.mark.parametrize("after", [0.0, pytest.param(0.1, marks=pytest.mark.long)])
def test_ctrl_c_while_workers_start(start, suite_file, tmp_path, after):
    process = start("run", suite_file(), "--out", "out", "--workers", 2)
    workers = eventually(lambda: workers_of(process.pid))
    time.sleep(after)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130
    printed = (tmp_path / "printed").read_text()
    assert "interrupted; finished runs are kept" in printed
    assert "Traceback" not in printed
    assert not left(workers)


@pytest.fixture
def importing(start, suite_file, tmp_path):
    """A suite whose workers are importing torch, and go on doing so: the command's process, and theirs."""
    suite_file()
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "torch.py").write_text(SLOW, encoding="utf-8")
    process = start(None, CALLING)
    eventually((tmp_path / "importing").exists)
    return process, workers_of(process.pid)


def test_ctrl_c_while_workers_import(importing, tmp_path):
    process, workers = importing
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130
    assert "Traceback" not in (tmp_path / "printed").read_text()
    assert not left(workers)


def test_workers_that_import_do_not_outlive_a_killed_parent(importing):
    process, workers = importing
    process.kill()
    process.wait(60)
    assert workers
    assert not left(workers)


def test_workers_that_were_just_started_do_not_outlive_a_killed_parent(start, suite_file):
    process = start("run", suite_file(), "--out", "out", "--workers", 2)
    workers = eventually(lambda: workers_of(process.pid))
    process.kill()
    process.wait(60)
    assert not left(workers)


def test_a_worker_in_c_code_does_not_outlive_a_killed_parent(start, suite_file, tmp_path):
    (tmp_path / "holding.py").write_text(HOLDING, encoding="utf-8")
    path = suite_file(replace={'["full", "readout_only"]': '["holding"]', "seeds = 2": "seeds = 1"})
    process = start("run", path, "--out", "out", "--plugin", "holding.py")
    eventually(lambda: workers_of(process.pid) and (tmp_path / "out" / ".running").is_dir())
    time.sleep(4.0)  # for torch to be imported; shorter on a busy machine, and right all the same
    workers = workers_of(process.pid)
    assert workers
    process.kill()
    process.wait(60)
    assert not left(workers)


def test_a_suite_that_was_stopped_goes_on_and_none_of_its_runs_is_late(start, suite_file, tmp_path):
    (tmp_path / "waiting.py").write_text(WAITING, encoding="utf-8")
    change = {'["full", "readout_only"]': '["waiting"]', "seeds = 2": "seeds = 1", "deadline = 60": "deadline = 8"}
    process = start("run", suite_file(replace=change), "--out", "out", "--plugin", "waiting.py", warm=True)
    eventually((tmp_path / "begun").exists)
    os.killpg(process.pid, signal.SIGSTOP)
    (tmp_path / "go").touch()
    time.sleep(9.5)
    os.killpg(process.pid, signal.SIGCONT)
    process.wait(200)
    printed = (tmp_path / "printed").read_text()
    assert "report runs: 1 done." in printed, printed
