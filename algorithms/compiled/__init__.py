"""Kernels in Python, compiled by Numba, where the standard parts meet: a built-in cell, a linear readout, a known loss.

Small recurrent networks are bound by overhead and not by arithmetic: an eager operator costs a microsecond or more
before it has multiplied anything. Here a whole window, losses and gradients included, is one call. `choose` is the one
place that says when a kernel may stand for the torch form beside it; both give the same numbers to rounding.
"""
