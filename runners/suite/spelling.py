"""One configuration in one spelling: what stands in keys, in rows and in tables, however a suite writes it.

The form is the short one: parameters in the constructor's order, as its annotations want them, those at their defaults
left out. Two specs mean the same where their short forms are equal, and a table stays narrow. A default need not stand
in a key: the constructor's code is in it. The form needs the classes, so it is made where a suite is read or planned,
with its plugins there; records and manifests hold it and are read as they are.
"""

import contextlib
from collections.abc import Iterable
from typing import Any

from throughtime.parts import BadInput, Broken, Registry, Unavailable


def in_one_spelling(registry: Registry[Any], spec: str) -> str:
    """A spec in its one form; as it is where the class can't be had, which the row will tell."""
    with contextlib.suppress(Broken, Unavailable):
        return registry.canonical(spec)
    return spec


def all_in_one_spelling(registry: Registry[Any], specs: Iterable[str], where: str) -> tuple[str, ...]:
    """Each in its one form; `BadInput` where two are one and the same. `where` begins the message."""
    found: dict[str, str] = {}
    for spec in specs:
        form = in_one_spelling(registry, spec)
        if form in found:
            raise BadInput(
                f"{where}: {found[form]!r} and {spec!r} are one {registry.kind} in two spellings; list it once: {form}"
            )
        found[form] = spec
    return tuple(found)
