"""Whether a worker, which begins with nothing but what is installed, can find the parts that this process knows."""

import sys
from collections.abc import Iterable

from throughtime.parts import BadInput
from throughtime.parts.registry import source_file

from .plugins import REGISTRIES, loaded


def check_reach(classes: Iterable[type]) -> None:
    """Whether workers can have these parts: built-ins, installed packages' and loose files' classes.

    Raises:
        BadInput: one was made known by `Registry.add` alone, which no other process hears of.
    """
    files = {plugin.module for plugin in loaded()}
    for cls in classes:
        for registry in REGISTRIES.values():
            if registry.has_added(cls) and cls.__module__ not in files:
                where = _where(cls)
                raise BadInput(
                    f"the {registry.kind} {cls.__name__} is defined in {where} and was added to the registry of this "
                    "process alone; its runs have processes of their own, which can't know it: write it into a file of "
                    "its own and give that with --plugin FILE, or in Python with "
                    "throughtime.runners.suite.plugins.load_plugin(FILE)"
                )


def _where(cls: type) -> str:
    if cls.__module__ == "__main__":
        script = getattr(sys.modules["__main__"], "__file__", None)
        return f"the script {script}" if script else "what was typed or piped into Python"
    return source_file(cls)
