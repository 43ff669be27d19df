"""What is trained: recurrent cells, and the network around them."""

from .base import Cell, Linearization, Recurrent, State
from .closed_loop import ClosedLoop, drive
from .dense import DenseLinearization, linearize_densely, transformable
from .network import CELLS, Network, make_network

__all__ = [
    "CELLS",
    "Cell",
    "ClosedLoop",
    "DenseLinearization",
    "Linearization",
    "Network",
    "Recurrent",
    "State",
    "drive",
    "linearize_densely",
    "make_network",
    "transformable",
]
