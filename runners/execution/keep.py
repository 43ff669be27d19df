"""Jobs are executed, and each record is kept as it comes: a kill at any moment loses the jobs in flight alone."""

from collections.abc import Iterable
from contextlib import closing
from typing import Any

from throughtime.runners.records.machine import environment
from throughtime.runners.records.store import Store

from .executor import Executor
from .job import Job, R
from .progress import Reporter


def execute_and_keep(
    title: str, jobs: Iterable[Job[R]], store: Store[Any, R], *, device: str, executor: Executor, reporter: Reporter
) -> list[R]:
    """The records of all jobs, which stand in the directory by then.

    Args:
        title: of this phase, for the reporter.
        jobs: what to do.
        store: where records and environment are written; the caller holds its lock.
        device: "cpu" or "cuda", for the environment.
        executor: where jobs are executed.
        reporter: is told of the progress.
    """
    todo, records = list(jobs), []
    if not todo:
        return []
    store.write_environment(environment(device))
    reporter.start(title, len(todo))
    with closing(executor.execute(todo, notes=store.notes, on_poll=reporter.running)) as ending:
        for record in ending:
            store.write_record(record)
            records.append(record)
            reporter.ended(record)
    return records
