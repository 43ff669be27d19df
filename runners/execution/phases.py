"""The phases of a run: the tuning, round after round, and whatever is run by what it chose."""

import itertools
from collections.abc import Callable, Iterable, Sequence

from throughtime.runners.records.manifest import RunStore
from throughtime.runners.records.record import Record

from .executor import Executor
from .job import RunJob
from .keep import execute_and_keep
from .kernels import compile_kernels
from .local import default_workers
from .plan import Obstacle, Row, settings_of
from .progress import Reporter
from .tuning import tuning_of


class Phases:
    """What is run one after another: jobs go to the executor, and each record is kept as it comes.

    Attributes:
        records: all that there are, by key.
        executed: runs that were executed.
        cached: runs that were found finished.
    """

    def __init__(self, store: RunStore, records: dict[str, Record], executor: Executor, reporter: Reporter) -> None:
        self.store, self.records, self.executor, self.reporter = store, records, executor, reporter
        self.executed = self.cached = 0
        self._ended: set[str] = set()

    def execute(self, title: str, jobs: Iterable[RunJob], device: str) -> None:
        """Run the jobs that are not finished."""
        todo = []
        asked = {job.key: job for job in jobs}  # experiments may share a run
        later = [job for key, job in asked.items() if key not in self.records]  # of what tuning has just chosen
        self.records |= self.store.read(settings_of(later))
        for job in asked.values():
            record = self.records.get(job.key)
            if record is not None and record.finished(job.deadline):
                self.cached += 1
            elif job.key not in self._ended:
                todo.append(job)
        reporter, executor = self.reporter, self.executor
        if executor.here:
            compile_kernels(todo, workers=default_workers(device), reporter=reporter)
        kept = execute_and_keep(title, todo, self.store, device=device, executor=executor, reporter=reporter)
        self.records |= {record.key: record for record in kept}
        self.executed += len(kept)

    def end(self, jobs: Iterable[RunJob], obstacle: Obstacle) -> None:
        """Runs that can't be have a record that tells why."""
        for job in jobs:
            self._ended.add(job.key)
            self.records[job.key] = job.ended(obstacle.status, obstacle.reason)
            self.store.write_record(self.records[job.key])


def tune(rows: Sequence[Row], phases: "Phases", device: str, write_manifest: Callable[[], None]) -> None:
    """Run what tuning asks for, round after round: of a list there is one, of a ladder as many as its scores call for.

    What breaks is run once more before a row is given up: it may have been the machine.
    """
    asked: set[str] = set()
    again: set[str] = set()
    for number in itertools.count(1):
        todo = [job for row in rows for job in tuning_of(row, phases.records).jobs if job.key not in asked]
        if not todo:
            return
        phases.execute("Tuning" if number == 1 else f"Tuning, round {number}", todo, device)
        asked |= {job.key for job in todo}
        failed = (tuning_of(row, phases.records) for row in rows)
        broke = [job for one in failed if one.failure for job in one.jobs if phases.records[job.key].status == "error"]
        phases.execute("Tuning, again", [job for job in broke if job.key not in again], device)
        again |= {job.key for job in broke}
        write_manifest()
