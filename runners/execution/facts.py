"""What a table has to know of each task of a plan: its metric, its horizon, and its references."""

from collections.abc import Mapping

from throughtime.runners.records.machine import arithmetic
from throughtime.runners.records.manifest import TaskFacts
from throughtime.runners.suite.experiment import task_class
from throughtime.runners.suite.fingerprint import Code
from throughtime.tasks import Metric, make_task

from .plan import Plan, TaskState


def facts_of(plan: Plan, known: Mapping[str, TaskFacts]) -> dict[str, TaskFacts]:
    """The facts of every task; what is known already is kept while its code and data are the same.

    Some references take seconds to fit.
    """
    return {task: _facts(task, state, known.get(task)) for task, state in plan.tasks.items()}


def _facts(task: str, state: TaskState, known: TaskFacts | None) -> TaskFacts:
    if state.obstacle is not None and state.obstacle.status == "error":
        return TaskFacts(fingerprint="", metric=Metric("unknown", better="lower"), references=())
    kind = task_class(task)
    if state.obstacle is not None:
        return TaskFacts(fingerprint="", metric=kind.metric, references=())
    mark = Code((kind.__module__,), state.checksum).fingerprint(arithmetic("cpu"))
    if known is not None and known.fingerprint == mark and known.test_sequences:
        return known
    if state.facts is not None:
        return state.facts.model_copy(update={"fingerprint": mark})
    return TaskFacts.of(make_task(task), mark)
