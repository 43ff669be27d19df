"""Called from a script, with or without a main guard, or from what is typed: it runs, or says before why it can't."""

import subprocess
import sys

import pytest

from throughtime.parts import BadInput
from throughtime.runners.cost.grid import CostRunner
from throughtime.runners.verify.run import Part

from ..conftest import environment

CALLING = """
from throughtime.runners import load_results, run_suite

{before}
print(run_suite("suite.toml", "out", workers=1).statuses)
print(list(load_results("out")["status"]))
"""

CLASS = """
from throughtime.algorithms import ALGORITHMS
from throughtime.algorithms.full import Full


class Mine(Full):
    pass


ALGORITHMS.add(Mine)
"""


def call(how, text, folder):
    if how == "a script":
        (folder / "script.py").write_text(text, encoding="utf-8")
    words, given = {"a script": (["script.py"], None), "a pipe": (["-"], text), "a word": (["-c", text], None)}[how]
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment(),
        input=given,
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.mark.parametrize(
    "how", ["a script", *(pytest.param(how, marks=pytest.mark.long) for how in ("a pipe", "a word"))]
)
def test_no_main_guard_is_needed(suite_file, tmp_path, how):
    suite_file(replace={"seeds = 2": "seeds = 1"})
    ended = call(how, CALLING.format(before=""), tmp_path)
    assert ended.stdout == "{'done': 2}\n['done', 'done']\n", ended.stderr


@pytest.mark.parametrize("how", ["a script", "a pipe"])
def test_a_class_that_no_worker_can_find_is_told_before_anything_runs(suite_file, tmp_path, how):
    suite_file(replace={'"full"': '"mine"'})
    ended = call(how, CALLING.format(before=CLASS), tmp_path)
    assert ended.returncode == 1
    assert "BadInput: the algorithm Mine is defined in the script" in ended.stderr
    assert "write it into a file of its own and give that with --plugin FILE" in ended.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture
def mine():
    """A class that was added to a registry, and is in no file that a worker would load."""
    from throughtime.algorithms import ALGORITHMS
    from throughtime.algorithms.full import Full

    yield ALGORITHMS.add(type("Mine", (Full,), {"__module__": __name__}))
    ALGORITHMS.remove("mine")


def test_the_laboratories_say_so_too(mine, tmp_path):
    (tmp_path / "costs.toml").write_text(
        "algorithms = ['mine']\ncells = ['rnn']\nlength = [2, 3]\nhidden_size = 2\nbatch_size = 2\n", encoding="utf-8"
    )
    with pytest.raises(BadInput, match=r"the algorithm Mine .* can't know it"):
        CostRunner(tmp_path / "costs.toml", tmp_path / "out", device="cpu")
    with pytest.raises(BadInput, match=r"the algorithm Mine .* can't know it"):
        _ = Part("algorithm", "mine").files
