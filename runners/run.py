"""Running a suite: plan, tune, report. What is finished already is not run again.

`run_suite` is the whole: it keeps one record a run in the results directory, so a kill at any moment loses the runs in
flight and nothing else, and the same call goes on where it stopped.
"""

import multiprocessing
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from throughtime.networks import BadInput

from .progress import Reporter, Silent
from .suite import Suite
from .suite_runner import Plan, SuiteRunner, Summary


def run_suite(
    suite: Suite | str | Path,
    out: str | Path | None = None,
    *,
    device: str = "cpu",
    workers: int | None = None,
    only: Mapping[str, str] | None = None,
    reporter: Reporter | None = None,
    on_plan: Callable[[Plan], None] = lambda plan: None,
) -> Summary:
    """Run what is not finished yet of a suite.

    Args:
        suite: a suite, a built-in suite's name, or a TOML file's path.
        out: the results directory; results/runs/<suite> by default.
        device: "cpu" or "cuda".
        workers: processes at a time; the cores by default, 1 on a GPU.
        only: restricts the groups: {"algorithm": "rtrl"} by name or by full spec; also "task", "cell", "forcing".
        reporter: is told of the progress.
        on_plan: called once with the plan, before the first run.
    """
    if multiprocessing.parent_process() is not None:
        raise BadInput(
            "a script that calls run_suite is imported by its workers: call it under if __name__ == '__main__'"
        )
    runner = SuiteRunner(suite, out, device=device, only=only or {})
    runner.check_directory()
    with runner.store.locked():
        on_plan(runner.plan())
        return runner.run(workers or default_workers(device), reporter or Silent())


def default_workers(device: str) -> int:
    """The cores that this process may use; one on a GPU, which runs would share."""
    if device == "cuda":
        return 1
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def plan_suite(
    suite: Suite | str | Path,
    out: str | Path | None = None,
    *,
    device: str = "cpu",
    only: Mapping[str, str] | None = None,
) -> Plan:
    """What `run_suite` would do; writes nothing."""
    runner = SuiteRunner(suite, out, device=device, only=only or {})
    runner.check_directory()
    return runner.plan()
