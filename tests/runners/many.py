"""A results directory with as many finished runs as one likes, without running any."""

import json
import math

from throughtime.runners.execution.plan import make_plan
from throughtime.runners.execution.tuning import tuning_of
from throughtime.runners.records.record import Point, Record
from throughtime.runners.suite.suite import parse_suite

SUITE = """
tasks = [{tasks}]
algorithms = ["full", "readout_only"]
cells = ["rnn", "gru"]
hidden_size = 4
batch_size = 4
learning_rates = [0.01, 0.02, 0.04]
budget = {{ steps = 64 }}
evaluations = 5
seeds = 5
deadline = 60
"""

RUNS_A_TASK = 2 * 2 * (3 + 5)
"""Of each algorithm on each cell: tuning and report."""


def text_of(tasks):
    """The TOML of a suite of so many tasks, each of them small."""
    specs = ", ".join(f'"two_lag(length={25 + number})"' for number in range(tasks))
    return SUITE.format(tasks=specs)


def suite_of(tasks):
    """The suite."""
    return parse_suite(text_of(tasks), "many", origin="many.toml")


def fill(directory, suite):
    """Write the records of all runs of a suite, and the manifest; how many there are."""
    plan = make_plan(suite)
    (directory / "runs").mkdir(parents=True)
    records = {}
    for row in plan.rows:
        for job in row.tuning_jobs:
            records[job.key] = _record(job)
    for row in plan.rows:
        for job in row.report[tuning_of(row, records).choice]:
            records[job.key] = _record(job)
    for key, record in records.items():
        text = json.dumps(record.model_dump(mode="json"))
        (directory / "runs" / f"{key}.json").write_text(text, encoding="utf-8")
    return len(records)


def _record(job):
    config = job.config
    last = 0.5 + 0.1 * math.sin(config.seed + len(config.algorithm)) + config.learning_rate
    points = [
        Point(steps=16 * n, updates=n, seconds=0.01 * n, loss=1.0, metric=last, gradient_norm=1.0, cosine=0.9)
        for n in range(6)
    ]
    score = {"test" if config.purpose == "report" else "validation": last}
    costs = {"steps": 80, "updates": 5, "wall_seconds": 0.1, "cpu_seconds": 0.1, "peak_bytes": 1000, "ops": 10}
    return Record(key=job.key, config=config, deadline=60, curve=tuple(points), **score, **costs)
