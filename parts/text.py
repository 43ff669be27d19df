"""Text from outside, a suite's title or a plugin's error, made fit to be shown wherever it may go."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator


def plain(text: str) -> str:
    r"""The text without what a terminal would obey and a file can't hold; line breaks and tabs stay.

    Control characters, marks that turn the direction of writing, and halves of characters become a question mark.

    >>> plain("a\x1b[31mred\x07") == "a?[31mred?"
    True
    """
    return "".join(one if _harmless(one) else "?" for one in text)


def one_line(text: str) -> str:
    """The same in one line."""
    return " ".join(plain(text).split())


def message(error: BaseException) -> str:
    """What an error says, made fit likewise; one of a plugin may fail at that too."""
    try:
        return plain(str(error))
    except BaseException as another:
        return f"its message can't be told ({type(another).__name__})"


def _harmless(one: str) -> bool:
    return one in "\n\t" or unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


Plain = Annotated[str, AfterValidator(plain)]
"""Text of any length, as it is read."""

OneLine = Annotated[str, AfterValidator(one_line)]
"""Text of one line, as it is read."""
