"""Finding cells, algorithms and tasks by name, and building them from a spec such as ``"truncated(k1=5, k2=20)"``.

A built-in's name is its file's name and its class's name in snake case: ``two_lag`` is ``TwoLag`` in ``two_lag.py``.
A folder is its own registry, so adding a file adds the name. Every mistake becomes a `BadInput` that says what was
given, what is allowed, and which name is nearest.
"""

import ast
import difflib
import importlib
import inspect
import pkgutil
import re
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

import pydantic

T = TypeVar("T")


class BadInput(ValueError):
    """Something the user wrote is wrong; the message says what was given, what is allowed, and what to do."""


class Unavailable(RuntimeError):
    """A part that was asked for can't be had on this machine, an optional package say; the message tells why."""


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
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in parameters.items())})" if parameters else name


def snake_case(class_name: str) -> str:
    """The name under which a class is found.

    >>> snake_case("TwoLag"), snake_case("ReadoutOnly"), snake_case("RTRL")
    ('two_lag', 'readout_only', 'rtrl')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", class_name).lower()


class Registry(Generic[T]):
    """The classes of one kind that live in one package, by name.

    Args:
        kind: the word for one of them in messages, ``"algorithm"``.
        base: their common base class.
        package: the import name of the package that is searched, ``"throughtime.algorithms"``.
    """

    def __init__(self, kind: str, base: type[T], package: str) -> None:
        self.kind = kind
        self.base = base
        self.package = package

    def names(self) -> list[str]:
        """All names, sorted. Imports every file of the package."""
        paths = importlib.import_module(self.package).__path__
        return sorted(module.name for module in pkgutil.iter_modules(paths) if self._find(module.name) is not None)

    def get(self, name: str) -> type[T]:
        """The class called `name`; `BadInput` with the nearest name if there is none."""
        found = self._find(name) if name.isidentifier() else None
        if found is None:
            raise BadInput(f"no {self.kind} is called {name!r}; {nearest(name, self.names())}")
        return found

    def make(self, spec: str, /, **parameters: Any) -> T:
        """An instance from a spec and further parameters, each checked against the constructor's signature."""
        name, written = parse_spec(spec)
        found = self.get(name)
        checked = check_parameters(f"{self.kind} {name!r}", found, {**written, **parameters})
        try:
            return found(**checked)
        except BadInput:
            raise
        except ValueError as error:
            raise BadInput(f"{self.kind} {format_spec(name, checked)!r}: {error}") from error

    def _find(self, name: str) -> type[T] | None:
        module_name = f"{self.package}.{name}"
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name == module_name:
                return None
            raise
        for value in vars(module).values():
            if (
                inspect.isclass(value)
                and value.__module__ == module_name
                and issubclass(value, self.base)
                and snake_case(value.__name__) == name
                and not inspect.isabstract(value)
            ):
                return value
        return None


def check_parameters(subject: str, cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as the constructor's annotations want them; `BadInput` for unknown, missing or mistyped ones."""
    signature = inspect.signature(cls).parameters
    annotations = typing.get_type_hints(getattr(cls, "__init__"), include_extras=True)  # noqa: B009
    for name in given:
        if name not in signature:
            raise BadInput(f"{subject} has no parameter {name!r}; {nearest(name, signature)}")
    checked: dict[str, Any] = {}
    for name, parameter in signature.items():
        if name not in given:
            if parameter.default is inspect.Parameter.empty:
                raise BadInput(f"{subject} needs a value for {name!r}; its parameters: {', '.join(signature)}")
            continue
        expected = annotations.get(name, Any)
        try:
            checked[name] = pydantic.TypeAdapter(expected).validate_python(given[name], strict=True)
        except pydantic.ValidationError as error:
            wanted = "; or ".join(dict.fromkeys(detail["msg"].lower() for detail in error.errors()))
            raise BadInput(f"{subject}: {name}={given[name]!r} is not allowed: {wanted}") from None
    return checked
