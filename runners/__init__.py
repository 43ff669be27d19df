"""Running suites, measuring, keeping and showing the results."""

from .run import run_suite
from .store import load_curves, load_results
from .suite import Suite, load_suite

__all__ = ["Suite", "load_curves", "load_results", "load_suite", "run_suite"]
