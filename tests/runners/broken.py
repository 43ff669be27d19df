"""A plugin whose every part fails in its own way."""

import os
import signal
import sys
import time

import torch

from throughtime.algorithms.full import Full
from throughtime.parts import Unavailable
from throughtime.tasks.two_lag import TwoLag


class Hungry(Full):
    """Asks for an exbibyte."""

    def updates(self, network, batch, carry=None, *, generator=None):
        torch.empty(2**60, dtype=torch.int8)
        yield from super().updates(network, batch, carry, generator=generator)


class Killed(Full):
    """Is killed, as the system does when memory runs out."""

    def updates(self, network, batch, carry=None, *, generator=None):
        os.kill(os.getpid(), signal.SIGKILL)
        yield from super().updates(network, batch, carry, generator=generator)


class Quitting(Full):
    """Calls sys.exit."""

    def updates(self, network, batch, carry=None, *, generator=None):
        sys.exit(3)
        yield from super().updates(network, batch, carry, generator=generator)


class Leaving(Full):
    """Ends the process, which nothing in Python can stop."""

    def updates(self, network, batch, carry=None, *, generator=None):
        os._exit(7)
        yield from super().updates(network, batch, carry, generator=generator)


class Raising(Full):
    """Works as long as nothing is learned."""

    calls = 0

    def updates(self, network, batch, carry=None, *, generator=None):
        self.calls += 1
        if self.calls > 6:
            raise ZeroDivisionError("the sixth call is too much")
        yield from super().updates(network, batch, carry, generator=generator)


class Sleeping(Full):
    """Never ends."""

    def updates(self, network, batch, carry=None, *, generator=None):
        time.sleep(3600)
        yield from super().updates(network, batch, carry, generator=generator)


class Chattering(Full):
    """Prints megabytes; is right otherwise."""

    def updates(self, network, batch, carry=None, *, generator=None):
        print("x" * 5_000_000)
        print("blah", file=sys.stderr)
        yield from super().updates(network, batch, carry, generator=generator)


class Meddling(Full):
    """Changes what all of the process share; is right otherwise."""

    def updates(self, network, batch, carry=None, *, generator=None):
        torch.manual_seed(0)
        torch.set_default_dtype(torch.float64)
        torch.Tensor.backward = None
        yield from super().updates(network, batch, carry, generator=generator)


class Misshapen(Full):
    """Gives a gradient of another shape."""

    def updates(self, network, batch, carry=None, *, generator=None):
        for update in super().updates(network, batch, carry, generator=generator):
            for parameter in network.parameters():
                parameter.grad = torch.zeros(2, 3, 4)
            yield update


class NotANumber(Full):
    """Gives a loss that is none."""

    def updates(self, network, batch, carry=None, *, generator=None):
        for update in super().updates(network, batch, carry, generator=generator):
            yield update._replace(loss=update.loss * float("nan"))


class Unmakeable(Full):
    """Can't be made."""

    def __init__(self) -> None:
        raise LookupError("no such luck")


class Missing(TwoLag):
    """Needs a package that is not installed."""

    def __init__(self) -> None:
        raise Unavailable("the data of 'missing' comes with the package nowhere; pip install 'throughtime[nowhere]'")

    @classmethod
    def available(cls) -> tuple[bool, str]:
        return False, "the data of 'missing' comes with the package nowhere; pip install 'throughtime[nowhere]'"


class Boundless(TwoLag):
    """Has no references."""

    def references(self):
        return {}["no such key"]
