"""How the gradient is computed: the plugin contract, and one file per algorithm."""

from .base import Algorithm, NoGradient, Update, estimate_gradient
from .registry import ALGORITHMS, make_algorithm

__all__ = ["ALGORITHMS", "Algorithm", "NoGradient", "Update", "estimate_gradient", "make_algorithm"]
