"""What a `run` would do: of a plan and of what a directory holds of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .plan import Plan
from .tuning import Records, tuning_of


@dataclass
class Outlook:
    """What a `run` would do.

    Attributes:
        tuning: tuning runs in all, as far as they are known.
        open: rows whose ladder of learning rates may go on, and so take more.
        report: report runs in all.
        cached: how many of them are finished already.
        again: how many ended in an error or a shorter deadline and are tried again.
        skipped: what can't run, with the reason: a task that can't be had here, or a row whose algorithm, forcing and
            task don't go together; such runs are counted in none of the others.
        broken: likewise what fails because a plugin does; its runs end in an error without being started.
        left_out: rows that the filters leave out.
        doubted: how many records are of another run than their name says, or contradict themselves: run again.
        core_minutes: how long what is not cached takes one core, by what the suite says of all its runs; 0: not known.
    """

    tuning: int = 0
    open: int = 0
    report: int = 0
    cached: int = 0
    again: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    left_out: int = 0
    doubted: int = 0
    core_minutes: float = 0.0


def outlook(plan: Plan, records: Records, doubted: Mapping[str, str]) -> Outlook:
    """What is to be done yet; report runs whose tuning is not complete count as not cached.

    Args:
        plan: what may be run.
        records: what there is.
        doubted: records that are there and not believed, by key.
    """
    found = Outlook(left_out=len(plan.rows) - len(plan.selected), doubted=len(doubted))
    reasons: set[tuple[str, str]] = set()
    of_all = sum(row.group.experiment.runs for row in plan.rows if not row.obstacle)
    for row in plan.selected:
        if row.obstacle:
            told = found.broken if row.obstacle.status == "error" else found.skipped
            reason = (row.obstacle.status, row.obstacle.reason)
            if reason not in reasons:  # often the same for every algorithm
                reasons.add(reason)
                of_row = f"{row.group.task} · {row.group.forcing} · {row.group.algorithm}"
                task_alone = row.obstacle.of_task and row.obstacle.status == "skipped"
                told[row.group.task if task_alone else of_row] = row.obstacle.reason
            continue
        tuning = tuning_of(row, records)
        choice = tuning.choice
        found.tuning += len(tuning.jobs)
        found.open += choice is None and row.group.experiment.ladder is not None
        found.report += row.group.experiment.seeds
        for job in [*tuning.jobs, *(row.report[choice] if choice else [])]:
            record = records.get(job.key)
            if record is not None and record.finished(job.deadline):
                found.cached += 1
            elif record is not None:
                found.again += 1
    left = found.tuning + found.report - found.cached
    found.core_minutes = plan.suite.core_minutes * min(1.0, left / of_all) if of_all else 0.0
    return found
