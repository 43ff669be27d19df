"""A run's configuration: everything that decides its numbers, frozen and hashable."""

import functools
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from throughtime.parts.specs import format_spec, parse_spec

TUNING_SEED = 1_000_000
"""Tuning runs use the seeds from here on, report runs those from 0 on."""


@functools.cache  # of thousands of runs there are few
def _canonical(spec: str) -> str:
    return format_spec(*parse_spec(spec))


Spec = Annotated[str, AfterValidator(_canonical)]
"""A name with parameters, ``truncated(k1=5, k2=20)``, in one way of writing."""


class Budget(BaseModel):
    """What ends a run: time steps of training data (rounded up to whole sequences), updates, or training seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int | None = Field(None, gt=0)
    updates: int | None = Field(None, gt=0)
    seconds: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _exactly_one(self) -> "Budget":
        given = self.model_dump(exclude_none=True)
        if len(given) != 1:
            raise ValueError(f"give exactly one of steps, updates, seconds; got {given or 'none'}")
        return self

    def __str__(self) -> str:
        ((unit, amount),) = self.model_dump(exclude_none=True).items()
        return f"{amount:,} {'time steps' if unit == 'steps' else unit}"


class RunConfig(BaseModel):
    """One run. Two runs with the same config, code, data, torch and machine are the same run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Spec
    cell: Spec
    hidden_size: int
    algorithm: Spec
    forcing: Spec = "teacher"
    optimizer: Literal["sgd", "adam"]
    learning_rate: float
    clip_norm: float | None
    batch_size: int
    budget: Budget
    evaluations: int
    seed: int
    purpose: Literal["tuning", "report"]
    dtype: Literal["float32", "float64"] = "float32"
    device: Literal["cpu", "cuda"] = "cpu"

    def __str__(self) -> str:
        settings = [f"lr={self.learning_rate:g}"]
        settings += [f"clip={self.clip_norm:g}"] if self.clip_norm is not None else []
        how = self.algorithm if self.forcing == "teacher" else f"{self.algorithm} · {self.forcing}"
        return f"{self.task} · {self.cell} · {how} · {' '.join(settings)} · seed {self.seed}"
