"""What the networks learn: batches, losses, fixed test data, and the floors and optima of each task."""

from .base import Batch, Loss, Metric, Reference, Task
from .registry import TASKS, make_task

__all__ = ["TASKS", "Batch", "Loss", "Metric", "Reference", "Task", "make_task"]
