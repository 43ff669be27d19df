"""Suites: benchmark tables as data. A TOML file lists tasks, cells, algorithms, forcings, a grid, a budget and seeds.

What stands at the file's top holds for every ``[[experiments]]`` table, which may override it; a file without such
tables is one experiment. Every task × cell × forcing × algorithm of an experiment is a *group*: a few tuning runs on
seeds of their own choose the learning rate and clip norm on validation data, then the report runs use fresh seeds.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveFloat, ValidationError

from throughtime.algorithms import ALGORITHMS, Algorithm, make_algorithm
from throughtime.forcings import FORCINGS, make_forcing
from throughtime.networks import CELLS
from throughtime.parts import BadInput, Broken, Unavailable
from throughtime.parts.containment import contained
from throughtime.parts.specs import nearest, parse_spec
from throughtime.parts.text import OneLine, Plain
from throughtime.tasks import TASKS, Task, make_task

from .config import Budget, RunConfig
from .spelling import all_in_one_spelling
from .written import SUITES, Count, Finite, Specs, check_kind, distinct, explain, file_of, find, names_in, parse

TUNING_SEED = 1_000_000
"""Tuning runs use the seeds from here on, report runs those from 0 on."""


_Rates = Annotated[tuple[Finite, ...], Field(min_length=1), AfterValidator(distinct)]
_Clips = Annotated[tuple[PositiveFloat, ...], Field(min_length=1), AfterValidator(distinct)]


class Choice(NamedTuple):
    """What tuning chooses: a learning rate, and a clip norm (None: no clipping)."""

    learning_rate: float
    clip_norm: float | None


class Experiment(BaseModel):
    """A cross product of tasks, cells, forcings and algorithms under one protocol.

    Attributes:
        tasks: specs, ``"two_lag(length=16)"``.
        cells: specs, ``"leaky(leak=0.1)"``; a task that brings its own cell has that one instead.
        algorithms: specs, ``"truncated(k1=5, k2=20)"``.
        forcing: specs, ``"generalized(alpha=0.9)"``.
        hidden_size: units.
        batch_size: sequences in a batch.
        optimizer: "sgd" or "adam".
        learning_rates: the grid; one value: nothing to tune.
        clip_norms: the grid of limits on the gradient's norm; inf: no clipping.
        budget: the same for every algorithm.
        evaluations: points of a learning curve after its first.
        seeds: report runs of a group.
        tuning_seeds: runs for each point of the grid.
        target: a score; the first point of a curve that reaches it gives the time to target.
        deadline: seconds after which a run is stopped.
        dtype: "float32" or "float64".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tasks: Specs
    algorithms: Specs
    budget: Budget
    learning_rates: _Rates
    cells: Specs = ("rnn",)
    forcing: Specs = ("teacher",)
    hidden_size: Count = 32
    batch_size: Count = 32
    optimizer: Literal["sgd", "adam"] = "adam"
    clip_norms: _Clips = (math.inf,)
    evaluations: Count = 10
    seeds: Count = 5
    tuning_seeds: Count = 1
    target: float | None = None
    deadline: Finite = 600
    dtype: Literal["float32", "float64"] = "float32"

    @property
    def grid(self) -> list[Choice]:
        """Every point that tuning tries."""
        return [
            Choice(rate, None if math.isinf(clip) else clip) for rate in self.learning_rates for clip in self.clip_norms
        ]

    def size(self, cell: str) -> str:
        """How large the network is, in words; a cell that the experiment does not list is its task's own."""
        return f"{self.hidden_size} units" if cell in self.cells else "the task's own cell"

    def groups(self) -> Iterator["Group"]:
        """Every task × cell × forcing × algorithm, in the order written."""
        for task in self.tasks:
            own = own_cell(task)
            for cell in (own,) if own else self.cells:
                for forcing in self.forcing:
                    for algorithm in self.algorithms:
                        yield Group(self, task, cell, forcing, algorithm)


@dataclass(frozen=True)
class Group:
    """One row of a table: the runs of one algorithm on one task and cell, in one forcing."""

    experiment: Experiment
    task: str
    cell: str
    forcing: str
    algorithm: str

    @property
    def obstacle(self) -> str:
        """Why this task, forcing and algorithm don't go together; empty where they do."""
        forcing = make_forcing(self.forcing)
        if forcing.closes_loop and task_class(self.task).feedback is None:
            return (
                f"{self.forcing} feeds the network's own output back, and the inputs of {self.task} are not its past "
                "targets: only teacher forcing fits"
            )
        if forcing.backward_mode_only and not make_algorithm(self.algorithm).backward_mode:
            return (
                f"{self.forcing} judges whole windows of hidden states, which {self.algorithm} does not differentiate: "
                "it needs a backward-mode algorithm, such as full or truncated"
            )
        return self._refusal()

    def _refusal(self) -> str:
        """Why the algorithm refuses the network that it would be given; empty where it does not."""
        algorithm = make_algorithm(self.algorithm)
        if type(algorithm).refuses is Algorithm.refuses:
            return ""
        with contained(f"asking {self.algorithm} whether it serves {self.cell} on {self.task}"):
            task, sizes = make_task(self.task), {"hidden_size": self.experiment.hidden_size}
            dtype = getattr(torch, self.experiment.dtype)
            network = task.make_network(self.cell, **sizes, seed=0, dtype=dtype, device="cpu")
            reason = algorithm.refuses(make_forcing(self.forcing).begin(network, task.feedback, seed=0))
        return f"{self.algorithm} does not serve {self.cell}: {reason}" if reason else ""

    def tuning(self, device: str) -> dict[Choice, list[RunConfig]]:
        """The tuning runs of each point of the grid; none where the grid is a single point."""
        grid = self.experiment.grid
        seeds = range(TUNING_SEED, TUNING_SEED + self.experiment.tuning_seeds)
        return {c: [self._config(c, s, "tuning", device) for s in seeds] for c in grid} if len(grid) > 1 else {}

    def report(self, choice: Choice, device: str) -> list[RunConfig]:
        """The runs that the table shows."""
        return [self._config(choice, seed, "report", device) for seed in range(self.experiment.seeds)]

    def choose(self, scores: Mapping[Choice, Sequence[float | None]]) -> Choice:
        """The grid's point with the best mean validation score; one with a failed run (None) loses to all without.

        Where every point failed, and on ties, the smallest learning rate and then the smallest clip norm.
        """
        better = make_task(self.task).metric.better
        sign = 1 if better == "lower" else -1

        def rank(choice: Choice) -> tuple[float, float, float]:
            values = scores.get(choice, [])
            good = [value for value in values if value is not None]
            mean = sign * sum(good) / len(good) if good and len(good) == len(values) else math.inf
            return mean, choice.learning_rate, math.inf if choice.clip_norm is None else choice.clip_norm

        return min(self.experiment.grid, key=rank)

    def _config(self, choice: Choice, seed: int, purpose: Literal["tuning", "report"], device: str) -> RunConfig:
        e = self.experiment
        return RunConfig(
            task=self.task,
            cell=self.cell,
            hidden_size=e.hidden_size,
            algorithm=self.algorithm,
            forcing=self.forcing,
            optimizer=e.optimizer,
            learning_rate=choice.learning_rate,
            clip_norm=choice.clip_norm,
            batch_size=e.batch_size,
            budget=e.budget,
            evaluations=e.evaluations,
            seed=seed,
            purpose=purpose,
            dtype=e.dtype,
            device="cuda" if device == "cuda" else "cpu",
        )


class Suite(BaseModel):
    """A named list of experiments.

    Attributes:
        file: where it was read from; None for a built-in one, and one made in Python. No manifest has it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path | None = Field(None, exclude=True, repr=False)
    name: OneLine
    title: OneLine
    description: Plain = ""
    experiments: tuple[Experiment, ...] = Field(min_length=1)

    def groups(self) -> list[Group]:
        """Every group of every experiment."""
        return [group for experiment in self.experiments for group in experiment.groups()]


def task_class(spec: str) -> type[Task]:
    """The class of the task that a spec names, without making it; `Broken` where it is a plugin's that fails."""
    return TASKS.get(parse_spec(spec)[0])


def own_cell(task: str) -> str:
    """The cell that a task brings; empty where any serves, or where it can't be known."""
    try:
        return task_class(task).own_cell
    except Broken:
        return ""


def suite_names() -> list[str]:
    """The built-in suites."""
    return names_in(SUITES)


def load_suite(name_or_path: str | Path) -> Suite:
    """A built-in suite by name, or one from a TOML file; `BadInput` names the mistake and the field.

    >>> load_suite("smoke").name
    'smoke'
    """
    check_kind(str(name_or_path))
    text, name = find(name_or_path, SUITES, kind="suite")
    return parse_suite(text, name, origin=str(name_or_path)).model_copy(update={"file": file_of(name_or_path)})


def parse_suite(text: str | dict[str, Any], name: str, *, origin: str) -> Suite:
    """A suite from TOML, or from what was parsed of it; `origin` is what messages call it."""
    written = parse(text, origin=origin) if isinstance(text, str) else text
    defaults = {key: value for key, value in written.items() if key in Experiment.model_fields}
    rest = {key: value for key, value in written.items() if key not in defaults}
    listed = rest.pop("experiments", [{}])
    if not (isinstance(listed, list) and listed and all(isinstance(one, dict) for one in listed)):
        raise BadInput(f"{origin}: experiments must be written as [[experiments]] tables")
    for key in [key for key in rest if key not in ("title", "description")]:
        allowed = ["title", "description", "experiments", *_FIELDS]
        raise BadInput(f"{origin} has an unknown field {key!r}; {nearest(key, allowed)}")
    experiments = []
    for number, one in enumerate(listed, start=1):
        where = f"{origin}, experiment {number}" if len(listed) > 1 else origin
        try:
            experiments.append(Experiment.model_validate({**defaults, **one}))
        except ValidationError as error:
            raise BadInput(explain(error, where, _FIELDS)) from None
    try:
        suite = Suite.model_validate({"name": name, "title": name, **rest, "experiments": experiments})
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
