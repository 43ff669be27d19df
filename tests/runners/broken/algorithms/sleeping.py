"""Never ends."""

import time

from throughtime.algorithms.full import Full


class Sleeping(Full):
    """Sleeps for an hour."""

    def updates(self, network, batch, carry=None, *, generator=None):
        time.sleep(3600)
        yield from super().updates(network, batch, carry, generator=generator)
