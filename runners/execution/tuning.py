"""How far the tuning of a row is: worked out anew from the records, so that it goes on wherever it was stopped.

Of a list every point is tried. Of a ladder the first ones are, then one learning rate at a time, as the scores of those
before call for it: `tuning_of` takes the same steps again at every call, as far as there are records.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from throughtime.runners.records.manifest import RunStore
from throughtime.runners.records.record import Record
from throughtime.runners.suite.fingerprint import key_of
from throughtime.runners.suite.ladder import Choice

from .job import RunJob
from .plan import Plan, Row, settings_of

Records = Mapping[str, Record]
"""What a directory holds, by key."""


@dataclass(frozen=True)
class Tuning:
    """What is known of a row's choice.

    Attributes:
        tried: the runs of each point that is to be tried by what is known, in this order.
        choice: None while one of them is missing, and where tuning failed.
        failure: why nothing can be chosen; empty where it can be, or may be yet.
    """

    tried: Mapping[Choice, Sequence[RunJob]]
    choice: Choice | None
    failure: str = ""

    @property
    def jobs(self) -> list[RunJob]:
        """Of all points."""
        return [job for jobs in self.tried.values() for job in jobs]

    @property
    def rates(self) -> tuple[float, ...]:
        """The learning rates, in the order in which they are tried."""
        return tuple(dict.fromkeys(choice.learning_rate for choice in self.tried))


def tuning_of(row: Row, records: Records) -> Tuning:
    """What is to be tried of a row, and what was chosen."""
    experiment = row.group.experiment
    if not row.tuning:
        return Tuning({}, experiment.grid[0])
    tried = {choice: row.tuning[choice] for choice in experiment.grid}
    while True:
        found = Tuning(tried, None, _failure(tried, records))
        if any(job.key not in records for job in found.jobs):
            return found
        scores = {choice: [records[job.key].validation for job in jobs] for choice, jobs in tried.items()}
        further = row.group.further(scores)
        # Where all broke a smaller rate would break too; where one diverged it may not.
        lost = bool(found.failure) and all(records[job.key].status != "diverged" for job in found.jobs)
        if further is None or lost:
            return found if found.failure else replace(found, choice=row.group.choose(scores))
        tried |= {choice: row.tuning[choice] for choice in experiment.points([further])}


def _failure(tried: Mapping[Choice, Sequence[RunJob]], records: Records) -> str:
    """Every point failed, and not by its numbers alone: why; empty where that is not so, or not known yet.

    Where all diverged, which is a result, the smallest learning rate stands for them.
    """
    jobs = [job for of_point in tried.values() for job in of_point]
    found = [records[job.key] for job in jobs if job.key in records]
    broken = [record for record in found if record.broke]
    if len(found) < len(jobs) or not broken:
        return ""
    if any(all(records[job.key].validation is not None for job in of_point) for of_point in tried.values()):
        return ""
    first = broken[0]
    return f"tuning failed: {len(broken)} of its {len(found)} runs broke, the first by {first.status}: {first.reason}"


def without_tuning(row: Row) -> list[RunJob]:
    """What stands for the report runs of a row whose tuning failed: of the first choice, under keys of their own.

    Not under that choice's keys: a run of it may be finished, in another row say.
    """
    jobs = row.report[row.group.experiment.grid[0]]
    return [replace(job, key=key_of({"in place of": job.key}, "tuning failed")) for job in jobs]


def found_in(plan: Plan, store: RunStore) -> dict[str, Record]:
    """What a directory holds of a plan, by key: the tuning, round by round, and the reports of what that chose.

    Each record must be of the run that its key is of.
    """
    found: dict[str, Record] = {}
    asked: set[str] = set()
    while further := settings_of(
        job for row in plan.rows for job in tuning_of(row, found).jobs if job.key not in asked
    ):
        asked |= further.keys()
        found |= store.read(further)
    choices = ((row, tuning_of(row, found).choice) for row in plan.rows)
    return found | store.read(settings_of(job for row, choice in choices if choice for job in row.report[choice]))
