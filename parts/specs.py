"""The words by which parts are asked for: names, and specs such as ``"truncated(k1=5, k2=20)"``."""

import ast
import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .errors import BadInput


def nearest(given: str, allowed: Iterable[str]) -> str:
    """The tail of an error message about a wrong word: the nearest allowed word, then all of them.

    >>> nearest("rtlr", ["full", "rtrl"])
    "did you mean 'rtrl'? There is: full, rtrl"
    """
    allowed = list(allowed)
    close = difflib.get_close_matches(given.lower(), allowed, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}There is: {', '.join(allowed) or 'none'}"


def parse_spec(spec: str) -> tuple[str, dict[str, Any]]:
    """Split a spec into its name and its parameters; values are Python literals.

    >>> parse_spec("truncated(k1=5, k2=20)")
    ('truncated', {'k1': 5, 'k2': 20})
    >>> parse_spec("full")
    ('full', {})
    """
    form = "write a name, or a name with parameters: truncated(k1=5, k2=20)"
    try:
        node = ast.parse(spec.strip(), mode="eval").body
    except SyntaxError:
        raise BadInput(f"{spec!r} can't be read; {form}") from None
    if isinstance(node, ast.Name):
        return node.id, {}
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        raise BadInput(f"{spec!r} can't be read; {form}")
    if node.args:
        raise BadInput(f"{spec!r} has a value without a name; {form}")
    parameters: dict[str, Any] = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise BadInput(f"{spec!r} can't be read; {form}")
        if keyword.arg in parameters:
            raise BadInput(f"{spec!r} gives {keyword.arg!r} twice")
        try:
            parameters[keyword.arg] = ast.literal_eval(keyword.value)
        except (ValueError, TypeError):
            given = ast.unparse(keyword.value)
            raise BadInput(
                f"{spec!r}: {keyword.arg}={given} is not a number, True, False, None or a quoted text"
            ) from None
    return node.func.id, parameters


def format_spec(name: str, parameters: Mapping[str, Any]) -> str:
    """The inverse of `parse_spec`.

    >>> format_spec("online", {"depth": None})
    'online(depth=None)'
    """
    return (
        f"{name}({', '.join(f'{key}={literal(value)}' for key, value in parameters.items())})" if parameters else name
    )


def literal(value: Any) -> str:
    """A value as Python reads it back, equal values alike: zero has no sign, a set one order, and ∞ is a number.

    >>> literal(-0.0), literal((1e999, {"b", "a"}))
    ('0.0', "(1e999, {'a', 'b'})")
    """
    if isinstance(value, float):
        return repr(value + 0.0).replace("inf", "1e999")  # -0.0 + 0.0 is 0.0
    if isinstance(value, list | tuple):
        inner = ", ".join(map(literal, value))
        one = "," if isinstance(value, tuple) and len(value) == 1 else ""
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{one})"
    if isinstance(value, set) and value:
        return f"{{{', '.join(sorted(map(literal, value)))}}}"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{literal(key)}: {literal(inner)}' for key, inner in value.items())}}}"
    return repr(value)


def is_literal(value: Any) -> bool:
    """Whether a value can be written in a spec; an annotation may have made something else of what was written."""
    try:
        ast.literal_eval(literal(value))
    except (ValueError, SyntaxError):
        return False
    return True


def snake_case(class_name: str) -> str:
    """The name under which a class is found.

    >>> snake_case("TwoLag"), snake_case("ReadoutOnly"), snake_case("RTRL")
    ('two_lag', 'readout_only', 'rtrl')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", class_name).lower()
