"""Measuring: what is measured is kept, what failed is a row, a kill loses one point."""

import json

import pandas as pd
import pytest

from throughtime.parts import BadInput
from throughtime.runners.cost import grid
from throughtime.runners.cost.grid import CostRunner
from throughtime.runners.cost.store import load_costs
from throughtime.runners.execution import job, worker
from throughtime.runners.execution.pool import Died, Overran
from throughtime.runners.execution.progress import Silent

from .conftest import POINTS


@pytest.fixture
def runner(cost_file, tmp_path):
    """Make a runner on the tiny suite, or on it with a replacement."""

    def make(old="", new=""):
        return CostRunner(cost_file(old, new), tmp_path / "out", device="cpu")

    return make


def run(runner, on_cost=lambda cost: None):
    told = Silent()
    told.ended = on_cost
    with runner.store.locked():
        return runner.run(told)


def records(directory):
    return {path.stem: json.loads(path.read_text()) for path in (directory / "points").iterdir()}


def test_every_point_is_measured_once_and_then_cached(runner, tmp_path, in_this_process):
    first = run(runner())
    assert (first.measured, first.cached, first.statuses, first.failed) == (POINTS, 0, {"done": POINTS}, 0)
    again = run(runner())
    assert (again.measured, again.cached) == (0, POINTS)
    (record, *_) = records(tmp_path / "out").values()
    assert record["wall"]["lower"] <= record["wall"]["median"] <= record["wall"]["upper"]
    assert record["rounds"] == 3
    for name in ("peak_bytes", "carry_bytes", "flops", "ops"):
        assert record[name] > 0
    assert json.loads((tmp_path / "out" / "environment.json").read_text())["threads_per_run"] == 1
    assert len(json.loads((tmp_path / "out" / "environment.json").read_text())["load_average"]) == 3


def test_a_new_size_is_all_that_a_second_call_measures(runner, in_this_process):
    run(runner())
    more = run(runner("length = [3, 4, 5, 6]", "length = [3, 4, 5, 6, 7]"))
    assert (more.measured, more.cached) == (2, POINTS)


def test_a_kill_loses_the_point_in_flight_alone(runner, tmp_path, in_this_process):
    seen = []

    def stop(cost):
        seen.append(cost)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(runner(), stop)
    assert set(records(tmp_path / "out")) == {cost.key for cost in seen}
    assert sum(line.missing for line in load_costs(tmp_path / "out").lines) == POINTS + 1 - 3 - 1  # one stands twice
    assert run(runner()).cached == 3


def test_a_record_that_cannot_be_read_is_measured_again(runner, tmp_path, in_this_process):
    run(runner())
    victim = next((tmp_path / "out" / "points").iterdir())
    victim.write_text('{"half')
    assert run(runner()).measured == 1


def test_changed_code_is_measured_again(runner, monkeypatch, in_this_process):
    run(runner())
    monkeypatch.setattr(grid, "arithmetic", lambda device: "of another machine")
    assert len(runner().missing()) == POINTS


def test_code_that_changes_meanwhile_is_told_and_measured_again(runner, monkeypatch, in_this_process):
    made = runner()
    with monkeypatch.context() as changed:
        changed.setattr(job, "arithmetic", lambda device: "of other code")
        seen = []
        assert run(made, seen.append).statuses == {"error": POINTS}
        assert all("the code changed" in cost.reason for cost in seen)
    assert run(runner()).statuses == {"done": POINTS}


def test_another_suites_directory(runner, tmp_path, in_this_process):
    run(runner())
    with pytest.raises(BadInput, match="holds the costs of tiny on cpu, not of cost on cpu"):
        CostRunner("cost", tmp_path / "out", device="cpu")


def test_one_at_a_time(runner):
    with runner().store.locked(), pytest.raises(BadInput, match="another `throughtime cost` is writing"):
        run(runner())


ENDS = {
    "raises": (ZeroDivisionError("no"), "error", "ZeroDivisionError: no"),
    "quits": (SystemExit(3), "error", "SystemExit: 3"),
    "memory": (MemoryError("no room"), "out-of-memory", "MemoryError: no room"),
    "torch's memory": (RuntimeError("you can't allocate memory"), "out-of-memory", "can't allocate memory"),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_fails_is_a_row_that_is_tried_again(runner, monkeypatch, in_this_process, end):
    error, status, reason = ENDS[end]
    real = grid.measure

    def measure(point, cost):
        if point.algorithm == "rtrl":
            raise error
        real(point, cost)

    monkeypatch.setattr(grid, "measure", measure)
    seen = []
    summary = run(runner(), seen.append)
    assert summary.statuses == {"done": POINTS - 4, status: 4}
    assert summary.failed == 4
    assert all(reason in cost.reason for cost in seen if cost.status == status)
    monkeypatch.setattr(grid, "measure", real)
    again = run(runner())
    assert (again.measured, again.cached, again.statuses) == (4, POINTS - 4, {"done": POINTS})


def test_a_deadline_is_tried_again_only_with_more_time(runner, monkeypatch, in_this_process):
    with monkeypatch.context() as late:
        late.setattr(worker, "execute", raising(Overran()))
        assert run(runner()).statuses == {"timeout": POINTS}
    assert len(runner().missing()) == 0
    assert len(runner("rounds = 3", "rounds = 3\ndeadline = 500").missing()) == POINTS


def test_a_worker_that_dies_is_a_row(runner, monkeypatch, in_this_process):
    monkeypatch.setattr(worker, "execute", raising(Died(-9)))
    seen = []
    assert run(runner(), seen.append).statuses == {"error": POINTS}
    assert "the worker process was killed by SIGKILL" in seen[0].reason


def raising(error):
    """A function that raises it."""

    def fail(*args):
        raise error

    return fail


def test_in_a_worker_what_fails_is_a_row_and_the_others_go_on(throughtime_warm, tmp_path):
    text = "algorithms = ['hungry', 'full']\ncells = ['rnn']\nhidden_size = 2\nbatch_size = 2\nlength = [2, 3]\n"
    (tmp_path / "failing.toml").write_text(text, encoding="utf-8")
    process = throughtime_warm("cost", "failing.toml", "--out", "out", cwd=tmp_path, broken=True)
    assert process.returncode == 1, process.stderr
    assert "4 points measured, 0 cached: 2 done, 2 out-of-memory." in process.stdout
    table = pd.read_csv(tmp_path / "out" / "table.csv").set_index("algorithm")
    assert "can't allocate memory" in table.loc["hungry", "reason"].to_list()[0]
    assert table.loc["full", "status"].to_list() == ["done", "done"]
    for name in ("table.md", "table.csv", "scaling.csv", "figures/length.png"):
        assert (tmp_path / "out" / name).is_file()
        assert name in process.stdout
