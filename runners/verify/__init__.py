"""Verification: what a part promises against what is measured."""
