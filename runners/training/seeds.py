"""Sources of random numbers that depend on a seed and their use alone."""

import hashlib

import torch


def generator(seed: int, use: str) -> torch.Generator:
    """A source of random numbers for one use in a run, the same for every algorithm at a seed."""
    digest = hashlib.sha256(f"{use}/{seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
