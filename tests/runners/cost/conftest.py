"""Tiny cost suites, and a pool that works in this process."""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import pytest

from throughtime.runners.execution import local

TINY = """
title = "A tiny one"
algorithms = ["full", "rtrl"]
cells = ["rnn"]
length = 3
hidden_size = 4
batch_size = 2
rounds = 3
seconds = 0.001

[[sweeps]]
length = [3, 4, 5, 6]

[[sweeps]]
hidden_size = [2, 3, 4]
algorithms = ["full"]
"""
POINTS = 4 + 4 + 3 - 1
"""One point is in both sweeps."""


@pytest.fixture
def cost_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a cost suite's TOML, by default the tiny one, with a replacement."""

    def write(old: str = "", new: str = "") -> Path:
        assert old in TINY
        path = tmp_path / "tiny.toml"
        path.write_text(TINY.replace(old, new) if old else TINY, encoding="utf-8")
        return path

    return write


class Pool:
    """Stands in for `pebble.ProcessPool`: each future is worked on at once, in this process."""

    def schedule(self, work, args=(), timeout=None):
        future = Future()
        try:
            future.set_result(work(*args))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Points are measured without a worker, which takes seconds to start."""

    @contextmanager
    def pool(workers, jobs_a_process):
        yield Pool()

    monkeypatch.setattr(local, "worker_pool", pool)
