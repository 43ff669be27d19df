"""Its process is killed, as the system does when memory runs out."""

import os
import signal

from throughtime.algorithms.full import Full


class Killed(Full):
    """Kills itself."""

    def updates(self, network, batch, carry=None, *, generator=None):
        os.kill(os.getpid(), signal.SIGKILL)
        yield from super().updates(network, batch, carry, generator=generator)
