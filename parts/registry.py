"""Finding cells, algorithms and tasks by name, and building them from a spec such as ``"truncated(k1=5, k2=20)"``.

There are three ways in. A built-in's name is its file's name and its class's name in snake case: ``two_lag`` is
``TwoLag`` in ``two_lag.py``; a folder is its own registry, so adding a file adds the name. An installed package gives
names by entry points. `Registry.add` takes any class, which is what a loose file's are given to. Every mistake becomes
a `BadInput` that says what was given, what is allowed, and which name is nearest; a plugin's failure is `Broken`.
"""

import contextlib
import functools
import importlib
import importlib.util
import inspect
import pkgutil
import sys
import types
import typing
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar

import pydantic

from .containment import contained
from .errors import BadInput
from .specs import format_spec, is_literal, literal, nearest, parse_spec, snake_case

T = TypeVar("T")


class Registry(Generic[T]):
    """The classes of one kind, by name.

    Args:
        kind: the word for one of them in messages, ``"algorithm"``.
        base: their common base class.
        package: the import name of the package that is searched, ``"throughtime.algorithms"``.
        group: of the entry points by which installed packages give theirs; the package's name by default.
    """

    def __init__(self, kind: str, base: type[T], package: str, *, group: str = "") -> None:
        self.kind = kind
        self.base = base
        self.package = package
        self.group = group or package
        self._added: dict[str, type[T]] = {}

    def names(self) -> list[str]:
        """All names, sorted. Imports every file of the package, and no installed plugin."""
        paths = importlib.import_module(self.package).__path__
        built_in = {module.name for module in pkgutil.iter_modules(paths) if self._built_in(module.name) is not None}
        return sorted(built_in | set(installed(self.group)) | set(self._added))

    def get(self, name: str) -> type[T]:
        """The class called `name`.

        Raises:
            BadInput: there is none, with the nearest name, or there are two, with both files.
            Broken: an installed package's can't be imported, or is no such class.
        """
        built_in = self._built_in(name) if name.isidentifier() else None
        others, added = installed(self.group).get(name, ()), self._added.get(name)
        files = [source_file(cls) for cls in (built_in, added) if cls is not None]
        files += [_named(point) for point in others]
        if len(files) > 1:
            raise BadInput(
                f"two things are the {self.kind} {name!r}: {' and '.join(files)}; rename one of them, or uninstall it"
            )
        if others:
            return self._load(others[0])
        found = built_in or added
        if found is None:
            raise BadInput(
                f"no {self.kind} is called {name!r}; {nearest(name, self.names())} (--plugin FILE adds a file's)"
            )
        return found

    def add(self, cls: type[T]) -> str:
        """Make a class known, for this process, by its name in snake case, which is returned.

        Raises:
            BadInput: the name is another one's already.
        """
        name = snake_case(cls.__name__)
        before, self._added[name] = self._added.get(name), cls
        try:
            if before not in (None, cls):
                files = f"{source_file(before)} and {source_file(cls)}"
                raise BadInput(f"two things are the {self.kind} {name!r}: {files}; rename one of them")
            self.get(name)
        except BadInput:
            del self._added[name]
            if before is not None:
                self._added[name] = before
            raise
        return name

    def has_added(self, cls: type) -> bool:
        """Whether a class is known by `add`, to this process alone."""
        return any(cls is known for known in self._added.values())

    def remove(self, name: str) -> None:
        """Undo `add`."""
        del self._added[name]

    def parameters(self, cls: type[T]) -> dict[str, inspect.Parameter]:
        """What a spec of a class may give, by name: its constructor's parameters, with annotations as types."""
        return parameters_of(cls)

    def make(self, spec: str, /, **parameters: Any) -> T:
        """An instance from a spec and further parameters, each checked against the constructor's signature."""
        name, written = parse_spec(spec)
        found = self.get(name)
        subject = f"{self.kind} {name!r}"
        with contained(f"making the {subject}") if third_party(found) else contextlib.nullcontext():
            checked = check_parameters(subject, self.parameters(found), {**written, **parameters})
            try:
                return found(**checked)
            except BadInput:
                raise
            except ValueError as error:
                raise BadInput(f"{self.kind} {format_spec(name, checked)!r}: {error}") from error

    def canonical(self, spec: str) -> str:
        """A spec in one form: parameters in the constructor's order, as it wants them, without those at their defaults.

        Raises:
            BadInput: there is no such name, or its parameters are wrong.
            Broken: a plugin's class can't be had.
        """
        name, written = parse_spec(spec)
        found = self.get(name)
        subject = f"{self.kind} {name!r}"
        with contained(f"reading the parameters of the {subject}") if third_party(found) else contextlib.nullcontext():
            allowed = self.parameters(found)
            checked = check_parameters(subject, allowed, written)
            defaults = {key: allowed[key].default for key in checked}
            known = {key: value for key, value in defaults.items() if value is not inspect.Parameter.empty}
            with contextlib.suppress(BadInput):  # a default that its own annotation does not allow
                known |= {key: check_parameters(subject, allowed, {**checked, **known})[key] for key in known}
        told = {
            key: value if is_literal(value) else written[key]
            for key, value in checked.items()
            if key not in known or literal(value) != literal(known[key])
        }
        return format_spec(name, told)

    def _built_in(self, name: str) -> type[T] | None:
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

    def _load(self, point: EntryPoint) -> type[T]:
        """What an installed package's entry point names."""
        subject = f"importing the {self.kind} {point.name!r} from {_named(point)}"
        with contained(subject):
            found = point.load()
            if not (inspect.isclass(found) and issubclass(found, self.base)):
                raise TypeError(f"{point.value} is no class derived from {self.base.__name__}")
            if inspect.isabstract(found):
                raise TypeError(f"{point.value} lacks {missing_methods(found)}")
        assert issubclass(found, self.base)
        return found


@functools.cache
def installed(group: str) -> dict[str, tuple[EntryPoint, ...]]:
    """The entry points of a group by name; the same one is the same, however often it is found."""
    found: dict[str, dict[str, EntryPoint]] = {}
    for point in entry_points(group=group):
        found.setdefault(point.name, {})[_named(point)] = point
    return {name: tuple(points.values()) for name, points in found.items()}


def _named(point: EntryPoint) -> str:
    """The file that an entry point leads to, without importing it, and the package that it was installed with."""
    package = point.dist.name if point.dist is not None else "an unnamed package"
    top, *below = point.module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        return f"{point.value} (installed with {package})"
    file = Path(spec.origin)
    inner = file.parent.joinpath(*below)
    if below:
        file = inner / "__init__.py" if inner.is_dir() else inner.with_suffix(".py")
    return f"{file} (installed with {package})"


def source_file(cls: type) -> str:
    """The file that a class is written in."""
    try:
        return inspect.getfile(cls)
    except (OSError, TypeError):
        return cls.__module__


def missing_methods(cls: type) -> str:
    """Of an abstract class, what a subclass owes."""
    return ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))


def third_party(cls: type) -> bool:
    """Whether a class comes from outside of throughtime."""
    return cls.__module__.partition(".")[0] != "throughtime"


def parameters_of(cls: type) -> dict[str, inspect.Parameter]:
    """A constructor's parameters by name, their annotations as types; of what has none, or none to be had, `Any`."""
    annotations = _annotations(cls)
    found = inspect.signature(cls).parameters
    return {name: one.replace(annotation=annotations.get(name, Any)) for name, one in found.items()}


def check_parameters(
    subject: str, allowed: Mapping[str, inspect.Parameter], given: Mapping[str, Any]
) -> dict[str, Any]:
    """The given parameters as their annotations want them; `BadInput` for unknown, missing or mistyped ones."""
    for name in given:
        if name not in allowed:
            raise BadInput(f"{subject} has no parameter {name!r}; {nearest(name, allowed)}")
    checked: dict[str, Any] = {}
    for name, parameter in allowed.items():
        if name not in given:
            if parameter.default is inspect.Parameter.empty:
                raise BadInput(f"{subject} needs a value for {name!r}; its parameters: {', '.join(allowed)}")
            continue
        expected = parameter.annotation
        if expected is Any and type(parameter.default) is float and type(given[name]) is int:
            expected = float  # where nothing is said of it the default's type tells that 1 is 1.0
        try:
            checked[name] = pydantic.TypeAdapter(expected).validate_python(given[name], strict=True)
        except pydantic.ValidationError as error:
            wanted = "; or ".join(dict.fromkeys(detail["msg"].lower() for detail in error.errors()))
            raise BadInput(f"{subject}: {name}={given[name]!r} is not allowed: {wanted}") from None
    return checked


def _annotations(cls: type) -> dict[str, Any]:
    """The constructor's annotations, each read by itself.

    In a file with ``from __future__ import annotations`` they are text, and what is imported for a type checker alone
    is not there to be looked up: such a parameter may be anything.
    """
    init = inspect.unwrap(getattr(cls, "__init__"))  # noqa: B009 (of the class, whatever it is)
    names = {**vars(sys.modules.get(cls.__module__, typing)), **getattr(init, "__globals__", {})}
    found: dict[str, Any] = {}
    for name, annotation in getattr(init, "__annotations__", {}).items():
        one = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            found |= typing.get_type_hints(one, globalns=names, include_extras=True)
        except (NameError, TypeError, AttributeError):
            found[name] = Any
    return found
