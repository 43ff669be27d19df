"""The command `throughtime new`, and what it writes of each kind."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from throughtime.parts import registry
from throughtime.runners.commands.cli import app
from throughtime.runners.suite.plugins import forget

from ..conftest import environment

NAMES = {"algorithm": "an_idea", "task": "a_new_task", "cell": "another_cell"}

kinds = pytest.mark.parametrize("kind", NAMES)


@pytest.fixture
def nothing_stays():
    """A test that ends without plugins."""
    path = list(sys.path)
    yield
    forget()
    sys.path[:] = path
    registry.installed.cache_clear()
    for name in NAMES.values():
        sys.modules.pop(name, None)


@pytest.fixture
def new(nothing_stays, tmp_path, monkeypatch):
    """Call the command in an empty folder: the exit code and what was printed."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        result = CliRunner().invoke(app, ["new", *map(str, words)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    return call


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with a part of each kind as files, and one of each as a package below `packages`."""
    folder = tmp_path_factory.mktemp("new")
    for kind, name in NAMES.items():
        for words in ([], ["--package"]):
            out = folder / "packages" if words else folder
            result = CliRunner().invoke(app, ["new", kind, name, "--out", str(out), *words])
            assert result.exit_code == 0, result.output
    return folder


def start(*words, cwd, **variables):
    """Run a command to its end, which must be a good one: its output."""
    process = subprocess.run(
        list(map(str, words)), cwd=cwd, env={**environment(), **variables}, capture_output=True, text=True, timeout=240
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout
