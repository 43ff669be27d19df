"""What is trained: recurrent cells, and the network around them."""

from .base import AnyCell, Cell, Linearization, Recurrent, State
from .closed_loop import ClosedLoop, drive
from .dense import DenseLinearization, linearize_densely, transformable
from .diagonal import DiagonalCell, DiagonalLinearization
from .layers import Stacked
from .network import Network, make_network
from .registry import CELLS

__all__ = [
    "CELLS",
    "AnyCell",
    "Cell",
    "ClosedLoop",
    "DenseLinearization",
    "DiagonalCell",
    "DiagonalLinearization",
    "Linearization",
    "Network",
    "Recurrent",
    "Stacked",
    "State",
    "drive",
    "linearize_densely",
    "make_network",
    "transformable",
]
