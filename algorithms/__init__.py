"""How the gradient is computed: the plugin contract, and one file per algorithm."""

from .base import Algorithm, Update, estimate_gradient
from .registry import ALGORITHMS, make_algorithm

__all__ = ["ALGORITHMS", "Algorithm", "Update", "estimate_gradient", "make_algorithm"]
