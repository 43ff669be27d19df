"""Finding any part by name: cells, algorithms, forcings and tasks, built-in, installed or from a loose file."""

from .errors import BadInput, Broken, Unavailable
from .registry import Registry

__all__ = ["BadInput", "Broken", "Registry", "Unavailable"]
