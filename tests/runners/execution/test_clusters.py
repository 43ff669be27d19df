"""Real clusters on this machine: a dask scheduler and three workers, each a process of its own, and submitit's tasks.

`pytest -m long tests/runners/execution/test_clusters.py`: about twenty minutes on two cores.
"""

import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest

from throughtime.runners import load_results

from ..conftest import command, environment

pytest.importorskip("distributed", reason="the extra dask is not installed")
pytest.importorskip("submitit", reason="the extra slurm is not installed")

pytestmark = [pytest.mark.long, pytest.mark.timeout(7200)]

TIMES = ["wall_seconds", "cpu_seconds", "time_per_step", "wall_per_step", "cpu_per_step", "seconds_to_target"]

SUITE = """
tasks = ["two_lag(length=16)"]
algorithms = ["full", "rtrl", "readout_only", "truncated(k1=2, k2=4)"]
hidden_size = 8
batch_size = 4
learning_rates = [0.01, 0.02]
budget = { steps = 6000 }
evaluations = 2
seeds = 4
deadline = 200
"""

RUNS = 4 * (2 + 4)
ROUNDS = 20
WORKERS = 3
PATIENCE = 900.0


class Cluster:
    """A scheduler and its workers, each of which dask starts again when it is lost."""

    def __init__(self, folder):
        self.file, self.folder, self.processes = folder / "scheduler.json", folder, []
        os.environ["DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES"] = "100"
        self.start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        for _ in range(WORKERS):
            self.worker()

    def start(self, kind, *words, **variables):
        words = ["-m", f"distributed.cli.{kind}", *words, "--scheduler-file", str(self.file)]
        with (self.folder / "dask.log").open("a") as log:
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, *words],
                    env={**environment(), **variables},
                    stdout=log,
                    stderr=log,
                    cwd=self.folder,
                )
            )

    def worker(self, **variables):
        self.start("dask_worker", "--nthreads", "1", "--memory-limit", "0", "--no-dashboard", **variables)

    @property
    def address(self):
        deadline = time.monotonic() + 60
        while not self.file.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        import json

        time.sleep(0.5)
        return json.loads(self.file.read_text())["address"]

    @property
    def workers(self):
        """The processes that the nannies started."""
        nannies = [psutil.Process(one.pid) for one in self.processes[1:] if one.poll() is None]
        found = [child for nanny in nannies for child in nanny.children()]
        return [one for one in found if any("spawn_main" in word for word in one.cmdline())]

    def stop(self):
        for one in reversed(self.processes):
            one.terminate()
        for one in self.processes:
            try:
                one.wait(30)
            except subprocess.TimeoutExpired:
                one.kill()


@pytest.fixture
def cluster(tmp_path):
    """A dask cluster of this machine."""
    made = Cluster(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def begin(tmp_path):
    """Start `throughtime run` with some words, in a process group of its own."""
    started = []
    (tmp_path / "suite.toml").write_text(SUITE, encoding="utf-8")

    def start(suite, out, *words):
        with (tmp_path / "printed").open("a") as printed:
            process = subprocess.Popen(
                [*command(), "run", suite, "--out", out, *map(str, words)],
                cwd=tmp_path,
                env=environment(),
                start_new_session=True,
                stdout=printed,
                stderr=printed,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def scores(directory):
    """All that a run gives but its times, by key."""
    return load_results(directory).drop(columns=TIMES).set_index("key").sort_index()


def test_quickstart_is_the_same_to_the_last_bit_wherever_it_runs(cluster, begin, tmp_path):
    assert begin("quickstart", "here").wait(PATIENCE) == 0, (tmp_path / "printed").read_text()
    assert begin("quickstart", "dask", "--executor", "dask", "--scheduler", cluster.address).wait(PATIENCE) == 0
    slurm = ("--executor", "slurm", "--slurm", "cluster=local", "--workers", 2)
    assert begin("quickstart", "slurm", *slurm).wait(PATIENCE) == 0
    here = scores(tmp_path / "here")
    assert len(here) > 30
    assert here.equals(scores(tmp_path / "dask"))
    assert here.equals(scores(tmp_path / "slurm"))


def test_twenty_workers_killed_lose_nothing(cluster, begin, tmp_path):
    assert begin("suite.toml", "right").wait(PATIENCE) == 0
    chance, number, process, killed = random.Random(0), 0, None, 0
    while killed < ROUNDS:
        if process is None or process.poll() is not None:
            assert process is None or process.returncode == 0, (tmp_path / "printed").read_text()[-3000:]
            number += 1
            process = begin("suite.toml", f"out{number}", "--executor", "dask", "--scheduler", cluster.address)
        busy = [one for one in cluster.workers if any(child.cpu_times().user > 2 for child in one.children())]
        if busy:
            time.sleep(chance.uniform(0.0, 1.0))
            if process.poll() is None:
                victim = chance.choice(busy)
                victim.kill()
                victim.wait(10)
                killed += 1
        time.sleep(0.1)
    assert process.wait(PATIENCE) == 0, (tmp_path / "printed").read_text()[-3000:]
    right = scores(tmp_path / "right")
    assert len(right) == RUNS
    for k in range(1, number + 1):
        assert right.equals(scores(tmp_path / f"out{k}"))


@pytest.mark.parametrize("executor", ["dask", "slurm"])
def test_a_killed_client_is_followed_by_another(cluster, begin, tmp_path, executor):
    words = {
        "dask": ("--executor", "dask", "--scheduler", cluster.address),
        "slurm": ("--executor", "slurm", "--slurm", "cluster=local", "--workers", 2),
    }[executor]
    process = begin("suite.toml", "out", *words)
    deadline = time.monotonic() + PATIENCE
    while len(list((tmp_path / "out" / "runs").glob("*.json"))) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    kept = {path.name: path.read_bytes() for path in (tmp_path / "out" / "runs").glob("*.json")}
    assert 4 <= len(kept) < RUNS
    assert begin("suite.toml", "out", *words).wait(PATIENCE) == 0, (tmp_path / "printed").read_text()[-3000:]
    assert len(scores(tmp_path / "out")) == RUNS
    assert {name: (tmp_path / "out" / "runs" / name).read_bytes() for name in kept} == kept


def test_a_worker_with_another_version_is_refused_by_name(cluster, begin, tmp_path):
    info = tmp_path / "other" / "throughtime-0.0.9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: throughtime\nVersion: 0.0.9\n", encoding="utf-8")
    cluster.worker(PYTHONPATH=str(info.parent))
    address = cluster.address
    deadline = time.monotonic() + 60
    while len(cluster.workers) < WORKERS + 1 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(5)
    process = begin("suite.toml", "out", "--executor", "dask", "--scheduler", address)
    assert process.wait(PATIENCE) == 2
    printed = (tmp_path / "printed").read_text()
    assert "throughtime 0.0.9 on the worker, and throughtime 0.1.0 here" in printed
    assert not list((tmp_path / "out" / "runs").glob("*.json"))
    assert "Traceback" not in printed


def test_ctrl_c_leaves_no_process_and_no_traceback(begin, tmp_path):
    process = begin("suite.toml", "out", "--executor", "dask", "--workers", 2)
    deadline = time.monotonic() + PATIENCE
    while not list((tmp_path / "out" / "runs").glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    left = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130
    printed = (tmp_path / "printed").read_text()
    assert "interrupted; finished runs are kept" in printed
    assert "Traceback" not in printed
    _, alive = psutil.wait_procs(left, 15)
    assert not alive
