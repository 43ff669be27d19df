"""Needs a package that is not installed."""

from throughtime.networks import Unavailable
from throughtime.tasks.two_lag import TwoLag


class Missing(TwoLag):
    """Never available."""

    def __init__(self) -> None:
        raise Unavailable("the data of 'missing' comes with the package nowhere; pip install 'throughtime[nowhere]'")

    @classmethod
    def available(cls) -> tuple[bool, str]:
        return False, "the data of 'missing' comes with the package nowhere; pip install 'throughtime[nowhere]'"
