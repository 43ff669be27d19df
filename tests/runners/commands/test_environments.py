"""Whatever the surroundings: no traceback, and the same scores.

The short form has two of them that are as bad as they come, and its jobs done without workers; the long one has each by
itself, with workers: `pytest -m long tests/runners/commands/test_environments.py`.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from throughtime.runners import load_results, run_suite

COMMANDS = """
import os, sys
from throughtime.runners.commands.cli import main
folder, here = sys.argv[1:]
if here:
    sys.path.insert(0, here)
    from throughtime.runners.execution import local
    import crash
    local.worker_pool = crash.here
suite, out = os.path.join(folder, "suite.toml"), os.path.join(folder, "out")
for words in (["list"], ["describe", "full"], ["run", suite, "--out", out], ["table", out], ["check", "--help"]):
    sys.argv = ["throughtime", *words]
    try:
        main()
    except SystemExit as end:
        if end.code:
            sys.exit(f"{words} ended with {end.code}")
"""


VARIABLES = {
    "a plain C locale": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ASCII alone": {"PYTHONIOENCODING": "ascii"},
    "a Windows code page": {"PYTHONIOENCODING": "cp1252:strict"},
    "a dumb terminal": {"TERM": "dumb", "COLUMNS": "40", "NO_COLOR": "1"},
    "a narrow terminal that is none": {"COLUMNS": "1", "LINES": "1", "FORCE_COLOR": "1"},
    "a terminal that nobody knows": {"TERM": "", "COLUMNS": "wide"},
    "no home": {"HOME": None, "USER": None, "LOGNAME": None, "XDG_CACHE_HOME": None, "XDG_CONFIG_HOME": None},
    "a home that can't be written": {"HOME": "/proc", "XDG_CACHE_HOME": "/proc", "XDG_CONFIG_HOME": "/proc"},
    "no temporary folder": {"TMPDIR": "/nowhere"},
    "a temporary folder that can't be written": {"TMPDIR": "/proc"},
    "optimized": {"PYTHONOPTIMIZE": "2"},
    "development mode": {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "ignore"},
    "another time zone": {"TZ": "Pacific/Kiritimati"},
    "four threads": {"OMP_NUM_THREADS": "4", "MKL_NUM_THREADS": "4"},
    "threads as many as there are": {"OMP_NUM_THREADS": None},
    "no PATH": {"PATH": ""},
    "a display that is not there": {"DISPLAY": ":99", "MPLBACKEND": "TkAgg"},
    "nothing at all": None,
}

SETUPS = {
    "input closed": {"close": "0"},
    "output closed": {"close": "1"},
    "errors closed": {"close": "2"},
    "all three closed": {"close": "0 1 2"},
    "a mask that lets nobody else read": {"umask": 0o077},
    "a folder that can't be written": {"cwd": "/proc"},
    "few files open at a time": {"files": 64},
}

COMPILED = {"XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())}
"""Where kernels are compiled already, which takes long; what else may be: tests/networks/test_compiled_cache.py."""

WORST = {
    "text": {
        "variables": VARIABLES["a plain C locale"]
        | VARIABLES["a dumb terminal"]
        | VARIABLES["no home"]
        | {"PYTHONIOENCODING": "ascii", "TMPDIR": "/nowhere", "COLUMNS": "1"}
        | COMPILED
    },
    "streams": {
        "variables": VARIABLES["a home that can't be written"] | VARIABLES["another time zone"] | COMPILED,
        "close": "0 1 2",
        "umask": 0o077,
        "cwd": "/proc",
    },
}

SUITE = """
tasks = ["two_lag(length=16)"]
algorithms = ["full", "readout_only"]
hidden_size = 2
batch_size = 2
learning_rates = [0.01]
budget = { steps = 64 }
evaluations = 1
seeds = 1
"""


@pytest.fixture(scope="module")
def scores(tmp_path_factory, without_workers):
    """What the suite's runs score."""
    folder = tmp_path_factory.mktemp("right")
    (folder / "suite.toml").write_text(SUITE, encoding="utf-8")
    with without_workers():
        run_suite(folder / "suite.toml", folder / "out")
    return list(load_results(folder / "out")["test"])


def commands(folder, variables=(), *, here="", close="", umask=-1, cwd=None, files=0):
    """Give commands one after the other in such surroundings: how that ended and what was printed."""
    (folder / "suite.toml").write_text(SUITE, encoding="utf-8")
    environment = {} if variables is None else {**os.environ, **dict(variables)}
    closing = " ".join(f"{number}>&-" for number in close.split())
    limit = f"ulimit -n {files}; " if files else ""
    printed = folder / "printed"
    with printed.open("w") as output:
        ended = subprocess.run(
            ["/bin/sh", "-c", f'{limit}exec "$0" "$@" {closing}', sys.executable, "-c", COMMANDS, str(folder), here],
            env={name: value for name, value in environment.items() if value is not None},
            cwd=cwd or folder,
            umask=umask,
            stdout=output,
            stderr=output,
            timeout=600,
        )
    return ended.returncode, printed.read_text(errors="replace")


def check(folder, scores, **surroundings):
    """Nothing is different."""
    code, printed = commands(folder, **surroundings)
    assert code == 0, printed
    assert "Traceback" not in printed
    assert list(load_results(folder / "out")["test"]) == scores
    if "1" not in surroundings.get("close", ""):
        assert "report runs: 2 done" in printed


@pytest.mark.parametrize("which", WORST)
def test_the_worst_of_surroundings(tmp_path, scores, which):
    here = str(Path(__file__).parents[1] / "records")
    check(tmp_path, scores, here=here, **WORST[which])


@pytest.mark.long
@pytest.mark.timeout(700)
@pytest.mark.parametrize("which", VARIABLES)
def test_variables(tmp_path, scores, which):
    check(tmp_path, scores, variables=VARIABLES[which])


@pytest.mark.long
@pytest.mark.timeout(700)
@pytest.mark.parametrize("which", SETUPS)
def test_what_a_process_is_given(tmp_path, scores, which):
    check(tmp_path, scores, **SETUPS[which])
