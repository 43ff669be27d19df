"""A kill or a full disk at any operation on files: nothing torn or lost, no traceback, and the same command goes on.

The short form harms one operation of each kind; the long one, each of them in both ways:
`pytest -m long tests/runners/records/test_crashes.py`.
"""

import sys
from pathlib import Path

import pytest

from ..conftest import told_by

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="files that are synced are known by /proc")

SUITE = """
tasks = ["two_lag(length=16)"]
algorithms = ["full", "readout_only"]
hidden_size = 2
batch_size = 2
learning_rates = [0.01]
budget = { steps = 32 }
evaluations = 1
seeds = 1
"""

COSTS = "algorithms = ['full']\ncells = ['rnn']\nlength = [2, 3]\nhidden_size = 2\nbatch_size = 2\nrounds = 3\n"

WORDS = {"run": SUITE, "cost": COSTS}


def crash(folder, places, command, patience):
    """What the script finds: how many operations there are, how many it harmed, and what went wrong where."""
    (folder / "source").mkdir()
    (folder / "source" / "suite.toml").write_text(WORDS[command], encoding="utf-8")
    words = [folder / "source", places, command, "suite.toml", "--out", "out"]
    told = told_by(Path(__file__).with_name("crash.py"), *words, patience=patience)
    wrong = {(how, kind, path): words for how, kind, path, words in told["found"] if words}
    return len(told["operations"]), len(told["found"]), wrong


def test_one_operation_of_each_kind(tmp_path):
    _, harmed, wrong = crash(tmp_path, "some", "run", 200)
    assert not wrong
    assert harmed == 6


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("command", "least"), [("run", 71), ("cost", 30)])
def test_every_operation(tmp_path, command, least):
    operations, harmed, wrong = crash(tmp_path, "all", command, 7000)
    assert not wrong
    assert harmed == 2 * operations >= 2 * least
