"""Measures what ten thousand runs cost besides themselves: ``python results/many_runs.py``, about ten minutes.

Runs that do nothing go through each executor, so that all that is measured is the suite's own work: planning, packing,
checking the code, sending, writing a record. Then a suite of ten thousand finished runs is asked for again and shown.
Last the coordinator alone, before a thousand workers that are made up: their time passes without a clock.
"""

import heapq
import itertools
import json
import math
import pickle
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from throughtime.runners.execution.executor import Executor, OnPoll
from throughtime.runners.execution.job import Job, Note, R, RunJob
from throughtime.runners.execution.keep import execute_and_keep
from throughtime.runners.execution.local import Local
from throughtime.runners.execution.on_dask import Dask
from throughtime.runners.execution.parcel import Needs, pack
from throughtime.runners.execution.plan import make_plan
from throughtime.runners.execution.progress import Silent
from throughtime.runners.records.machine import machine
from throughtime.runners.records.manifest import RunStore
from throughtime.runners.records.record import Point, Record
from throughtime.runners.suite.suite import Suite, parse_suite

FOLDER = Path(__file__).resolve().parent / "reference" / "many"
WORKERS = 2
MADE_UP = 1000

SUITE = """
title = "ten thousand runs"
tasks = [{tasks}]
cells = ["rnn", "gru", "lstm"]
algorithms = [{algorithms}]
hidden_size = 4
batch_size = 2
learning_rates = [0.01, 0.02, 0.04, 0.08, 0.16]
budget = {{ updates = 1 }}
evaluations = 1
seeds = 10
deadline = 60
"""


def text() -> str:
    """The suite's TOML: 10 tasks × 3 cells × 22 algorithms × (5 learning rates + 10 seeds), of one update each."""
    tasks = ", ".join(f'"two_lag(length={length})"' for length in range(16, 26))
    windows = [(k1, k2) for k2 in range(2, 9) for k1 in range(1, k2 + 1)][:20]
    algorithms = ", ".join(f'"{name}"' for name in ["full", "readout_only", *_truncated(windows)])
    return SUITE.format(tasks=tasks, algorithms=algorithms)


def _truncated(windows: Iterable[tuple[int, int]]) -> Iterator[str]:
    return (f"truncated(k1={k1}, k2={k2})" for k1, k2 in windows)


@dataclass(frozen=True)
class Idle(RunJob):
    """A run that does nothing and says that it is done."""

    def execute(self, record: Record, note: Note) -> None:
        """Fill the record as a run of two points does."""
        fill(record)


def fill(record: Record) -> None:
    """The scores of a run that was made up."""
    config = record.config
    score = 0.5 + 0.1 * math.sin(config.seed + len(config.algorithm)) + config.learning_rate
    numbers: dict[str, Any] = {"loss": 1.0, "metric": score, "gradient_norm": 1.0, "cosine": 0.9}
    record.curve = tuple(Point(steps=16 * n, updates=n, seconds=0.01 * n, **numbers) for n in range(2))
    setattr(record, "test" if config.purpose == "report" else "validation", score)
    record.steps, record.updates, record.wall_seconds, record.cpu_seconds = 16, 1, 0.1, 0.1
    record.peak_bytes, record.ops = 1000, 10


class MadeUp(Executor):
    """A thousand workers, each of whose runs takes a minute or so of a time that no clock has."""

    def execute(self, jobs: Iterable[Job[R]], *, notes: Path, on_poll: OnPoll) -> Generator[R, None, None]:
        """Hand out, and take in what ends next: both as pickles, as over a wire."""
        todo, chance, number = list(jobs), random.Random(0), itertools.count()
        parcels = pack(todo, Needs.of(todo))
        running: list[tuple[float, int, bytes]] = []

        def hand_out(now: float) -> None:
            for parcel in itertools.islice(parcels, 1):
                heapq.heappush(running, (now + chance.uniform(30, 90), next(number), pickle.dumps(parcel)))

        for _ in range(MADE_UP):
            hand_out(0.0)
        while running:
            now, _, wire = heapq.heappop(running)
            hand_out(now)
            job: Job[R] = pickle.loads(pickle.loads(wire).job)
            record: Any = job.started()
            fill(record)
            yield pickle.loads(pickle.dumps(record))
            on_poll([], MADE_UP)

    def __str__(self) -> str:
        return f"on {MADE_UP} workers that are made up"


def jobs_of(suite: Suite) -> list[Idle]:
    """All runs that the suite comes to, as runs that do nothing: the first choice stands for what tuning finds."""
    plan = make_plan(suite)
    runs = [job for row in plan.rows for job in (*row.tuning_jobs, *next(iter(row.report.values())))]
    return [
        Idle(**{name: getattr(job, name) for name in ("key", "deadline", "code", "files", "config")}) for job in runs
    ]


def overhead(executor: Executor, jobs: list[Idle]) -> dict[str, float]:
    """Milliseconds a run: on the wall, and of CPU here and in the workers, whose start counts there."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    before = children.ru_utime + children.ru_stime
    with tempfile.TemporaryDirectory() as folder, executor:
        store = RunStore(Path(folder) / "out")
        with store.locked():
            # Workers start and import before the clock does.
            keep = partial(execute_and_keep, store=store, device="cpu", executor=executor, reporter=Silent())
            keep("warm", jobs[:20])
            wall, cpu = time.perf_counter(), time.process_time()
            kept = keep("idle", jobs)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    theirs = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert {record.status for record in kept} == {"done"}, {(record.status, record.reason) for record in kept}
    found = {"wall ms": wall, "client's cpu ms": cpu, "workers' cpu ms": theirs.ru_utime + theirs.ru_stime - before}
    return {name: 1e3 * seconds / len(jobs) for name, seconds in found.items()}


EXECUTORS: dict[str, Callable[[], Executor]] = {
    "made up": MadeUp,
    "local": partial(Local, WORKERS),
    "dask": partial(Dask, workers=WORKERS),
}


def as_client(name: str, jobs: list[Idle]) -> dict[str, float]:
    """What an executor costs, and the most memory of this process."""
    found = overhead(EXECUTORS[name](), jobs)
    return {**found, "client's MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def command(*words: str) -> dict[str, float]:
    """Seconds and the most memory of a command: each in a process of its own, so the largest one so far is its own."""
    script = (
        "import json, resource, subprocess, sys, time; t = time.perf_counter();"
        "p = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL); w = time.perf_counter() - t;"
        "u = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "assert p.returncode == 0; print(json.dumps([w, u.ru_utime + u.ru_stime, u.ru_maxrss / 1024]))"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
    wall, cpu, memory = json.loads(done.stdout)
    return {"wall s": wall, "cpu s": cpu, "memory MB": memory}


def finished(suite: Suite, out: Path) -> int:
    """Write the records of all runs, as if they had ended; how many there are."""
    plan = make_plan(suite)
    (out / "runs").mkdir(parents=True)
    count = 0
    for row in plan.rows:
        best = row.group.experiment.grid[0]  # the smallest learning rate scores best in `fill`
        for job in (*row.tuning_jobs, *row.report[best]):
            record = job.started()
            fill(record)
            (out / "runs" / f"{job.key}.json").write_text(record.model_dump_json(), encoding="utf-8")
            count += 1
    return count


def measure() -> dict[str, Any]:
    """Everything."""
    suite = parse_suite(text(), "many", origin="many.toml")
    jobs = jobs_of(suite)
    found: dict[str, Any] = {"machine": machine("cpu"), "runs": len(jobs), "workers": WORKERS}
    found["made up"] = {"workers": MADE_UP}
    for name in EXECUTORS:
        with ProcessPoolExecutor(1, get_context("spawn")) as client:  # the most memory so far is its own
            found[name] = {**found.get(name, {}), **client.submit(as_client, name, jobs).result()}
        print(name, found[name], flush=True)
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / "many.toml", Path(folder) / "out"
        file.write_text(text(), encoding="utf-8")
        assert finished(suite, out) == len(jobs)
        call = (
            "import sys; from throughtime.runners import run_suite; s = run_suite(*sys.argv[1:]); assert not s.executed"
        )
        found["second call"] = command(sys.executable, "-c", call, str(file), str(out))
        shown = "from throughtime.runners.commands.cli import main; main()"
        found["table"] = command(sys.executable, "-c", shown, "table", str(out))
    print(found, flush=True)
    return found


def main() -> None:
    """Measure, and keep it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "measured.json").write_text(json.dumps(measure(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    import many_runs  # workers know its classes by this name, not as those of a script

    many_runs.main()
