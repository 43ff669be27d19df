"""Suites small enough to run in seconds, and the command line as a user meets it: in a process of its own."""

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from throughtime.runners.suite.config import RunConfig

from ..warm import POSSIBLE, InBackground, in_a_copy, warm_command, warm_command_in_background, warm_workers

BROKEN = Path(__file__).parent / "broken.py"

TINY = """
algorithms = ["full", "readout_only"]
hidden_size = 4
batch_size = 4
learning_rates = [0.01]
budget = { steps = 64 }
evaluations = 2
seeds = 2
deadline = 60

[[experiments]]
tasks = ["two_lag(length=16)"]
"""


def command() -> list[str]:
    """The command line, in this interpreter."""
    return [sys.executable, "-c", "from throughtime.runners.commands.cli import main; main()"]


def environment() -> dict[str, str]:
    """Copy this process's environment."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def told_by(script: Path, *words: object, patience: float) -> Any:
    """What a script prints as JSON, in a process that may take so many seconds, and begins as a copy of this one."""
    given = [str(script), *map(str, words)]

    def call() -> None:
        sys.path.insert(0, str(script.parent))
        sys.argv[:] = given
        runpy.run_path(str(script), run_name="__main__")

    if POSSIBLE:
        ended = in_a_copy(call, given, Path.cwd(), patience)
    else:
        told = {"capture_output": True, "text": True, "timeout": patience}
        ended = subprocess.run([sys.executable, *given], env=environment(), **told)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture(scope="session")
def throughtime(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line with some words, in the folder `cwd`; `broken=True` adds the broken plugin."""

    def call(*words: object, cwd: Path | None = None, broken: bool = False) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command(), *map(str, words), *(["--plugin", str(BROKEN)] if broken else [])],
            cwd=cwd or tmp_path_factory.mktemp("empty"),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=240,
        )

    return call


@pytest.fixture(scope="session")
def throughtime_warm(
    throughtime: Callable[..., subprocess.CompletedProcess[str]],
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """As `throughtime`, but its process, and those of its workers, are copies of this one and start at once."""

    def call(*words: object, cwd: Path, broken: bool = False) -> subprocess.CompletedProcess[str]:
        if not POSSIBLE:
            return throughtime(*words, cwd=cwd, broken=broken)
        return warm_command([*map(str, words), *(["--plugin", str(BROKEN)] if broken else [])], cwd)

    return call


@pytest.fixture
def workers_start_at_once() -> Iterator[None]:
    """Workers are processes of their own, and copies of this one."""
    with warm_workers():
        yield


@pytest.fixture(scope="session")
def throughtime_in_background() -> Callable[..., subprocess.Popen[bytes]]:
    """Start the command line, or other words of Python, in a process group of its own, and return at once."""

    def start(*words: object, python: Sequence[object] = command()[1:], **variables: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, *map(str, python), *map(str, words)],
            env={**environment(), **variables},
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    return start


@pytest.fixture(scope="session")
def throughtime_warm_in_background(
    throughtime_in_background: Callable[..., subprocess.Popen[bytes]],
) -> Callable[..., subprocess.Popen[bytes] | InBackground]:
    """As `throughtime_in_background`, of the command line, but it and its workers start at once."""

    def start(*words: object, **variables: str) -> subprocess.Popen[bytes] | InBackground:
        if not POSSIBLE:
            return throughtime_in_background(*words, **variables)
        return warm_command_in_background(list(map(str, words)), variables)

    return start


@pytest.fixture
def suite_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a suite's TOML, by default the tiny one, with replacements."""

    def write(text: str = TINY, replace: Mapping[str, str] | None = None) -> Path:
        for old, new in (replace or {}).items():
            assert old in text, f"{old!r} is not in the suite"
            text = text.replace(old, new)
        path = tmp_path / "suite.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def config() -> RunConfig:
    """A run of a few milliseconds."""
    return RunConfig.model_validate(
        {
            "task": "two_lag(length=16)",
            "cell": "rnn",
            "hidden_size": 4,
            "algorithm": "full",
            "optimizer": "adam",
            "learning_rate": 0.01,
            "clip_norm": None,
            "batch_size": 4,
            "budget": {"steps": 64},
            "evaluations": 2,
            "seed": 0,
            "purpose": "report",
        }
    )
