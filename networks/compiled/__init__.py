"""The built-in cells over a whole window, in Python compiled by Numba: forward, and the walk back.

Small recurrent networks are bound by overhead and not by arithmetic: an eager operator costs a microsecond or more
before it has multiplied anything. Nothing here is imported where Numba is not installed.
"""
