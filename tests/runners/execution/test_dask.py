"""Runs by dask: the same records as here, a worker that lacks something refused by name, what is lost told or done."""

import dataclasses
import signal
import threading

import pandas as pd
import pytest

from throughtime.parts import BadInput
from throughtime.runners import load_results, run_suite
from throughtime.runners.execution import parcel
from throughtime.runners.execution.plan import make_plan
from throughtime.runners.suite.suite import load_suite

from ...cluster import dask_here

pytest.importorskip("distributed", reason="the extra dask is not installed")

from throughtime.runners.execution.on_dask import Dask

TIMES = ["wall_seconds", "cpu_seconds", "time_per_step", "wall_per_step", "cpu_per_step"]


@pytest.fixture(scope="module")
def scheduler():
    """The address of a cluster of two workers."""
    with dask_here(2) as address:
        yield address


@pytest.fixture
def jobs(suite_file):
    """The report runs of the tiny suite."""
    return [job for row in make_plan(load_suite(suite_file())).rows for runs in row.report.values() for job in runs]


def executed(address, jobs, tmp_path, on_poll=lambda running, workers: None):
    with Dask(address) as executor:
        return list(executor.execute(jobs, notes=tmp_path, on_poll=on_poll))


def test_records_are_the_same_as_here(scheduler, suite_file, tmp_path, in_this_process):
    file = suite_file(replace={"learning_rates = [0.01]": "learning_rates = [0.01, 0.02]"})
    here = run_suite(file, tmp_path / "here")
    there = run_suite(file, tmp_path / "there", executor=Dask(scheduler))
    assert (here.executed, here.statuses) == (there.executed, there.statuses) == (8, {"done": 4})
    ours, theirs = (load_results(tmp_path / name).drop(columns=TIMES) for name in ("here", "there"))
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    assert run_suite(file, tmp_path / "there", executor=Dask("tcp://nowhere:1")).cached == 8  # nobody is asked


def test_workers_alive_are_told(scheduler, jobs, tmp_path):
    told = []
    executed(scheduler, jobs, tmp_path, lambda running, workers: told.append(workers))
    assert set(told) == {2}


def test_another_version_is_refused_before_anything_runs(scheduler, jobs, tmp_path, monkeypatch):
    monkeypatch.setattr(parcel, "_refusal", lambda needs: pytest.fail("it ran"))
    real = parcel.version
    # The client looks first; its workers, which are threads of this process, then find another version.
    asked = []

    def version(package):
        asked.append(package)
        return "0.0.9" if package == "throughtime" and asked.count(package) > 1 else real(package)

    monkeypatch.setattr(parcel, "version", version)
    with pytest.raises(BadInput, match=r"throughtime 0\.0\.9 on the worker, and throughtime \S+ here.*inproc://"):
        executed(scheduler, jobs, tmp_path)


def test_a_worker_that_comes_later_is_asked_as_well(scheduler, jobs, tmp_path, monkeypatch):
    monkeypatch.setattr(parcel, "_refusal", lambda needs: "numpy 1.0 on the worker, and numpy 2.0 here")
    with pytest.raises(BadInput, match=r"numpy 1\.0 on the worker, and numpy 2\.0 here"):
        executed(scheduler, jobs, tmp_path)


def test_no_scheduler_is_told_with_what_to_do(jobs, tmp_path, monkeypatch):
    monkeypatch.setattr("throughtime.runners.execution.on_dask.WAIT_SECONDS", 0.2)
    with pytest.raises(BadInput, match=r"no dask worker is there .* tcp://127\.0\.0\.1:9 .* dask worker ADDRESS"):
        executed("tcp://127.0.0.1:9", jobs, tmp_path)


def test_a_run_whose_workers_are_all_lost_is_an_error_that_says_so(scheduler, jobs, tmp_path, monkeypatch):
    from distributed import KilledWorker
    from distributed.client import Future

    monkeypatch.setattr(Future, "status", property(lambda future: "error"))
    monkeypatch.setattr(Future, "exception", lambda future: KilledWorker("run", None, 3))
    records = executed(scheduler, jobs, tmp_path)
    assert {record.key for record in records} == {job.key for job in jobs}
    assert {(record.status, record.reason) for record in records} == {
        ("error", "its dask worker was lost, one after the other")
    }


def test_what_waits_is_cancelled_by_ctrl_c(scheduler, jobs, tmp_path, monkeypatch):
    begun, go, done = threading.Event(), threading.Event(), []

    def refusal(needs):  # where a worker begins with a run
        begun.set()
        go.wait(30)
        done.append(needs)
        return "it was let go on"

    monkeypatch.setattr(parcel, "_refusal", refusal)
    # Nothing of these ends before the interrupt, and nothing of what waits begins after it.
    many = [dataclasses.replace(jobs[0], key=f"{number:020x}") for number in range(20)]

    def interrupt(running, workers):
        begun.wait(30)
        signal.raise_signal(signal.SIGINT)

    try:
        with pytest.raises(KeyboardInterrupt):
            executed(scheduler, many, tmp_path, interrupt)
    finally:
        go.set()
    assert len(done) <= 4  # those that ran
