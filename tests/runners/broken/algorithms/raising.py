"""Raises in the middle of training."""

from throughtime.algorithms.full import Full


class Raising(Full):
    """Works as long as nothing is learned."""

    calls = 0

    def updates(self, network, batch, carry=None, *, generator=None):
        self.calls += 1
        if self.calls > 6:
            raise ZeroDivisionError("the sixth call is too much")
        yield from super().updates(network, batch, carry, generator=generator)
