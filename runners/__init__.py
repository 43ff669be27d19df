"""Running suites, measuring, keeping and showing the results."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .execution.run import run_suite
    from .gradients.frames import measure_gradients, measure_reach
    from .gradients.store import load_gradients
    from .records.results import load_curves, load_results
    from .suite.suite import Suite, load_suite
    from .verify.algorithm import algorithm_checks, check_algorithm
    from .verify.cell import cell_checks, check_cell
    from .verify.task import check_task, task_checks

__all__ = [
    "Suite",
    "algorithm_checks",
    "cell_checks",
    "check_algorithm",
    "check_cell",
    "check_task",
    "load_curves",
    "load_gradients",
    "load_results",
    "load_suite",
    "measure_gradients",
    "measure_reach",
    "run_suite",
    "task_checks",
]

_HOMES = {
    "Suite": "suite.suite",
    "algorithm_checks": "verify.algorithm",
    "cell_checks": "verify.cell",
    "check_algorithm": "verify.algorithm",
    "check_cell": "verify.cell",
    "check_task": "verify.task",
    "load_curves": "records.results",
    "load_gradients": "gradients.store",
    "load_results": "records.results",
    "load_suite": "suite.suite",
    "measure_gradients": "gradients.frames",
    "measure_reach": "gradients.frames",
    "run_suite": "execution.run",
    "task_checks": "verify.task",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `throughtime --help` need not wait for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
