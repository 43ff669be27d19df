"""Many starts of one suite into one directory: one runs, the others are told so, and nothing is lost.

The long form starts 45 at once: `pytest -m long tests/runners/records/test_together.py`.
"""

import re
import sys
from pathlib import Path

import pytest

from throughtime.runners import load_results
from throughtime.runners.records.files import is_temporary

from ..conftest import told_by

pytestmark = pytest.mark.skipif(not hasattr(sys, "getdlopenflags"), reason="this system does not fork")

SUITE = """
tasks = ["two_lag(length=16)"]
algorithms = ["full", "readout_only"]
hidden_size = 2
batch_size = 2
learning_rates = [0.01]
budget = { steps = 160 }
evaluations = 1
seeds = 2
"""

RUNS = 4


def together(folder, number):
    """Start the suite so often at once; how each ended and what it printed."""
    (folder / "suite.toml").write_text(SUITE, encoding="utf-8")
    words = [folder, number, "run", "suite.toml", "--out", "out"]
    return told_by(Path(__file__).with_name("together.py"), *words, patience=1000)


@pytest.mark.parametrize("number", [2, pytest.param(45, marks=[pytest.mark.long, pytest.mark.timeout(1200)])])
def test_one_of_them_runs(tmp_path, number):
    ended = together(tmp_path, number)
    assert len(ended) == number
    executed = 0
    for code, printed in ended:
        assert "Traceback" not in printed
        assert code in (0, 2), printed
        if code == 2:
            assert "another `throughtime run` is writing to 'out'; wait for it" in printed, printed
        else:  # the one that ran, and those that came when it had ended
            executed += int(re.search(r"(\d+) runs executed", printed).group(1))
    assert executed == RUNS
    assert list(load_results(tmp_path / "out")["status"]) == ["done"] * RUNS
    assert not [path for path in (tmp_path / "out").rglob("*") if is_temporary(path.name)]
