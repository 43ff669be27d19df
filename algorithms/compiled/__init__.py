"""Gradients of the usual networks, in Python compiled by Numba: a window, or a step forward in time, at once.

`throughtime.algorithms.compiled.choose` is the one place that says when a kernel may stand for the torch form; both
give the same numbers to rounding. Nothing but that is imported where Numba is not installed.
"""
