"""The errors that a user is to read: each says what was given, what is allowed, and what to do."""


class BadInput(ValueError):
    """Something the user wrote is wrong; the message says what was given, what is allowed, and what to do."""


class Unavailable(RuntimeError):
    """A part that was asked for can't be had on this machine, an optional package say; the message tells why."""


class Broken(RuntimeError):
    """A plugin failed where it was only looked at; the message names it and the place."""
