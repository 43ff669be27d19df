"""A whole suite: cached the second time, the same in a fresh directory, unharmed by a kill at any moment."""

import json
import os
import signal
import time

import pytest

from throughtime.parts import BadInput
from throughtime.runners import load_results, run_suite
from throughtime.runners.execution.job import RunJob
from throughtime.runners.execution.progress import Silent
from throughtime.runners.execution.run import plan_suite
from throughtime.runners.execution.worker import check_code
from throughtime.runners.records.machine import arithmetic
from throughtime.runners.records.manifest import RunStore
from throughtime.runners.showing.summary import summarise
from throughtime.runners.showing.tables import markdown
from throughtime.runners.suite.fingerprint import Code, key_of

pytestmark = pytest.mark.usefixtures("in_this_process")  # but for the runs that are killed, which have their own

ACCURACY = ["task", "cell", "algorithm", "seed", "purpose", "status", "test", "updates", "cosine"]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory, without_workers):
    """The smoke suite's results, run once."""
    directory = tmp_path_factory.mktemp("smoke") / "results"
    with without_workers():
        return directory, run_suite("smoke", directory)


def test_smoke_runs_every_row(smoke):
    directory, summary = smoke
    results = load_results(directory)
    assert summary.executed == len(results) == 14
    assert summary.statuses == {"done": 14}
    assert set(results["status"]) == {"done"}
    assert results[["test", "peak_bytes", "wall_per_step", "cosine"]].notna().all(axis=None)


def test_second_run_finds_everything_cached(smoke):
    directory, _ = smoke
    before = {path: path.read_bytes() for path in directory.rglob("*.json")}
    summary = run_suite("smoke", directory)
    assert (summary.executed, summary.cached) == (0, 14)
    assert {path: path.read_bytes() for path in directory.rglob("*.json")} == before


def test_fresh_directory_gives_the_same_scores(smoke, tmp_path):
    run_suite("smoke", tmp_path / "again", only={"algorithm": "stochastic"})
    again = load_results(tmp_path / "again")[ACCURACY].reset_index(drop=True)
    first = load_results(smoke[0])[ACCURACY]
    expected = first[first["algorithm"].str.startswith("stochastic")].reset_index(drop=True)
    assert len(again) == 2
    assert again.equals(expected)


def test_only_runs_what_matches_and_keeps_the_rest(smoke):
    directory, _ = smoke
    summary = run_suite("smoke", directory, only={"algorithm": "rtrl"})
    assert summary.statuses == {"done": 2}
    assert len(load_results(directory)) == 14


def test_tuning_chooses_on_validation_data_with_seeds_of_its_own(suite_file, tmp_path):
    path = suite_file(replace={"learning_rates = [0.01]": "learning_rates = [1e-9, 0.1]", "steps = 64": "steps = 640"})
    run_suite(path, tmp_path / "out")
    results = load_results(tmp_path / "out")
    tuning, report = results[results["purpose"] == "tuning"], results[results["purpose"] == "report"]
    assert tuning["test"].isna().all()
    assert set(tuning["seed"]).isdisjoint(report["seed"])
    for algorithm, rows in tuning.groupby("algorithm"):
        best = rows.loc[rows["validation"].idxmin(), "learning_rate"]
        assert set(report.loc[report["algorithm"] == algorithm, "learning_rate"]) == {best}


def test_changed_budget_runs_anew_and_leaves_the_old_records(suite_file, tmp_path):
    run_suite(suite_file(), tmp_path / "out")
    old = set((tmp_path / "out" / "runs").iterdir())
    summary = run_suite(suite_file(replace={"steps = 64": "steps = 80"}), tmp_path / "out")
    assert (summary.executed, summary.cached) == (4, 0)
    assert old < set((tmp_path / "out" / "runs").iterdir())
    assert set(load_results(tmp_path / "out")["steps"]) == {80}


def test_plan_writes_nothing(suite_file, tmp_path):
    plan = plan_suite(suite_file(), tmp_path / "out")
    assert (plan.tuning, plan.report, plan.cached) == (0, 4, 0)
    assert not (tmp_path / "out").exists()


def test_every_algorithm_starts_from_the_same_network_and_sees_the_same_data(smoke):
    first = {}
    for path in (smoke[0] / "runs").iterdir():
        record = json.loads(path.read_text())
        first.setdefault(record["config"]["seed"], set()).add(record["curve"][0]["metric"])
    assert {seed: len(values) for seed, values in first.items()} == {0: 1, 1: 1}
    assert first[0] != first[1]


def test_two_runs_can_not_write_to_one_directory(suite_file, tmp_path):
    store = RunStore(tmp_path / "out")
    with store.locked(), pytest.raises(BadInput, match="another `throughtime run` is writing"):
        run_suite(suite_file(), tmp_path / "out")


def test_damaged_record_is_run_again(suite_file, tmp_path):
    run_suite(suite_file(), tmp_path / "out")
    victim = next((tmp_path / "out" / "runs").iterdir())
    victim.write_bytes(victim.read_bytes()[:100])
    summary = run_suite(suite_file(), tmp_path / "out")
    assert (summary.executed, summary.cached) == (1, 3)
    json.loads(victim.read_text())


def test_kill_of_the_process_group_loses_no_finished_run(suite_file, throughtime_warm_in_background, tmp_path):
    finished = 3  # of one alone: test_kills.py
    # Each run takes a quarter of a second and more, one after the other, so that the kill falls into
    # the middle of one.
    path = suite_file(replace={"steps = 64": "steps = 4000", "seeds = 2": "seeds = 4"})
    out = tmp_path / "out"
    process = throughtime_warm_in_background("run", path, "--out", out, "--workers", 1)
    deadline = time.monotonic() + 120
    while len(list(out.glob("runs/*.json"))) < finished and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    kept = {path: path.read_bytes() for path in out.glob("runs/*.json")}
    assert finished <= len(kept) < 8, "the kill did not fall into the middle of the suite"
    for content in kept.values():
        assert json.loads(content)["status"] == "done"

    summary = run_suite(path, out)
    assert summary.cached == len(kept)
    assert summary.statuses == {"done": 8}
    assert all(path.read_bytes() == content for path, content in kept.items())
    assert not list(out.rglob(".*.json.*"))
    assert not (out / ".running").exists()


def test_results_of_another_suite_are_not_replaced(suite_file, tmp_path):
    run_suite(suite_file(), tmp_path / "out", only={"algorithm": "full"})
    with pytest.raises(BadInput, match="holds the results of suite on cpu, not of smoke on cpu"):
        run_suite("smoke", tmp_path / "out")


def test_a_run_that_two_experiments_share_is_executed_once(suite_file, tmp_path):
    twice = '[[experiments]]\ntasks = ["two_lag(length=16)"]\n\n[[experiments]]\ntarget = 0.6'
    summary = run_suite(suite_file(replace={"[[experiments]]": twice}), tmp_path / "out")
    assert (summary.executed, summary.statuses) == (4, {"done": 4})
    assert len(load_results(tmp_path / "out")) == 4


def test_a_filter_may_be_written_in_another_way(suite_file, tmp_path):
    path = suite_file(replace={'"readout_only"': '"truncated(k1=1, k2=2)"'})
    plan = plan_suite(path, tmp_path / "out", only={"algorithm": "truncated( k2=2,k1=1 )"})
    assert (plan.report, plan.left_out) == (2, 1)


def test_code_that_changes_during_a_suite_never_stands_under_the_old_key(config):
    code = Code(("throughtime.algorithms.full", "throughtime.runners.training.train"))
    key = key_of(config.model_dump(), code.fingerprint(arithmetic("cpu")))
    check_code(RunJob(key, 1.0, code, (), config))
    with pytest.raises(RuntimeError, match="the code changed while the suite ran"):
        check_code(RunJob(key_of(config.model_dump(), "of the code before"), 1.0, code, (), config))


def test_a_tuning_run_that_breaks_is_told(suite_file, tmp_path):
    path = suite_file(replace={"[0.01]": "[0.01, 0.02]"})
    run_suite(path, tmp_path / "out")
    store = RunStore(tmp_path / "out")
    group = store.manifest().groups[0]
    broken = store.record(group.tuning[0]).model_copy(update={"status": "timeout", "deadline": 1e9, "validation": None})
    store.write_record(broken)
    summary = run_suite(path, tmp_path / "out")
    assert summary.failed == 1
    text = markdown(summarise(tmp_path / "out")).splitlines()
    assert sum("1 of the tuning runs broke" in line for line in text) == 1


def test_a_stop_between_tuning_and_report_leaves_what_was_chosen(suite_file, tmp_path, in_this_process):
    class Stops(Silent):
        def start(self, title, total, unit=""):
            if title == "Report":
                raise KeyboardInterrupt

    path = suite_file(replace={"[0.01]": "[0.01, 0.02]"})
    with pytest.raises(KeyboardInterrupt):
        run_suite(path, tmp_path / "out", reporter=Stops())
    groups = RunStore(tmp_path / "out").manifest().groups
    assert all(group.choice is not None and len(group.report) == 2 for group in groups)
