"""How a network that feeds on its own past output is driven: teacher-forced, free-running, and what lies between."""

from .base import Feedback, Forcing
from .registry import FORCINGS, make_forcing

__all__ = ["FORCINGS", "Feedback", "Forcing", "make_forcing"]
