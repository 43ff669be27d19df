"""Tiny cost suites."""

from collections.abc import Callable
from pathlib import Path

import pytest

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
