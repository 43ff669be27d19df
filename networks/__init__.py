"""What is trained: recurrent cells, the network around them, and finding any part by name."""

from .base import Cell, Linearization, Recurrent, State
from .closed_loop import ClosedLoop, drive
from .dense import DenseLinearization
from .errors import BadInput, Broken, Unavailable
from .network import CELLS, Network, make_network
from .registry import Registry

__all__ = [
    "CELLS",
    "BadInput",
    "Broken",
    "Cell",
    "ClosedLoop",
    "DenseLinearization",
    "Linearization",
    "Network",
    "Recurrent",
    "Registry",
    "State",
    "Unavailable",
    "drive",
    "make_network",
]
