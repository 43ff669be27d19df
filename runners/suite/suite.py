"""Suites: benchmark tables as data. A TOML file lists tasks, cells, algorithms, forcings, a grid, a budget and seeds.

What stands at the file's top holds for every ``[[experiments]]`` table, which may override it; a file without such
tables is one experiment (`experiment.py`).
"""

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from throughtime.algorithms import ALGORITHMS, make_algorithm
from throughtime.forcings import FORCINGS, make_forcing
from throughtime.networks import CELLS
from throughtime.parts import BadInput, Broken, Unavailable
from throughtime.parts.specs import nearest
from throughtime.parts.text import OneLine, Plain
from throughtime.tasks import TASKS, make_task

from .experiment import Experiment, Group
from .spelling import all_in_one_spelling
from .tiers import CORE, in_tier
from .written import SUITES, check_kind, explain, file_of, find, names_in, parse


class Suite(BaseModel):
    """A named list of experiments.

    Attributes:
        file: where it was read from; None for a built-in one, and one made in Python. No manifest has it.
        tier: "smoke", "core" or "full": `tiers.py`.
        core_minutes: what all of its runs took when they were last made, in minutes of one core; 0: not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path | None = Field(None, exclude=True, repr=False)
    name: OneLine
    title: OneLine
    description: Plain = ""
    tier: OneLine = CORE
    core_minutes: float = Field(0.0, ge=0, allow_inf_nan=False)
    experiments: tuple[Experiment, ...] = Field(min_length=1)

    def groups(self) -> list[Group]:
        """Every group of every experiment."""
        return [group for experiment in self.experiments for group in experiment.groups()]

    @property
    def tiered_name(self) -> str:
        """The suite's name, with its tier where that is another than core."""
        return self.name if self.tier == CORE else f"{self.name}-{self.tier}"


def suite_names() -> list[str]:
    """The built-in suites."""
    return names_in(SUITES)


def load_suite(name_or_path: str | Path, tier: str = CORE) -> Suite:
    """A built-in suite by name, or one from a TOML file, in one of its tiers; `BadInput` names mistake and field.

    >>> load_suite("smoke").name
    'smoke'
    """
    check_kind(str(name_or_path))
    text, name = find(name_or_path, SUITES, kind="suite")
    return parse_suite(text, name, origin=str(name_or_path), tier=tier).model_copy(
        update={"file": file_of(name_or_path)}
    )


def parse_suite(text: str | dict[str, Any], name: str, *, origin: str, tier: str = CORE) -> Suite:
    """A suite from TOML, or from what was parsed of it; `origin` is what messages call it."""
    written = in_tier(parse(text, origin=origin) if isinstance(text, str) else text, tier, origin=origin)
    defaults = {key: value for key, value in written.items() if key in Experiment.model_fields}
    rest = {key: value for key, value in written.items() if key not in defaults}
    listed = rest.pop("experiments", [{}])
    if not (isinstance(listed, list) and listed and all(isinstance(one, dict) for one in listed)):
        raise BadInput(f"{origin}: experiments must be written as [[experiments]] tables")
    for key in [key for key in rest if key not in ("title", "description", "core_minutes")]:
        allowed = ["title", "description", "core_minutes", "experiments", "tiers", *_FIELDS]
        raise BadInput(f"{origin} has an unknown field {key!r}; {nearest(key, allowed)}")
    if tier != CORE:
        rest["title"] = f"{rest.get('title', name)} ({tier})"
    experiments = []
    for number, one in enumerate(listed, start=1):
        where = f"{origin}, experiment {number}" if len(listed) > 1 else origin
        try:
            experiments.append(Experiment.model_validate({**defaults, **one}))
        except ValidationError as error:
            raise BadInput(explain(error, where, _FIELDS)) from None
    try:
        suite = Suite.model_validate({"name": name, "title": name, **rest, "tier": tier, "experiments": experiments})
    except ValidationError as error:
        raise BadInput(explain(error, origin, _FIELDS)) from None
    _check_names(suite)
    return spelt(suite, origin)


def spelt(suite: Suite, origin: str) -> Suite:
    """The suite with every spec in its one form; `BadInput` where an experiment lists one in two spellings."""
    kinds = (("tasks", TASKS), ("cells", CELLS), ("algorithms", ALGORITHMS), ("forcing", FORCINGS))
    experiments = [
        one.model_copy(update={f: all_in_one_spelling(r, getattr(one, f), f"{origin}: {f}") for f, r in kinds})
        for one in suite.experiments
    ]
    return suite.model_copy(update={"experiments": tuple(experiments)})


_FIELDS = list(Experiment.model_fields)


def _check_names(suite: Suite) -> None:
    """Build every task, cell and algorithm once, so that a wrong word is told before anything runs."""
    for experiment in suite.experiments:
        parts: list[tuple[Callable[[str], object], str]] = [
            *((make_algorithm, algorithm) for algorithm in experiment.algorithms),
            *((make_forcing, forcing) for forcing in experiment.forcing),
            *((partial(CELLS.try_out, hidden_size=experiment.hidden_size), cell) for cell in experiment.cells),
            *((make_task, task) for task in experiment.tasks),
        ]
        for make, spec in parts:
            with contextlib.suppress(Unavailable, Broken):  # its runs will tell, with the reason
                make(spec)
