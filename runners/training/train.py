"""One run: train a network by one algorithm within a budget, evaluate along the way, return what was seen.

The loop is the same for every algorithm: pull an update, clip, step the optimizer. Evaluation, gradient probes and
drawing the data are off the clock. The network is in training mode while it learns, and in evaluation mode for
evaluation and probes. A tuning run is judged on validation data alone, a report run on test data alone: no choice is
made from it, so its whole learning curve can be shown beside the references, which are scored there too.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from throughtime.algorithms import Algorithm, NoGradient, estimate_gradient, make_algorithm
from throughtime.forcings import Forcing, make_forcing
from throughtime.forcings.base import closed_loop
from throughtime.networks import Network
from throughtime.networks.modes import evaluating, training
from throughtime.runners.records.kept import rounded
from throughtime.runners.records.record import Point, Record
from throughtime.runners.suite.config import TUNING_SEED, RunConfig
from throughtime.tasks import Batch, Task, make_task

from .fidelity import of_one_batch
from .free_run import FreeRun
from .groups import groups
from .measure import Clock, Quality, count_updates, gradient_quality
from .reach import reach
from .seeds import generator
from .stepping import Tally, make_stepper

DIVERGED_FACTOR = 100.0
"""An evaluation loss beyond this many times its value before training counts as diverged."""

PROBE_SIZE = 16
"""Sequences in the batch on which the gradient is compared with the exact one."""

BIAS_DRAWS = 32
"""Of a random algorithm's gradient, when training has ended."""

REACH_SEQUENCES = 4
"""Sequences by which the reach of the gradient is measured then."""

EVALUATED_AT_ONCE = 1000
"""Sequences that the network is evaluated on side by side."""


class Diverged(Exception):
    """Training left the range in which going on makes sense."""


class Trainer:
    """A run in progress.

    Args:
        config: what to run.
        record: what is filled; a fresh one by default.
        gradients: whether bias and reach of the gradient are measured when training has ended.
    """

    def __init__(self, config: RunConfig, record: Record | None = None, *, gradients: bool = True) -> None:
        self.config, self.gradients = config, gradients
        self.record = record or Record(config=config)
        self.device = torch.device(config.device)
        self.dtype = getattr(torch, config.dtype)
        task = make_task(config.task)
        self.task: Task = task.fold(config.seed - TUNING_SEED) if config.purpose == "tuning" else task
        self.algorithm: Algorithm = make_algorithm(config.algorithm)
        self.exact: Algorithm = make_algorithm("full")
        self.forcing: Forcing = make_forcing(config.forcing)
        self.network: Network = self.task.make_network(
            config.cell, hidden_size=config.hidden_size, seed=config.seed, dtype=self.dtype, device=self.device
        )
        self.trained = self.forcing.begin(self.network, self.task.feedback, seed=config.seed)
        self.stepper = make_stepper(config, self.network)
        self.clock = Clock(self.device)
        self.whole = Tally()
        self.judged = self._place(self.task.test() if config.purpose == "report" else self.task.validation())
        self.probe = self._place(self.task.sample(PROBE_SIZE, generator=generator(config.seed, "probe")))
        self.free_run = FreeRun(self.task, self.judged) if self.task.feedback else None
        self.draws, self.coins = generator(config.seed, "algorithm"), generator(config.seed, "forcing")
        self.first_loss = math.inf

    def run(self, on_point: Callable[[Point, float], None] = lambda point, done: None) -> Record:
        """Train to the end of the budget, and return the record.

        Args:
            on_point: called after each evaluation with its point and the share of the budget that is used up.
        """
        record = self.record
        try:
            # At the end of training, where a forcing that begins with the truth leaves the network most to itself.
            with training(self.trained), self._seeded():
                counts = count_updates(self.algorithm, self.trained, self._driven_probe(progress=1.0))
            record.peak_bytes, record.flops, record.ops = counts.peak_bytes, counts.flops, counts.ops
            record.mean_peak_bytes = counts.mean_peak_bytes
            with training(self.trained), self._seeded():
                self._evaluate(on_point)
                self._train(on_point)
            score, record.free = record.curve[-1].metric, record.curve[-1].free
            record.test, record.validation = (score, None) if self.config.purpose == "report" else (None, score)
            if self.gradients and self.config.purpose == "report":
                self._measure_gradients()
        except (Diverged, NoGradient) as reason:
            record.status, record.reason = "diverged", str(reason)
        finally:
            self._add_up()
        return record

    def _train(self, on_point: Callable[[Point, float], None]) -> None:
        config, carry = self.config, None
        evaluated = 0
        for batch in self.task.batches(config.batch_size, generator=generator(config.seed, "data")):
            done = min(self._used(), 1.0)
            driven = self.forcing.drive(self._place(batch), self.trained, progress=done, generator=self.coins)
            with self.clock.running():
                carry, learned = self._learn(driven, carry if batch.continues else None)
                self.forcing.after(driven, self.trained)
            self.record.steps += max(1, round(learned * batch.length))
            self.record.sequences += batch.size
            done = self._used()
            if done >= 1 or math.floor(done * config.evaluations) > evaluated:
                evaluated = math.floor(done * config.evaluations)
                self._evaluate(on_point)
            if done >= 1:
                return

    def _learn(self, batch: Batch, carry: Any) -> tuple[Any, float]:
        """All updates of one batch, for its carry and the share of it that was learned from.

        Only a budget of updates ends in the middle of a batch; the share is then that of its targets.
        """
        learned = 0.0
        most_updates = self.config.budget.updates or math.inf
        for update in self.algorithm.updates(self.trained, batch, carry, generator=self.draws):
            carry = update.carry
            if not update.weight:
                continue
            self.stepper.step(update)
            learned += update.weight
            if self._updates() >= most_updates:
                return carry, min(learned, 1.0)
        return carry, 1.0

    def _updates(self) -> int:
        return self.whole.updates + self.stepper.updates

    def _recent(self) -> Tally:
        """What the updates since this was last asked for added up to."""
        recent = self.stepper.tally()
        self.whole.add(recent)
        return recent

    def _add_up(self) -> None:
        self._recent()
        record, whole = self.record, self.whole
        record.wall_seconds, record.cpu_seconds = self.clock.wall, self.clock.cpu
        record.updates = whole.updates
        if whole.updates:
            record.gradient_norm = whole.norm / whole.finite if whole.finite else None
            record.clipped_share = whole.clipped / whole.updates
            record.nonfinite_share = 1 - whole.finite / whole.updates

    def _used(self) -> float:
        """The share of the budget that is used up."""
        budget = self.config.budget
        if budget.updates:
            return self._updates() / budget.updates
        if budget.seconds:
            return self.clock.wall / budget.seconds
        assert budget.steps
        return self.record.steps / budget.steps

    def _evaluate(self, on_point: Callable[[Point, float], None]) -> None:
        recent = self._recent()
        if not math.isfinite(recent.loss):
            raise Diverged(f"the training loss became {recent.loss} by update {self.whole.updates}")
        outputs = self._outputs(self.judged)
        loss = float(self.judged.mean_loss(outputs))
        quality = self._gradient_quality()
        free = self._run_free(outputs)
        point = Point(
            steps=self.record.steps,
            updates=self.whole.updates,
            seconds=self.clock.wall,
            loss=recent.loss / recent.weight if recent.weight else None,
            metric=self.task.score(outputs, self.judged),
            free=free,
            gradient_norm=recent.norm / recent.finite if recent.finite else None,
            cosine=_finite(quality.cosine),
            relative_error=_finite(quality.relative_error),
        )
        if not self.record.curve:
            self.first_loss = loss
        if not math.isfinite(loss) or not math.isfinite(point.metric) or loss > DIVERGED_FACTOR * self.first_loss:
            raise Diverged(
                f"the evaluation loss went from {self.first_loss:.4g} to {loss:.4g} by step {self.record.steps}"
            )
        self.record.curve = (*self.record.curve, point)
        if self.task.small_test and self.config.purpose == "report":
            self.record.test_losses = tuple(map(rounded, self.judged.target_losses(outputs).tolist()))
        on_point(point, min(self._used(), 1.0))

    def _gradient_quality(self) -> Quality:
        draws = generator(self.config.seed, f"probe draws {len(self.record.curve)}")
        probe = self._driven_probe(progress=min(self._used(), 1.0))
        with evaluating(self.trained):
            estimate = estimate_gradient(self.algorithm, self.trained, probe, generator=draws)
            return gradient_quality(estimate, estimate_gradient(self.exact, self.trained, probe))

    def _measure_gradients(self) -> None:
        """Bias and reach of the gradient at the parameters that training ended at."""
        probe = self._driven_probe(progress=1.0)
        members = {"all": groups(self.trained)["all"]}
        found = of_one_batch(
            self.algorithm, self.trained, probe, members, draws=BIAS_DRAWS, seed=self.config.seed
        ).figures()["relative bias"]
        self.record.relative_bias, self.record.relative_bias_error = (
            _finite(float(of_all)) for of_all in (found.value, found.error)
        )
        if not self.forcing.backward_mode_only:  # a loss that judges whole windows is of no one step
            self.record.lag_90 = reach(self.trained, probe, sequences=REACH_SEQUENCES).lag_of(0.9)

    def _driven_probe(self, *, progress: float) -> Batch:
        coins = generator(self.config.seed, "probe forcing")
        return self.forcing.drive(self.probe, self.trained, progress=progress, generator=coins)

    def _run_free(self, outputs: Tensor) -> float | None:
        """The free run's score, None where the task has no feedback; the record gets each lead's and the bias.

        Args:
            outputs: (T, B, o) on the judged data, given the truth.
        """
        if self.free_run is None:
            return None
        free, by_lead = self.free_run.scores(closed_loop(self.network, self.task.feedback))
        self.record.by_lead = tuple(map(_finite, by_lead))
        self.record.exposure_bias = _finite(free - self.free_run.score_given_truth(outputs))
        return _finite(free)

    @torch.no_grad()
    def _outputs(self, batch: Batch) -> Tensor:
        """The network's outputs (T, B, o), a slice of the sequences at a time to bound the memory."""
        slices = batch.inputs.split(EVALUATED_AT_ONCE, dim=1)
        with evaluating(self.network):
            return torch.cat([self.network.unroll(inputs)[0] for inputs in slices], dim=1)

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        """What draws from torch's global generators, as dropout does, repeats with the seed too."""
        with torch.random.fork_rng(devices=[] if self.device.type == "cpu" else [self.device]):
            torch.manual_seed(generator(self.config.seed, "global").initial_seed())
            yield

    def _place(self, batch: Batch) -> Batch:
        return batch.to(device=self.device, dtype=self.dtype)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
