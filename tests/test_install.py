"""A fresh environment with the wheel of throughtime and a package of one's own: listed, verified, and in a suite."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("parts", "networks", "tasks", "algorithms", "forcings", "runners")

SUITE = """
tasks = ["two_lag(length=16)"]
algorithms = ["full", "an_idea(k=4)"]
hidden_size = 4
batch_size = 4
learning_rates = [0.01]
budget = { steps = 64 }
evaluations = 1
seeds = 1
"""

pytestmark = pytest.mark.timeout(900)


def run(*words, cwd):
    """Run a command to its end, which must be a good one: its output."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        env={**environment, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.fixture
def fresh(tmp_path):
    """An environment in which the two are installed as wheels; libraries are those of this one. The folder it is in."""
    folder = tmp_path / "fresh"
    folder.mkdir()
    source = folder / "source"
    source.mkdir()
    for room in ROOMS:
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    run(sys.executable, "-m", "venv", "--without-pip", "environment", cwd=folder)
    python = folder / "environment" / "bin" / "python"
    (site,) = (folder / "environment" / "lib").glob("python*/site-packages")
    # A path in a .pth file is searched after the environment's own, and .pth files within it are not followed: what is
    # installed here as editable is not found there.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--ignore-installed"]
    run(*pip, "install", *offline, source, cwd=folder)
    shutil.rmtree(source)
    run(folder / "environment" / "bin" / "throughtime", "new", "algorithm", "an_idea", "--package", cwd=folder)
    run(*pip, "install", *offline, "./an_idea", cwd=folder)
    shutil.rmtree(folder / "an_idea")
    return folder


COMMANDS = """
import sys
import throughtime.runners.commands.cli as cli

print(cli.__file__)
for words in (["list"], ["verify", "an_idea"], ["run", "suite.toml", "--out", "out", "--workers", "1"]):
    print("$", *words, flush=True)
    sys.argv = ["throughtime", *words]
    try:
        cli.main()
    except SystemExit as end:
        if end.code:
            raise
"""
"""One after the other, as torch takes seconds to be imported."""


def test_it_is_listed_verified_and_runs_beside_the_built_ins(fresh):
    """One test: workers that share the tests would else make the environment twice."""
    (fresh / "suite.toml").write_text(SUITE, encoding="utf-8")
    printed = run(fresh / "environment" / "bin" / "python", "-c", COMMANDS, cwd=fresh)
    file, listed, verified, output = re.split(r"^\$ .*$", printed, flags=re.MULTILINE)
    assert (fresh / "environment").resolve() in Path(file.strip()).resolve().parents

    (entry,) = re.findall(r"^  an_idea\(.*(?:\n {20,}.*)*", listed, flags=re.MULTILINE)
    assert "an_idea.py]" in entry

    assert "an_idea: 17 checks" in verified
    assert "FAILED" not in verified

    assert "| an_idea(k=4)" in output
    assert "report runs: 2 done." in output
