"""What is trained: recurrent cells, the network around them, and finding any part by name."""

from .base import Cell, Linearization, State
from .network import CELLS, Network, make_network
from .registry import BadInput, Registry, Unavailable

__all__ = [
    "CELLS",
    "BadInput",
    "Cell",
    "Linearization",
    "Network",
    "Registry",
    "State",
    "Unavailable",
    "make_network",
]
