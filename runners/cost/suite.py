"""A cost suite: which points are measured, as data. A TOML file lists algorithms, cells and sizes.

What stands at the file's top holds for every ``[[sweeps]]`` table, which may override it. A sweep changes one size, the
one that it gives a list for, and holds the others, so an exponent is read off each and the grid stays small.
"""

from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from throughtime.algorithms import ALGORITHMS, make_algorithm
from throughtime.networks import CELLS
from throughtime.parts import BadInput
from throughtime.parts.specs import nearest
from throughtime.parts.text import OneLine, Plain
from throughtime.runners.suite.spelling import all_in_one_spelling
from throughtime.runners.suite.written import (
    COST_SUITES,
    Count,
    Finite,
    Specs,
    distinct,
    explain,
    file_of,
    find,
    names_in,
    parse,
)

from .point import Axis, Point

AXES: tuple[Axis, ...] = get_args(Axis)
LETTERS: dict[Axis, str] = {"length": "T", "hidden_size": "n", "batch_size": "B"}


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, int) else value


_Sizes = Annotated[tuple[Count, ...], BeforeValidator(_listed), Field(min_length=1), AfterValidator(distinct)]


class Sweep(BaseModel):
    """Every algorithm on every cell, through the sizes of one axis.

    Attributes:
        algorithms: specs, ``"truncated(k1=5, k2=20)"``.
        cells: specs, ``"leaky(leak=0.1)"``.
        length: T; of it, `hidden_size` (n) and `batch_size` (B) exactly one is a list.
        input_size: m, `output_size`: o.
        dtype: "float32" or "float64".
        rounds: passes over a batch that are timed, at most.
        seconds: after which no further round of a point begins, once there are three.
        deadline: seconds after which a point is given up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    algorithms: Specs
    cells: Specs
    length: _Sizes
    hidden_size: _Sizes
    batch_size: _Sizes
    input_size: Count = 2
    output_size: Count = 1
    dtype: Literal["float32", "float64"] = "float32"
    rounds: Count = 20
    seconds: Finite = 0.3
    deadline: Finite = 120

    @property
    def swept(self) -> list[Axis]:
        """The axes with a list of sizes."""
        return [axis for axis in AXES if len(self.sizes(axis)) > 1]

    @property
    def axis(self) -> Axis:
        """The one that is swept."""
        (axis,) = self.swept
        return axis

    def sizes(self, axis: Axis) -> tuple[int, ...]:
        """The sizes along an axis, one where it is held."""
        sizes: tuple[int, ...] = getattr(self, axis)
        return sizes

    @property
    def held(self) -> str:
        """The sizes that stay, in words: "n = 32, B = 8"."""
        return ", ".join(f"{LETTERS[axis]} = {self.sizes(axis)[0]}" for axis in AXES if axis != self.axis)

    def points(self, cell: str, algorithm: str, device: str) -> list[Point]:
        """One line of a figure: from the smallest size to the largest."""
        fields = self.model_dump(include={"input_size", "output_size", "dtype", "rounds", "seconds"})
        fields |= {"cell": cell, "algorithm": algorithm, "device": device}
        fields |= {axis: self.sizes(axis)[0] for axis in AXES}
        return [Point.model_validate({**fields, self.axis: value}) for value in sorted(self.sizes(self.axis))]


class CostSuite(BaseModel):
    """A named list of sweeps.

    Attributes:
        file: where it was read from; None for a built-in one, and one made in Python. No manifest has it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path | None = Field(None, exclude=True, repr=False)
    name: OneLine
    title: OneLine
    description: Plain = ""
    sweeps: tuple[Sweep, ...] = Field(min_length=1)


def cost_suite_names() -> list[str]:
    """The built-in cost suites."""
    return names_in(COST_SUITES)


def load_cost_suite(name_or_path: str | Path) -> CostSuite:
    """A built-in cost suite by name, or one from a TOML file; `BadInput` names the mistake and the field.

    >>> [sweep.axis for sweep in load_cost_suite("cost").sweeps]
    ['length', 'hidden_size', 'hidden_size', 'batch_size']
    """
    text, name = find(name_or_path, COST_SUITES, kind="cost suite")
    return parse_cost_suite(text, name, origin=str(name_or_path)).model_copy(update={"file": file_of(name_or_path)})


def parse_cost_suite(text: str, name: str, *, origin: str) -> CostSuite:
    """A cost suite from TOML; `origin` is what messages call it."""
    written = parse(text, origin=origin)
    fields = list(Sweep.model_fields)
    defaults = {key: value for key, value in written.items() if key in fields}
    rest = {key: value for key, value in written.items() if key not in fields}
    listed = rest.pop("sweeps", [{}])
    if not (isinstance(listed, list) and listed and all(isinstance(one, dict) for one in listed)):
        raise BadInput(f"{origin}: sweeps must be written as [[sweeps]] tables")
    for key in rest:
        if key not in ("title", "description"):
            allowed = ["title", "description", "sweeps", *fields]
            raise BadInput(f"{origin} has an unknown field {key!r}; {nearest(key, allowed)}")
    sweeps = []
    for number, one in enumerate(listed, start=1):
        where = f"{origin}, sweep {number}" if len(listed) > 1 else origin
        try:
            sweeps.append(_checked(Sweep.model_validate({**defaults, **one}), where))
        except ValidationError as error:
            raise BadInput(explain(error, where, fields)) from None
    try:
        return CostSuite.model_validate({"name": name, "title": name, **rest, "sweeps": sweeps})
    except ValidationError as error:
        raise BadInput(explain(error, origin, fields)) from None


def _checked(sweep: Sweep, where: str) -> Sweep:
    """The sweep; `BadInput` unless it sweeps one size, of algorithms and cells that there are."""
    if len(sweep.swept) != 1:
        raise BadInput(
            f"{where}: a sweep changes one size; give a list of sizes for exactly one of {', '.join(AXES)}; "
            f"got {'lists for ' + ' and '.join(sweep.swept) if sweep.swept else 'no list'}"
        )
    for algorithm in sweep.algorithms:
        make_algorithm(algorithm)
    for cell, size in product(sweep.cells, sweep.hidden_size):
        CELLS.try_out(cell, hidden_size=size)
    return spelt(sweep, where)


def spelt(sweep: Sweep, where: str) -> Sweep:
    """The sweep with every spec in its one form; `BadInput` where it lists one in two spellings."""
    return sweep.model_copy(
        update={
            "algorithms": all_in_one_spelling(ALGORITHMS, sweep.algorithms, f"{where}: algorithms"),
            "cells": all_in_one_spelling(CELLS, sweep.cells, f"{where}: cells"),
        }
    )
