"""One point of the grid: an algorithm on a network of one size and one batch, counted exactly and timed.

The first passes are thrown away: they compile, allocate and fill caches. Every round is all updates of the batch,
without an optimizer; the device is synchronised before each reading of the clock.
"""

import math
import time
from collections.abc import Callable
from dataclasses import astuple
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from throughtime.runners.records.kept import Kept, Whole
from throughtime.runners.suite.config import Spec
from throughtime.runners.training.measure import Clock, carry_bytes, count_updates
from throughtime.runners.training.timing import Spread
from throughtime.runners.training.workload import Prepared, Workload

LEAST_ROUNDS = 3
"""A median and quartiles need that many."""

Axis = Literal["length", "hidden_size", "batch_size"]


class Point(BaseModel):
    """What is measured: the fields of a `Workload`, and how long.

    Attributes:
        rounds: passes over the batch that are timed, at most.
        seconds: after which no further round begins, once there are `LEAST_ROUNDS`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    algorithm: Spec
    cell: str
    length: int
    hidden_size: int
    batch_size: int
    input_size: int = 2
    output_size: int = 1
    dtype: Literal["float32", "float64"] = "float32"
    device: Literal["cpu", "cuda"] = "cpu"
    rounds: int = 20
    seconds: float = 0.3

    @property
    def workload(self) -> Workload:
        """The piece of work."""
        return Workload(**self.model_dump(exclude={"rounds", "seconds"}))

    def __str__(self) -> str:
        return f"{self.cell} · {self.algorithm} · T={self.length} n={self.hidden_size} B={self.batch_size}"


class Cost(Kept):
    """What a point costs. None: it did not get that far.

    Attributes:
        point: what was measured.
        wall: seconds of one time step of the whole batch, updates included: median and quartiles over the rounds.
        cpu: CPU seconds, likewise.
        rounds: how many were timed.
        peak_bytes: the most alive at once during the updates, beyond parameters and data (`Counts.peak_bytes`).
        mean_peak_bytes: the mean over draws, where memory is random and `peak_bytes` the most; None elsewhere.
        carry_bytes: what stays alive from one batch of a stream to the next.
        flops: of all matrix products of the whole batch's updates.
        ops: operators dispatched, likewise.
    """

    point: Point
    wall: Spread | None = None
    cpu: Spread | None = None
    rounds: Whole = 0
    peak_bytes: Whole | None = None
    mean_peak_bytes: Whole | None = None
    carry_bytes: Whole | None = None
    flops: Whole | None = None
    ops: Whole | None = None

    @property
    def settings(self) -> Point:
        """The point."""
        return self.point

    @property
    def contradiction(self) -> str:
        """What is done has been timed and counted."""
        measured = (self.wall, self.cpu, self.peak_bytes, self.flops, self.ops)
        if self.status == "done" and None in measured:
            return "it is done, and something was not measured"
        times = [time for spread in (self.wall, self.cpu) if spread is not None for time in astuple(spread)]
        wrong = [time for time in times if not 0 <= time < math.inf]
        return f"it took {wrong[0]} s" if wrong else ""


def measure(point: Point, cost: Cost) -> None:
    """Fill in what a point costs."""
    prepared = point.workload.prepare()
    carried = carry_bytes(_last_carry(prepared))
    counts = count_updates(prepared.algorithm, prepared.network, prepared.batch)
    wall, cpu = _timed(prepared.run, prepared.batch.inputs.device, point.rounds, point.seconds)
    cost.wall, cost.cpu, cost.rounds = Spread.of(wall / point.length), Spread.of(cpu / point.length), len(wall)
    cost.peak_bytes, cost.carry_bytes = counts.peak_bytes, carried
    cost.flops, cost.ops = counts.flops, counts.ops
    cost.mean_peak_bytes = counts.mean_peak_bytes


def _last_carry(prepared: Prepared) -> Any:
    carry = None
    draws = torch.Generator().manual_seed(0)
    for update in prepared.algorithm.updates(prepared.network, prepared.batch, generator=draws):
        carry = update.carry
    return carry


def _timed(
    work: Callable[[], object], device: torch.device, rounds: int, seconds: float
) -> tuple[np.ndarray, np.ndarray]:
    """Wall and CPU seconds of each round."""
    wall: list[float] = []
    cpu: list[float] = []
    start = time.perf_counter()
    while len(wall) < min(LEAST_ROUNDS, rounds) or (len(wall) < rounds and time.perf_counter() - start < seconds):
        clock = Clock(device)
        with clock.running():
            work()
        wall.append(clock.wall)
        cpu.append(clock.cpu)
    return np.array(wall), np.array(cpu)
