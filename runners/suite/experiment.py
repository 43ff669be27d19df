"""Experiments: what a suite asks for, a cross product under one protocol, and its groups, which become a table's rows.

Every task × cell × forcing × algorithm of an experiment is a *group*: a few tuning runs on seeds of their own choose
the learning rate and clip norm on validation data, then the report runs use fresh seeds.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PositiveFloat,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from throughtime.algorithms import Algorithm, make_algorithm
from throughtime.forcings import make_forcing
from throughtime.parts import Broken
from throughtime.parts.containment import contained
from throughtime.parts.specs import parse_spec
from throughtime.tasks import TASKS, Task, make_task

from .config import TUNING_SEED, Budget, RunConfig
from .ladder import LEAST_SEEDS, Choice, Ladder, Scores, best_of, costs_of, read_rates
from .written import Count, Finite, Specs, distinct

_List = Annotated[tuple[Finite, ...], Field(min_length=1), AfterValidator(distinct)]
_Rates = Annotated[
    Annotated[Ladder, Tag("<ladder>")] | Annotated[_List, Tag("<list>")],
    Discriminator(lambda given: "<ladder>" if isinstance(given, dict | Ladder) else "<list>"),
]
_Clips = Annotated[tuple[PositiveFloat, ...], Field(min_length=1), AfterValidator(distinct)]


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
        learning_rates: a list, of which one value leaves nothing to tune; or "auto", a `Ladder` that suits the
            optimizer, or one of its own, { start = 0.003, least = 1e-4, most = 1 }.
        clip_norms: the grid of limits on the gradient's norm; inf: no clipping.
        budget: the same for every algorithm.
        evaluations: points of a learning curve after its first.
        seeds: report runs of a group.
        tuning_seeds: runs for each point of the grid; 1, and of a ladder 3, which it needs at least.
        target: a score; the first point of a curve that reaches it gives the time to target.
        deadline: seconds after which a run is stopped.
        dtype: "float32" or "float64".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tasks: Specs
    algorithms: Specs
    budget: Budget
    optimizer: Literal["sgd", "adam"] = "adam"
    learning_rates: _Rates
    cells: Specs = ("rnn",)
    forcing: Specs = ("teacher",)
    hidden_size: Count = 32
    batch_size: Count = 32
    clip_norms: _Clips = (math.inf,)
    evaluations: Count = 10
    seeds: Count = 5
    tuning_seeds: Count = 1
    target: float | None = None
    deadline: Finite = 600
    dtype: Literal["float32", "float64"] = "float32"

    @model_validator(mode="before")
    @classmethod
    def _seeds_of_a_ladder(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(given.get("learning_rates"), str | dict | Ladder):
            return {"tuning_seeds": LEAST_SEEDS, **given}
        return given

    @field_validator("learning_rates", mode="before")
    @classmethod
    def _ladder(cls, given: Any, info: ValidationInfo) -> Any:
        return read_rates(given, info.data.get("optimizer", ""))

    @field_validator("tuning_seeds")
    @classmethod
    def _enough_for_a_ladder(cls, given: int, info: ValidationInfo) -> int:
        if given < LEAST_SEEDS and isinstance(info.data.get("learning_rates"), Ladder):
            raise ValueError(
                f'must be at least {LEAST_SEEDS} where learning_rates is "auto" or a table: a ladder goes where the '
                "best rate points, and the luck of a seed would lead it astray"
            )
        return given

    @property
    def ladder(self) -> Ladder | None:
        """By which the learning rates are looked for; None where they are listed."""
        return self.learning_rates if isinstance(self.learning_rates, Ladder) else None

    @property
    def rates(self) -> tuple[float, ...]:
        """The learning rates that tuning tries first: of a list all."""
        return self.learning_rates.first if isinstance(self.learning_rates, Ladder) else self.learning_rates

    @property
    def rates_in_words(self) -> str:
        """What is tried."""
        return str(self.ladder or ", ".join(f"{rate:g}" for rate in self.rates))

    @property
    def grid(self) -> list[Choice]:
        """Every point that tuning tries first: of a list all."""
        return self.points(self.rates)

    @property
    def runs(self) -> int:
        """The runs of one row: tuning's, of a ladder at least, and the report's."""
        tuning = len(self.grid) * self.tuning_seeds if len(self.grid) > 1 else 0
        return tuning + self.seeds

    def points(self, rates: Sequence[float]) -> list[Choice]:
        """Learning rates with every clip norm."""
        return [Choice(rate, None if math.isinf(clip) else clip) for rate in rates for clip in self.clip_norms]

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

    def tuning(self, device: str, rates: Sequence[float] = ()) -> dict[Choice, list[RunConfig]]:
        """The tuning runs of each point; none where the grid is a single one.

        Args:
            device: "cpu" or "cuda".
            rates: those of a ladder that were tried; none: what is tried first.
        """
        grid = self.experiment.grid
        points = self.experiment.points(rates) if rates else grid
        return {choice: self.attempts(choice, device) for choice in points} if len(grid) > 1 else {}

    def attempts(self, choice: Choice, device: str) -> list[RunConfig]:
        """The tuning runs of one point."""
        seeds = range(TUNING_SEED, TUNING_SEED + self.experiment.tuning_seeds)
        return [self._config(choice, seed, "tuning", device) for seed in seeds]

    def report(self, choice: Choice, device: str) -> list[RunConfig]:
        """The runs that the table shows."""
        return [self._config(choice, seed, "report", device) for seed in range(self.experiment.seeds)]

    def choose(self, scores: Scores) -> Choice:
        """The point with the best mean validation score, of a list the smallest on ties: `best_of`."""
        tried = {choice: scores.get(choice, []) for choice in dict.fromkeys([*self.experiment.grid, *scores])}
        return best_of(tried, self._better, inner=self.experiment.ladder is not None)

    def further(self, scores: Scores) -> float | None:
        """The learning rate to try next, by what is known of those of a ladder; None of a list, and where it ends."""
        ladder = self.experiment.ladder
        if ladder is None:
            return None
        return ladder.further(costs_of(scores, self._better), self.choose(scores).learning_rate)

    @property
    def _better(self) -> str:
        return task_class(self.task).metric.better

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


def task_class(spec: str) -> type[Task]:
    """The class of the task that a spec names, without making it; `Broken` where it is a plugin's that fails."""
    return TASKS.get(parse_spec(spec)[0])


def own_cell(task: str) -> str:
    """The cell that a task brings; empty where any serves, or where it can't be known."""
    try:
        return task_class(task).own_cell
    except Broken:
        return ""
