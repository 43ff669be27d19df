"""A plugin whose every part fails in its own way."""

import asyncio
import atexit
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
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


class Vanishing(Full):
    """Ends the process as one that is well does."""

    def updates(self, network, batch, carry=None, *, generator=None):
        os._exit(0)
        yield from super().updates(network, batch, carry, generator=generator)


class Unnamed(Full):
    """Is killed by a signal that has a number alone."""

    def updates(self, network, batch, carry=None, *, generator=None):
        signal.raise_signal(signal.SIGRTMIN + 6)
        yield from super().updates(network, batch, carry, generator=generator)


class Halting(Full):
    """Stops its process, as a job control does."""

    def updates(self, network, batch, carry=None, *, generator=None):
        os.kill(os.getpid(), signal.SIGSTOP)
        yield from super().updates(network, batch, carry, generator=generator)


class Deaf(Full):
    """Closes every file of its process, the way that its result would take among them; is right otherwise."""

    def updates(self, network, batch, carry=None, *, generator=None):
        os.closerange(3, 256)
        yield from super().updates(network, batch, carry, generator=generator)


class Lingering(Full):
    """Leaves a thread, a process and work for the end behind, any of which keeps a process; is right otherwise."""

    def updates(self, network, batch, carry=None, *, generator=None):
        if not network.training or threading.active_count() < 3:
            atexit.register(time.sleep, 3600)
            threading.Thread(target=time.sleep, args=(3600,)).start()
            subprocess.Popen([sys.executable, "-c", f"import time; time.sleep(3600)  # left by {os.getppid()}"])
        yield from super().updates(network, batch, carry, generator=generator)


class Interrupting(Full):
    """Raises what a Ctrl-C does."""

    def updates(self, network, batch, carry=None, *, generator=None):
        raise KeyboardInterrupt("not the user's")
        yield from super().updates(network, batch, carry, generator=generator)


class Closing(Full):
    """Raises what the end of a generator is."""

    def updates(self, network, batch, carry=None, *, generator=None):
        raise GeneratorExit
        yield from super().updates(network, batch, carry, generator=generator)


class Cancelled(Full):
    """Raises what the end of a task is, no `Exception` either."""

    def updates(self, network, batch, carry=None, *, generator=None):
        raise asyncio.CancelledError
        yield from super().updates(network, batch, carry, generator=generator)


class Skipping(Full):
    """Raises what a test is skipped by, no `Exception` either."""

    def updates(self, network, batch, carry=None, *, generator=None):
        pytest.skip("no such package")
        yield from super().updates(network, batch, carry, generator=generator)


class Undecodable(Full):
    """Fails at a file whose name is no text."""

    def updates(self, network, batch, carry=None, *, generator=None):
        print(os.fsdecode(b"looks for \xff"))
        open(os.fsdecode(b"/no/such/\xff"))  # noqa: PTH123, SIM115
        yield from super().updates(network, batch, carry, generator=generator)


class Unspeakable(Full):
    """Fails with an error that fails."""

    def updates(self, network, batch, carry=None, *, generator=None):
        raise type("Mute", (Exception,), {"__str__": lambda self: {}["no words"]})
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


class Unopenable(Full):
    """Can't be made, for want of a file whose name is no text."""

    def __init__(self) -> None:
        open(os.fsdecode(b"/no/such/\xff"))  # noqa: PTH123, SIM115


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
