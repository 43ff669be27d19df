"""Runs by submitit's tasks: the same records, what ended while nobody looked is found, what a task loses is told.

The tasks are done by this process, or not at all; real ones, by submitit's local executor, in test_clusters.py.
"""

import json
import shutil

import pandas as pd
import pytest

from throughtime.parts import BadInput
from throughtime.runners import load_results, run_suite
from throughtime.runners.execution import on_slurm, parcel
from throughtime.runners.execution.on_slurm import Slurm
from throughtime.runners.execution.plan import make_plan
from throughtime.runners.records.store import ELSEWHERE
from throughtime.runners.suite.suite import load_suite

from ...conftest import Pool

TIMES = ["wall_seconds", "cpu_seconds", "time_per_step", "wall_per_step", "cpu_per_step"]


class Task:
    """In place of submitit's job: is done when it is asked, or runs until it is told otherwise."""

    ended, cancelled = {}, []

    def __init__(self, folder, job_id):
        self.job_id = job_id

    def done(self):
        return self.ended.get(self.job_id, False)

    @property
    def state(self):
        return "FAILED" if self.done() else "RUNNING"

    def cancel(self, check=True):
        self.cancelled.append(self.job_id)


class Engine:
    """In place of submitit's executor: the first `most` tasks do what they are given, the others nothing."""

    job_class = Task

    def __init__(self, most=99, over=True):
        self.most, self.over, self.submitted = most, over, []

    def batch(self):
        import contextlib

        return contextlib.nullcontext()

    def submit(self, share):
        task = Task(None, str(len(self.submitted)))
        self.submitted.append(share)
        if len(self.submitted) <= self.most:
            share()
        Task.ended[task.job_id] = self.over or len(self.submitted) <= self.most
        return task


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Nothing waits."""
    monkeypatch.setattr(on_slurm, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(parcel, "_pool", lambda isolated: Pool())
    monkeypatch.setattr(Task, "ended", {})
    monkeypatch.setattr(Task, "cancelled", [])
    parcel._refusal.cache_clear()


@pytest.fixture
def slurm(monkeypatch):
    """An executor over an engine."""

    def make(engine, workers=2):
        made = Slurm("cluster=local", workers)
        monkeypatch.setattr(made, "_engine", lambda folder: engine)
        return made

    return make


@pytest.fixture
def jobs(suite_file):
    return [job for row in make_plan(load_suite(suite_file())).rows for runs in row.report.values() for job in runs]


def execute(executor, jobs, tmp_path):
    (tmp_path / ".running").mkdir(exist_ok=True)
    return executor.execute(jobs, notes=tmp_path / ".running", on_poll=lambda running, workers: None)


def test_records_are_the_same_as_here(slurm, suite_file, tmp_path, in_this_process):
    file = suite_file(replace={"learning_rates = [0.01]": "learning_rates = [0.01, 0.02]"})
    run_suite(file, tmp_path / "here")
    engine = Engine()
    there = run_suite(file, tmp_path / "there", executor=slurm(engine))
    assert (there.executed, there.statuses) == (8, {"done": 4})
    ours, theirs = (load_results(tmp_path / name).drop(columns=TIMES) for name in ("here", "there"))
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    assert [len(share.parcels) for share in engine.submitted] == [2, 2, 2, 2]
    assert not (tmp_path / "there" / ELSEWHERE).exists()


def test_what_a_lost_task_did_not_do_is_told_and_what_it_did_is_kept(slurm, jobs, tmp_path):
    records = list(execute(slurm(Engine(most=1)), jobs, tmp_path))
    assert {record.key for record in records} == {job.key for job in jobs}
    assert sorted(record.status for record in records) == ["done", "done", "error", "error"]
    (reason,) = {record.reason for record in records if record.status == "error"}
    assert "the task 1 ended before it was done (FAILED)" in reason


def test_a_killed_client_loses_nothing_and_the_next_waits_for_tasks_that_go_on(slurm, jobs, tmp_path):
    first = Engine(most=1, over=False)
    records = execute(slurm(first), jobs, tmp_path)
    taken = next(records)
    saved = tmp_path / "as it was"
    shutil.copytree(tmp_path / ELSEWHERE, saved)  # what is there when the client is killed with -9
    records.close()
    assert Task.cancelled == ["0", "1"]  # as by Ctrl-C
    shutil.rmtree(tmp_path / ELSEWHERE)
    shutil.move(saved, tmp_path / ELSEWHERE)

    second = Engine()
    rest = [job for job in jobs if job.key != taken.key]
    later = execute(slurm(second), rest, tmp_path)
    found = next(later)  # the other one of the task that ended meanwhile
    assert found.status == "done"
    assert second.submitted == []
    first.submitted[1]()  # the task that went on comes to its end
    assert {record.key for record in later} | {taken.key, found.key} == {job.key for job in jobs}
    assert second.submitted == []
    assert not (tmp_path / ELSEWHERE).exists()


def test_a_task_that_is_started_again_goes_on_where_it_was(slurm, jobs, tmp_path, monkeypatch):
    pytest.importorskip("submitit", reason="the extra slurm is not installed")
    engine = Engine(most=0)
    list(execute(slurm(engine, 1), jobs, tmp_path))
    (tmp_path / "records").mkdir()
    share = on_slurm.Share(tmp_path / "records", engine.submitted[0].parcels)
    carried, real = [], on_slurm.carry_out

    def carry_out(one):
        if len(carried) == 2:
            raise InterruptedError
        carried.append(one)
        return real(one)

    monkeypatch.setattr(on_slurm, "carry_out", carry_out)
    with pytest.raises(InterruptedError):
        share()
    monkeypatch.setattr(on_slurm, "carry_out", lambda one: carried.append(one) or real(one))
    share.checkpoint().result()
    assert len(carried) == len(jobs)
    keys = {json.loads(path.read_bytes())["key"] for path in (tmp_path / "records").glob("*.json")}
    assert keys == {job.key for job in jobs}


def test_what_a_task_lacks_is_refused(slurm, jobs, tmp_path, monkeypatch):
    monkeypatch.setattr(parcel, "_refusal", lambda needs: "throughtime 0.0.9 on the worker, and throughtime 1 here")
    with pytest.raises(BadInput, match=r"throughtime 0\.0\.9 on the worker, and throughtime 1 here"):
        list(execute(slurm(Engine()), jobs, tmp_path))
    monkeypatch.undo()
    monkeypatch.setattr(parcel, "_pool", lambda isolated: Pool())
    assert {one.status for one in execute(slurm(Engine()), jobs, tmp_path)} == {"done"}  # and mended


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("partition", "write NAME=VALUE"),
        ("partitions=gpu", "can't set 'partitions'; did you mean 'partition'"),
        ("time=soon", "write minutes, or hours:minutes:seconds"),
        ("gpus=all", "gpus=all: give a number"),
        ("cluster=pbs", "it is slurm, or local"),
    ],
)
def test_settings_that_can_not_be_read(settings, message):
    with pytest.raises(BadInput, match=message):
        Slurm(settings)


def test_settings_go_to_slurm(tmp_path, monkeypatch):
    submitit = pytest.importorskip("submitit", reason="the extra slurm is not installed")
    given = {}

    class Recorder:
        def __init__(self, folder, cluster):
            given["cluster"] = cluster

        def update_parameters(self, **parameters):
            submitit.SlurmExecutor._valid_parameters()
            given.update(parameters)

    monkeypatch.setattr(submitit, "AutoExecutor", Recorder)
    Slurm("partition=gpu, time=1:30:00,gpus=2,account=me", 7)._engine(tmp_path)
    expected = {"cluster": "slurm", "name": "throughtime", "timeout_min": 90, "gpus_per_node": 2}
    slurm_own = {"slurm_partition": "gpu", "slurm_account": "me", "slurm_array_parallelism": 7}
    assert given == {**expected, **slurm_own}
    assert {name.removeprefix("slurm_") for name in slurm_own} <= submitit.SlurmExecutor._valid_parameters()
    assert {*on_slurm.WORDS} - {"cluster", "gpus", "exclude"} <= submitit.SlurmExecutor._valid_parameters()


def test_without_slurm_it_is_told_how_to_try(tmp_path, monkeypatch):
    pytest.importorskip("submitit", reason="the extra slurm is not installed")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BadInput, match=r"there is no slurm on this machine.*--slurm cluster=local"):
        Slurm("partition=gpu")._engine(tmp_path)
