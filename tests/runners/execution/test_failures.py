"""Every way to fail is one row with a status and a reason, beside the rows that worked."""

import pytest

from throughtime.runners import load_results
from throughtime.runners.records.manifest import RunStore

from ..conftest import BROKEN

FAILING = """
algorithms = [
    "full", "raising", "killed", "sleeping", "hungry", "quitting", "leaving", "chattering", "meddling", "misshapen",
    "not_a_number", "unmakeable", "vanishing", "unnamed", "halting", "deaf", "lingering", "interrupting", "closing",
    "cancelled", "skipping", "undecodable", "unspeakable", "unopenable",
]
hidden_size = 4
batch_size = 4
learning_rates = [0.01]
budget = { steps = 160 }
evaluations = 2
seeds = 1
deadline = 10

[[experiments]]
tasks = ["two_lag(length=16)"]

[[experiments]]
tasks = ["two_lag(length=17)"]
algorithms = ["full"]
learning_rates = [1e6]
optimizer = "sgd"

[[experiments]]
tasks = ["missing"]
algorithms = ["full"]

[[experiments]]
tasks = ["boundless"]
algorithms = ["full"]
"""

EXPECTED = {
    "two_lag(length=16)/full": ("done", ""),
    "two_lag(length=16)/raising": ("error", "ZeroDivisionError: the sixth call is too much"),
    "two_lag(length=16)/killed": ("error", "the worker process was killed by SIGKILL"),
    "two_lag(length=16)/sleeping": ("timeout", "stopped at its deadline of 10 s"),
    "two_lag(length=16)/hungry": ("out-of-memory", "can't allocate memory"),
    "two_lag(length=16)/quitting": ("error", "SystemExit: 3"),
    "two_lag(length=16)/leaving": ("error", "the worker process ended with exit code 7"),
    "two_lag(length=16)/chattering": ("done", ""),
    "two_lag(length=16)/meddling": ("done", ""),
    "two_lag(length=16)/misshapen": ("error", "attempting to assign a gradient of size"),
    "two_lag(length=16)/not_a_number": ("diverged", "the training loss became nan"),
    "two_lag(length=16)/unmakeable": ("error", "no such luck"),
    "two_lag(length=16)/vanishing": ("error", "the worker process ended with exit code 0"),
    "two_lag(length=16)/unnamed": ("error", "the worker process was killed by signal"),
    "two_lag(length=16)/halting": ("error", "the worker process was stopped from outside for 10 s"),
    "two_lag(length=16)/deaf": ("error", "the worker process closed its connection to the suite"),
    "two_lag(length=16)/lingering": ("done", ""),
    "two_lag(length=16)/interrupting": ("error", "KeyboardInterrupt: not the user's"),
    "two_lag(length=16)/closing": ("error", "GeneratorExit"),
    "two_lag(length=16)/cancelled": ("error", "CancelledError"),
    "two_lag(length=16)/skipping": ("error", "Skipped: no such package"),
    "two_lag(length=16)/undecodable": ("error", "FileNotFoundError: [Errno 2] No such file or directory"),
    "two_lag(length=16)/unspeakable": ("error", "Mute: its message can't be told (KeyError)"),
    "two_lag(length=16)/unopenable": ("error", "making the algorithm 'unopenable' failed"),
    "boundless/full": ("error", "KeyError: 'no such key'"),
    "two_lag(length=17)/full": ("diverged", "the evaluation loss went from"),
    "missing/full": ("skipped", "pip install 'throughtime[nowhere]'"),
}


@pytest.fixture(scope="module")
def failed(throughtime_warm, tmp_path_factory):
    """The suite run once on the command line: its process and its results by task/algorithm."""
    folder = tmp_path_factory.mktemp("failing")
    (folder / "failing.toml").write_text(FAILING, encoding="utf-8")
    process = throughtime_warm("run", "failing.toml", "--out", "out", cwd=folder, broken=True)
    results = load_results_of_broken(folder)
    return process, results, folder


def load_results_of_broken(folder):
    """Records can be read without the plugins that made them."""
    results = load_results(folder / "out")
    return {f"{row['task']}/{row['algorithm']}": row for _, row in results.iterrows()}


@pytest.mark.parametrize("row", EXPECTED)
def test_row_has_its_status_and_reason(failed, row):
    status, reason = EXPECTED[row]
    assert failed[1][row]["status"] == status
    assert reason in failed[1][row]["reason"]


def test_no_row_is_lost(failed):
    assert set(failed[1]) == set(EXPECTED)


def test_exit_code_tells_of_the_failure(failed):
    assert failed[0].returncode == 1


def test_output_names_each_failure_and_shows_no_traceback(failed):
    for status in ("error", "timeout", "out-of-memory", "diverged", "skipped"):
        assert status in failed[0].stdout
    assert "Traceback" not in failed[0].stdout + failed[0].stderr


def test_a_part_that_cannot_be_made_is_told_before_anything_runs(failed):
    plan = failed[0].stdout.partition("Report")[0]
    assert "broken: two_lag(length=16) · teacher · unmakeable: making the algorithm 'unmakeable' failed" in plan
    assert "broken.py, line" in plan


def test_what_a_plugin_prints_goes_to_its_record_and_is_cut(failed):
    assert "xxxx" not in failed[0].stdout + failed[0].stderr
    store = RunStore.open(failed[2] / "out")
    (key,) = [group.report[0] for group in store.manifest().groups if group.algorithm == "chattering"]
    printed = store.record(key).printed
    assert printed.endswith("xxx\nblah\n")
    assert len(printed) < 5000


def test_table_keeps_every_row(failed):
    table = (failed[2] / "out" / "table.md").read_text(encoding="utf-8")
    for name in ("raising", "killed", "sleeping", "hungry", "quitting", "diverged", "skipped"):
        assert name in table


def test_traceback_of_an_error_is_kept_in_its_record(failed):
    texts = [path.read_text(encoding="utf-8") for path in (failed[2] / "out" / "runs").iterdir()]
    assert sum("the sixth call is too much" in text and "broken.py" in text for text in texts) == 1


def test_errors_are_tried_again_and_the_rest_is_cached(failed, throughtime_here):
    words = ["run", "failing.toml", "--out", "out", "--dry-run", "--plugin", BROKEN]
    again = throughtime_here(*words, cwd=failed[2])
    # done, diverged and timeout are finished; raising, killed, hungry, quitting, leaving and misshapen are not
    assert "7 cached, 16 to be tried again" in again.stdout


def test_timeout_is_tried_again_with_a_longer_deadline(failed, throughtime_here):
    suite = failed[2] / "failing.toml"
    suite.write_text(FAILING.replace("deadline = 10", "deadline = 400"), encoding="utf-8")
    words = ["run", "failing.toml", "--out", "out", "--dry-run", "--plugin", BROKEN, "--only", "algorithm=sleeping"]
    try:
        again = throughtime_here(*words, cwd=failed[2])
    finally:
        suite.write_text(FAILING, encoding="utf-8")
    assert "1 to be tried again" in again.stdout


def test_only_skipped_runs_exit_with_0(throughtime_here, tmp_path):
    text = 'algorithms = ["full"]\nlearning_rates = [0.01]\nbudget = { steps = 16 }\ntasks = ["missing"]\n'
    (tmp_path / "skipped.toml").write_text(text, encoding="utf-8")
    process = throughtime_here("run", "skipped.toml", "--out", "out", "--plugin", BROKEN, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "pip install 'throughtime[nowhere]'" in process.stdout
