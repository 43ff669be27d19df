"""One point of the laboratory: a training run of a suite, held still at its start, halfway and at its end.

At each of the three moments the algorithm's fidelity, the network's reach and dynamics, and the staleness of what is
carried are measured on sequences of their own, with random numbers of their own, off the run's clock: the run is bit
by bit what it is without.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from throughtime.runners.records.kept import Kept, Whole, rounded
from throughtime.runners.records.record import Point, Record
from throughtime.runners.suite.config import RunConfig
from throughtime.runners.suite.written import Count
from throughtime.runners.training.fidelity import Fidelity, of_many_batches, of_one_batch
from throughtime.runners.training.groups import groups
from throughtime.runners.training.reach import QUANTILES, Reach, reach
from throughtime.runners.training.seeds import generator
from throughtime.runners.training.train import PROBE_SIZE, Trainer
from throughtime.tasks import Batch

from .dynamics import EXPONENTS, Dynamics, dynamics
from .stale import staleness
from .watched import Watched

Rows = list[dict[str, Any]]

TABLES = ("fidelity", "trail", "reach", "dynamics", "stale", "training")
"""What a point's measurements stand in."""


class Measurement(BaseModel):
    """How much is measured at each moment; a suite's table ``measure``.

    Attributes:
        draws: of a random algorithm's gradient of one batch, of `PROBE_SIZE` sequences.
        batches: whose mean exact gradient stands for the expectation, each of as many sequences.
        sequences: by which reach and dynamics are measured.
        stale_draws: for the staleness of what a random algorithm carries.
        stale_rates: the learning rates there, as multiples of the run's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    draws: Annotated[Count, Field(ge=2)] = 64
    batches: Annotated[Count, Field(ge=2)] = 16
    sequences: Count = 4
    stale_draws: Annotated[Count, Field(ge=2)] = 4
    stale_rates: tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...] = (0.0, 0.1, 1.0, 10.0)


class Setting(BaseModel):
    """A run, and how much is measured of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: RunConfig
    measure: Measurement

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """The run's."""
        return self.run.device

    def __str__(self) -> str:
        return str(self.run)


class Measured(Kept):
    """What was measured. Columns by name in each of `TABLES`; None: not defined, or not finite.

    Attributes:
        setting: what was asked.
        score: on the run's test data at its end.
        steps: time steps of training data.
        moments: by name the time steps after which they were.
        tables: by name, columns of one length.
    """

    setting: Setting
    score: float | None = None
    steps: Whole = 0
    moments: dict[str, Whole] = Field(default_factory=dict)
    tables: dict[str, dict[str, list[Any]]] = Field(default_factory=dict)

    @property
    def settings(self) -> Setting:
        """The setting."""
        return self.setting

    @property
    def contradiction(self) -> str:
        """What is done has every table, and each its columns in one length."""
        if self.status == "done" and not set(TABLES) <= set(self.tables):
            return "it is done, and something was not measured"
        uneven = [name for name, columns in self.tables.items() if len({len(each) for each in columns.values()}) > 1]
        return f"its table {uneven[0]} has columns of several lengths" if uneven else ""


def measure(setting: Setting, record: Measured, on_point: Callable[[Point, float], None]) -> None:
    """Train, and fill in what is measured along the way; what a run that diverges had until then stays."""
    config = setting.run.model_copy(update={"evaluations": 2})
    run = Record(config=config)
    trainer = Trainer(config, run, gradients=False)
    watched = Watched(trainer.stepper)
    trainer.stepper = watched
    laboratory = _Laboratory(trainer, setting)

    def at(point: Point, done: float) -> None:
        moment = "start" if not laboratory.moments else "end" if done >= 1 else "halfway"
        with _undisturbed(trainer.device):
            laboratory.measure(moment, done)
        record.moments = {**record.moments, moment: point.steps}
        on_point(point, done)

    trainer.run(at)
    record.status, record.reason, record.score, record.steps = run.status, run.reason, run.test, run.steps
    tables = {**laboratory.tables, "training": watched.rows()}
    record.tables = {name: _columns(rows) for name, rows in tables.items()}


@contextmanager
def _undisturbed(device: torch.device) -> Iterator[None]:
    """What draws from torch's global generators in here changes nothing outside."""
    with torch.random.fork_rng(devices=[] if device.type == "cpu" else [device]):
        yield


class _Laboratory:
    """What is measured of one trainer's network."""

    def __init__(self, trainer: Trainer, setting: Setting) -> None:
        self.trainer, self.setting = trainer, setting
        self.members = groups(trainer.trained)
        self.moments: list[str] = []
        self.tables: dict[str, Rows] = {name: [] for name in TABLES}

    def measure(self, moment: str, done: float) -> None:
        """All of it, at the parameters of now."""
        self.moments.append(moment)
        asked, seed = self.setting.measure, self.setting.run.seed
        algorithm, network = self.trainer.algorithm, self.trainer.trained
        batches = [self._batch(number, done) for number in range(asked.batches)]
        one = of_one_batch(algorithm, network, batches[0], self.members, draws=asked.draws, seed=seed)
        many = of_many_batches(algorithm, network, batches, self.members, seed=seed)
        self._add("fidelity", moment, [*fidelity_rows(one, "batch"), *fidelity_rows(many, "expectation")])
        self._add("trail", moment, [{"draws": draws, "relative error": error} for draws, error in one.trail])
        by_step = not self.trainer.forcing.backward_mode_only  # a loss that judges whole windows is of no one step
        far = reach(network, batches[0], sequences=asked.sequences) if by_step else Reach(())
        self._add("reach", moment, reach_rows(far))
        alive = dynamics(network, batches[0], sequences=asked.sequences)
        self._add("dynamics", moment, [dynamics_row(alive, far)])
        if not by_step:
            return
        rates = [factor * self.setting.run.learning_rate for factor in asked.stale_rates]
        still = staleness(algorithm, network, batches[0], self.setting.run, rates, draws=asked.stale_draws, seed=seed)
        told = [{"learning rate": one.learning_rate, "cosine": one.cosine, "error": one.error} for one in still]
        self._add("stale", moment, told)

    def _add(self, table: str, moment: str, rows: Rows) -> None:
        self.tables[table] += [{"moment": moment, **row} for row in rows]

    def _batch(self, number: int, done: float) -> Batch:
        """Fresh sequences, driven as the run's are at this share of its budget."""
        trainer, seed = self.trainer, self.setting.run.seed
        batch = trainer.task.sample(PROBE_SIZE, generator=generator(seed, f"laboratory {number}"))
        batch = batch.to(device=trainer.device, dtype=trainer.dtype)
        coins = generator(seed, f"laboratory forcing {number}")
        return trainer.forcing.drive(batch, trainer.trained, progress=done, generator=coins)


def fidelity_rows(found: Fidelity, against: str) -> Rows:
    """One row a group: every figure, and beside it its standard error."""
    figures = found.figures()
    rows = []
    for place, group in enumerate(found.names):
        row: dict[str, Any] = {"against": against, "group": group, "draws": found.draws.count}
        for name, figure in figures.items():
            row |= {name: float(figure.value[place]), f"{name} ±": float(figure.error[place])}
        rows.append(row)
    return rows


def reach_rows(found: Reach) -> Rows:
    """Every lag up to 16, and from there on about 12 in each doubling."""
    names = [f"q{round(100 * q)}" for q in QUANTILES]
    kept = [lag for lag in range(len(found.lags)) if _kept(lag) or lag == len(found.lags) - 1]
    return [
        {
            "lag": lag,
            "mean": at.mean,
            **dict(zip(names, at.quantiles, strict=True)),
            "gain": at.gain,
            "beyond": at.beyond,
        }
        for lag in kept
        for at in [found.lags[lag]]
    ]


def _kept(lag: int) -> bool:
    return lag <= 16 or math.floor(12 * math.log2(lag)) > math.floor(12 * math.log2(lag - 1))


def dynamics_row(alive: Dynamics, far: Reach) -> dict[str, Any]:
    """The exponents, those that the network has not as nan, with the reach in three numbers."""
    exponents = (*alive.exponents, *[math.nan] * EXPONENTS)[:EXPONENTS]
    return {
        "radius": alive.radius,
        "largest radius": alive.largest_radius,
        **{f"exponent {number}": value for number, value in enumerate(exponents, start=1)},
        "rate": far.rate,
        "lag 90": far.lag_of(0.9),
        "lag 99": far.lag_of(0.99),
    }


def _columns(rows: Rows) -> dict[str, list[Any]]:
    """Rows as columns; seven digits of every number."""
    return {name: [_plain(row[name]) for row in rows] for name in (rows[0] if rows else ())}


def _plain(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return rounded(value) if math.isfinite(value) else None
