"""A record is believed where its key, what it is of, and its curve agree: else it is made anew, and not shown."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from throughtime.runners import load_curves, load_results, run_suite
from throughtime.runners.commands.cli import app
from throughtime.runners.cost.grid import CostRunner
from throughtime.runners.cost.store import CostStore, load_costs
from throughtime.runners.execution.run import plan_suite
from throughtime.runners.records.manifest import RunStore
from throughtime.runners.showing.summary import summarise

SUITE = """
tasks = ["two_lag(length=16)"]
algorithms = ["full", "readout_only"]
hidden_size = 4
batch_size = 4
learning_rates = [0.01, 0.02]
budget = { steps = 64 }
evaluations = 2
seeds = 2
deadline = 60
"""

COSTS = "algorithms = ['full']\ncells = ['rnn']\nlength = [2, 3]\nhidden_size = 2\nbatch_size = 2\nrounds = 3\n"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, without_workers):
    """A suite that was run: its file and its results."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "suite.toml").write_text(SUITE, encoding="utf-8")
    with without_workers():
        run_suite(folder / "suite.toml", folder / "out")
    return folder


@pytest.fixture
def results(finished, tmp_path):
    """A copy of it, to be tampered with."""
    shutil.copytree(finished / "out", tmp_path / "out")
    return tmp_path / "out"


def keys(results, algorithm="full", kind="report"):
    (group,) = [one for one in RunStore.open(results).manifest().groups if one.algorithm == algorithm]
    return getattr(group, kind)


def edit(results, key, change):
    path = results / "runs" / f"{key}.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record)
    path.write_text(json.dumps(record), encoding="utf-8")


FORGED = {
    "score": lambda record: record.update(test=record["test"] / 2),
    "no score": lambda record: record.update(test=None),
    "both scores": lambda record: record.update(validation=record["test"]),
    "curve": lambda record: record["curve"][-1].update(metric=0.001),
    "a curve cut short": lambda record: record.update(curve=record["curve"][:1]),
    "no curve": lambda record: record.update(curve=[]),
    "free-running score": lambda record: record.update(free=0.001),
    "key": lambda record: record.update(key="0" * 20),
    "no key": lambda record: record.pop("key"),
    "learning rate": lambda record: record["config"].update(learning_rate=0.5),
    "budget": lambda record: record["config"].update(budget={"steps": 10**6}),
    "seed": lambda record: record["config"].update(seed=17),
    "task": lambda record: record["config"].update(task="two_lag(length=12)"),
    "purpose": lambda record: record["config"].update(purpose="tuning"),
}


@pytest.mark.parametrize("what", FORGED)
def test_what_is_forged_is_run_again_and_not_shown(finished, results, what):
    key = keys(results)[0]
    edit(results, key, FORGED[what])
    outlook = plan_suite(finished / "suite.toml", results)
    assert (outlook.doubted, outlook.cached) == (1, 7)
    assert key not in set(load_results(results)["key"])
    assert len(load_curves(results)) == 3 * 3
    row = next(row for table in summarise(results).tables for row in table.rows if row.name == "full")
    assert row.statuses == {"done": 1}


def test_another_runs_record_under_this_name_is_neither(finished, results):
    mine, other = keys(results)[0], keys(results, "readout_only")[0]
    shutil.copy(results / "runs" / f"{other}.json", results / "runs" / f"{mine}.json")
    assert plan_suite(finished / "suite.toml", results).doubted == 1
    assert mine not in set(load_results(results)["key"])
    edit(results, mine, lambda record: record.update(key=mine))  # and with this name in it
    assert plan_suite(finished / "suite.toml", results).doubted == 1
    assert mine not in set(load_results(results)["key"])


def test_a_forged_tuning_run_chooses_nothing(finished, results):
    key = keys(results, kind="tuning")[1]
    edit(results, key, lambda record: record.update(validation=0.0))
    assert plan_suite(finished / "suite.toml", results).doubted == 1
    assert key not in set(load_results(results)["key"])


def test_what_is_as_it_was_left_is_believed(finished, results):
    outlook = plan_suite(finished / "suite.toml", results)
    assert (outlook.doubted, outlook.cached) == (0, 8)
    assert len(load_results(results)) == 8


def test_the_commands_say_so(finished, results, in_this_process):
    before = load_results(results)
    edit(results, keys(results)[0], FORGED["score"])
    shown = CliRunner().invoke(app, ["table", str(results)])
    assert f"not shown: {results / 'runs' / keys(results)[0]}.json: its score is" in shown.output
    ran = CliRunner().invoke(app, ["run", str(finished / "suite.toml"), "--out", str(results), "--workers", "1"])
    assert "\n1 records did not agree with themselves: run again\n" in ran.output
    assert "1 runs executed, 7 cached" in ran.output
    score = ["key", "test", "validation"]
    assert load_results(results)[score].equals(before[score])


FORGED_COSTS = {
    "key": lambda record: record.update(key="0" * 20),
    "size": lambda record: record["point"].update(length=50),
    "nothing measured": lambda record: record.update(wall=None),
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory, without_workers):
    folder = tmp_path_factory.mktemp("costs")
    (folder / "costs.toml").write_text(COSTS, encoding="utf-8")
    runner = CostRunner(folder / "costs.toml", folder / "out", device="cpu")
    with without_workers(), runner.store.locked():
        runner.run()
    return folder


@pytest.mark.parametrize("what", FORGED_COSTS)
def test_a_forged_point_is_measured_again_and_not_shown(measured, tmp_path, what):
    shutil.copytree(measured / "out", tmp_path / "out")
    path = tmp_path / "out" / "points" / f"{CostStore(tmp_path / 'out').manifest().lines[0].keys[0]}.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    FORGED_COSTS[what](record)
    path.write_text(json.dumps(record), encoding="utf-8")
    runner = CostRunner(measured / "costs.toml", tmp_path / "out", device="cpu")
    assert [job.key for job in runner.missing()] == [path.stem]
    assert list(runner.store.doubted) == [path.stem]
    (line,) = load_costs(tmp_path / "out").lines
    assert (len(line.costs), line.missing) == (1, 1)
