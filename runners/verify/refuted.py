"""What a check raises where the part does not pass."""


class Refuted(AssertionError):
    """What was measured is not what was promised; the message is what was measured."""


class NotPromised(Exception):
    """There is nothing to hold the part to; the message says why."""
