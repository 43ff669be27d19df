"""Asks for more memory than there is."""

import torch

from throughtime.algorithms.full import Full


class Hungry(Full):
    """Asks for an exbibyte."""

    def updates(self, network, batch, carry=None, *, generator=None):
        torch.empty(2**60, dtype=torch.int8)
        yield from super().updates(network, batch, carry, generator=generator)
