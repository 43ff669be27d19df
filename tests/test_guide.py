"""Every file and command of README and docs, as a reader types them, in the order in which they stand."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import shellingham
import torch

from throughtime.algorithms import make_algorithm
from throughtime.runners import algorithm_checks
from throughtime.runners.suite.plugins import forget, load_plugin
from throughtime.runners.verify import problems
from throughtime.runners.verify.problems import make_problem

from .warm import warm_pytest

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"(?:<!-- (file|command): (\S+) -->\n)?```(\w+)\n(.*?)```", re.DOTALL)

ELSEWHERE = {
    "throughtime cost": "takes minutes; tests/runners/cost runs it on a small suite",
    "throughtime check --against main": "needs a branch; tests/runners/gate runs it on a repository of its own",
}

SHORT = {
    "budget = { steps = 1280 }\nseeds = 3": "budget = { steps = 80 }\nevaluations = 1\nseeds = 2",
    "budget = { steps = 640 }\nevaluations = 4": "budget = { steps = 80 }\nevaluations = 1",
}
"""What the pages' suites are trained for here: that they work, and what a table holds, do not depend on it."""

SMOKE = "throughtime run truncation --tier smoke"
FEWER = {
    # Two of the checks, all of which `throughtime verify` has just done.
    "pytest -q test_rank_one.py": "pytest -q test_rank_one.py -k 'losses_are_means or carries_the_state_on'",
    # Two rows of each task; tests/runners/showing/test_windows.py plans them all and draws the figure of windows.
    SMOKE: f"{SMOKE} --only \"cell=rnn(init='orthogonal', gain=0.95)\"",
}
"""What a command does here in place of many times the same."""

COMPLETION = "throughtime --install-completion"

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Step:
    """A command that was executed in a folder."""

    command: str
    code: int
    output: str


def shortened(text):
    """A file as a page has it, but trained for a moment."""
    for long, short in SHORT.items():
        text = text.replace(long, short)
    return text


@pytest.fixture
def execute(throughtime_here, monkeypatch):
    """Execute a line as a shell does: throughtime here, pytest in a copy of this process, all else by itself.

    What is verified is so on one cell; tests/runners/commands/test_new.py verifies a written algorithm on all of them.
    """
    monkeypatch.setattr(problems, "CELLS", problems.CELLS[:1])
    monkeypatch.setattr(shellingham, "detect_shell", lambda: ("bash", "/bin/bash"))  # this process may have none
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))

    def line(command, folder):
        program, *words = shlex.split(FEWER.get(command, command))
        if command == COMPLETION:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("HOME", str(folder))  # into whose start-up file it writes
                done = throughtime_here(*words, cwd=folder)
        elif program == "throughtime":
            done = throughtime_here(*words, cwd=folder)
        elif program == "pytest":
            done = warm_pytest(*words, cwd=folder)
        else:
            done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, timeout=600)
        return Step(command, done.returncode, done.stdout + done.stderr)

    return line


@pytest.fixture
def follow(execute, tmp_path):
    """Write the files of a page and run its commands; the two of README that install are run by .ci/run."""

    def page(path):
        steps = []
        for kind, name, language, text in BLOCK.findall((ROOT / path).read_text(encoding="utf-8")):
            if kind == "file":
                (tmp_path / name).write_text(shortened(text), encoding="utf-8")
            elif language == "sh" and kind != "command":
                commands = [line.partition("#")[0].strip() for line in text.splitlines()]
                steps += [execute(command, tmp_path) for command in commands if command and command not in ELSEWHERE]
        return steps

    return page


# Each page is followed in a single test: workers that share the tests would else follow it twice.


def test_every_command_of_the_readme_works(follow, tmp_path):
    steps = follow("README.md")
    assert len(steps) >= 8
    for step in steps:
        assert step.code == 0, f"{step.command}\n{step.output}"
    assert "throughtime.sh" in (tmp_path / ".bashrc").read_text(encoding="utf-8")


def test_the_guide_ends_with_a_verified_and_ranked_row(follow, tmp_path):
    steps = follow("docs/add-an-algorithm.md")
    assert len(steps) >= 6
    for step in steps:
        assert step.code == 0, f"{step.command}\n{step.output}"
    first, last = [step.output for step in steps if step.command == "throughtime verify rank_one.py"]
    assert "FAILED" not in first + last
    assert "the mean is the exact gradient" in last
    (table,) = [step.output for step in steps if step.command == "throughtime table results"]
    (row,) = [line for line in table.splitlines() if line.startswith("| rank_one")]
    assert "0.6616" in row  # the floor
    whole = (tmp_path / "results" / "table.md").read_text(encoding="utf-8")
    (row,) = [line for line in whole.splitlines() if line.startswith("| rank_one")]
    assert "2 done" in row  # the short table tells only of what did not end well
    assert (tmp_path / "results" / "figures" / "gradient.png").exists()


@pytest.fixture
def edited(tmp_path):
    """Make an instance of the guide's class, with a replacement in its text."""
    page = (ROOT / "docs" / "add-an-algorithm.md").read_text(encoding="utf-8")
    (text,) = [text for kind, name, _, text in BLOCK.findall(page) if (kind, name) == ("file", "rank_one.py")]

    def make(old="", new=""):
        assert old in text
        (tmp_path / "rank_one.py").write_text(text.replace(old, new), encoding="utf-8")
        load_plugin(tmp_path / "rank_one.py")
        return make_algorithm("rank_one")

    yield make
    forget()


def test_the_guides_algorithm_is_the_built_in(edited):
    for cell in ("rnn", "lstm", "gru"):
        problem = make_problem(cell)
        found, built_in = problem.estimate(edited(), seed=3), problem.estimate(make_algorithm("uoro"), seed=3)
        assert all(torch.allclose(found[name], built_in[name], rtol=1e-9, atol=1e-12) for name in built_in)


@pytest.mark.parametrize(
    ("old", "new", "check"),
    [
        ("times(1 / rho0, theta[name])", "times(rho0, theta[name])", "is_unbiased"),
        ("batch.share(t, t + 1), (state, s, theta))", "batch.share(t, t + 1), None)", "carries_the_state_on"),
    ],
)
def test_what_the_guide_says_of_mistakes_is_true(edited, old, new, check):
    (one,) = [one for one in algorithm_checks(edited(old, new)) if one.name == check]
    assert one.find().outcome == "failed"
