"""Adds this folder's algorithms and tasks to the built-in ones, in every Python process that has it on PYTHONPATH."""

from pathlib import Path

import throughtime.algorithms
import throughtime.tasks

HERE = Path(__file__).parent
throughtime.algorithms.__path__.append(str(HERE / "algorithms"))
throughtime.tasks.__path__.append(str(HERE / "tasks"))
