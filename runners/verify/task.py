"""A task, its promises against what is measured: what it gives, what is made of it, and the networks that it makes."""

from collections.abc import Callable, Mapping, Sequence

from throughtime.tasks import Task

from .check import Check, Finding, examine, make_checks
from .task_data import (
    batches_have_their_form,
    judged_data_is_apart,
    judged_data_is_fixed,
    repeats_with_its_generator,
)
from .task_networks import makes_networks_that_learn, runs_free_over_its_horizon
from .task_scores import losses_are_each_steps_own, references_give_a_meaning, scores_the_better_as_better
from .task_simple import nothing_simple_beats_its_references
from .task_streams import feeds_back_its_targets, goes_on_without_end


def task_checks(task: Task, expected_failures: Mapping[str, str] | None = None) -> list[Check[Task]]:
    """Every check of a task, each to be called in a test of its own.

    >>> from throughtime.tasks import make_task
    >>> checks = task_checks(make_task("adding"))
    >>> [str(check) for check in checks][:2]
    ['batches_have_their_form', 'repeats_with_its_generator']
    >>> checks[0]()

    Args:
        task: an instance.
        expected_failures: by check's name the reason; None: those of the class attribute `expected_failures`.
    """
    return make_checks(CHECKS, task, expected_failures)


def check_task(task: Task, expected_failures: Mapping[str, str] | None = None) -> list[Finding]:
    """Verify a task; what was promised and what was measured, check by check.

    Raises:
        AssertionError: a promise is not held; the message says which, what was measured, and what to look at.
    """
    return examine(task_checks(task, expected_failures))


CHECKS: Sequence[Callable[[Task], str]] = (
    batches_have_their_form,
    repeats_with_its_generator,
    judged_data_is_fixed,
    judged_data_is_apart,
    goes_on_without_end,
    feeds_back_its_targets,
    runs_free_over_its_horizon,
    losses_are_each_steps_own,
    scores_the_better_as_better,
    references_give_a_meaning,
    nothing_simple_beats_its_references,
    makes_networks_that_learn,
)
