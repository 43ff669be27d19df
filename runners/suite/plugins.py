"""Plugins as loose files: ``--plugin path.py`` makes a file's algorithms, tasks, cells and forcings known by name.

What a file defines is found by its base classes; its names are its classes' in snake case, as those of built-ins are.
A file's folder is where it may import from, as if it were started from there. What it changes of the process when it is
imported is put back: settings are made in the constructor or in the methods, where they are its own run's alone.
"""

import importlib.util
import inspect
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from throughtime.algorithms import ALGORITHMS
from throughtime.forcings import FORCINGS
from throughtime.networks import CELLS
from throughtime.parts import BadInput, Registry
from throughtime.parts.containment import contained
from throughtime.parts.registry import missing_methods
from throughtime.tasks import TASKS

from .beside import check_beside, forget_beside
from .fingerprint import forget as forget_sources

REGISTRIES: dict[str, Registry[Any]] = {
    "algorithms": ALGORITHMS,
    "forcings": FORCINGS,
    "tasks": TASKS,
    "cells": CELLS,
}
"""Every kind of part, by the word for many of it."""


@dataclass(frozen=True)
class Plugin:
    """A file that was loaded.

    Attributes:
        path: absolute.
        names: of what it gives: kind and name.
    """

    path: Path
    names: tuple[tuple[str, str], ...]

    @property
    def module(self) -> str:
        """The name that it is imported by."""
        return _module_name(self.path)


def _module_name(file: Path) -> str:
    return f"plugin_{file.stem}"


_loaded: dict[Path, Plugin] = {}


def loaded() -> tuple[Plugin, ...]:
    """The files loaded by this process."""
    return tuple(_loaded.values())


def files_of(modules: Iterable[str]) -> tuple[str, ...]:
    """Of the files loaded by this process, those that are among the modules: what a run of theirs has to load.

    No other: what a file does when it is imported, and be it on purpose, is to change the runs of no other part.
    """
    names = set(modules)
    return tuple(str(plugin.path) for plugin in _loaded.values() if plugin.module in names)


def forget() -> None:
    """Undo every `load_plugin`."""
    for plugin in _loaded.values():
        for kind, name in plugin.names:
            REGISTRIES[f"{kind}s"].remove(name)
        sys.modules.pop(plugin.module, None)
        forget_beside(plugin.path)
    _loaded.clear()
    forget_sources()


def load_plugins(paths: Iterable[str | Path]) -> None:
    """`load_plugin` for each."""
    for path in paths:
        load_plugin(path)


def load_plugin(path: str | Path) -> Plugin:
    """Make what a Python file defines known by name, for this process; a file that is known already is left as it is.

    Raises:
        BadInput: there is no such file, it defines nothing, a name that there is already, or it imports a file
            beside it by a name that stands for another file already.
        Broken: it can't be imported, or replaces what others compute with.
    """
    file = Path(path).expanduser().resolve()
    if file in _loaded:
        return _loaded[file]
    module_name = _module_name(file)
    if not file.is_file() or file.suffix != ".py":
        raise BadInput(f"--plugin {path}: a plugin is a Python file, and there is none of that name")
    if not file.stem.isidentifier():
        raise BadInput(f"--plugin {path}: name it with letters, digits and underscores alone, such as my_algorithm.py")
    if module_name in sys.modules:
        there = getattr(sys.modules[module_name], "__file__", module_name)
        raise BadInput(f"--plugin {path}: another plugin has the same file name: {there}; rename one of them")
    check_beside(file)
    for registry in REGISTRIES.values():
        registry.names()  # imports the built-in parts: only what is there already is seen to be replaced
    module = _import(file, module_name, f"importing the plugin {path}")
    names: list[tuple[str, str]] = []
    try:
        for registry, cls in _parts(module, path):
            names.append((registry.kind, registry.add(cls)))
    except BadInput:
        for kind, name in names:
            REGISTRIES[f"{kind}s"].remove(name)
        del sys.modules[module_name]
        raise
    _loaded[file] = Plugin(file, tuple(names))
    return _loaded[file]


def _import(file: Path, module_name: str, subject: str) -> Any:
    spec = importlib.util.spec_from_file_location(module_name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))  # last, so that it shadows nothing
    try:
        with contained(subject):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module


def _parts(module: Any, path: str | Path) -> list[tuple[Registry[Any], type]]:
    """The classes that a module defines, each with the registry that it belongs to; `BadInput` where there is none."""
    classes = dict.fromkeys(value for value in vars(module).values() if inspect.isclass(value))
    found, unfinished = [], []
    for cls in [cls for cls in classes if cls.__module__ == module.__name__]:
        for registry in REGISTRIES.values():
            if issubclass(cls, registry.base) and not cls.__name__.startswith("_"):
                if inspect.isabstract(cls):
                    unfinished.append(f"; its class {cls.__name__} lacks {missing_methods(cls)}")
                else:
                    found.append((registry, cls))
    if not found:
        bases = ", ".join(registry.base.__name__ for registry in REGISTRIES.values())
        raise BadInput(
            f"--plugin {path} defines nothing to use: it needs a class derived from one of {bases}"
            f"{''.join(unfinished)}; `throughtime new algorithm NAME` writes one that works"
        )
    return found
