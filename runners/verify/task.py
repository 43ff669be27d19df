"""A task, its promises against what is measured: what it gives (`task_data.py`), and here what is made of it.

The loss and the score are tried on outputs of no network, which are free to go anywhere; the networks that a task makes
are held to the identities that algorithms rely on.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from throughtime.algorithms import make_algorithm
from throughtime.forcings.base import closed_loop
from throughtime.networks import Network
from throughtime.runners.training.free_run import FreeRun
from throughtime.tasks import Batch, Task

from .check import Check, Finding, examine, make_checks
from .learning import learned
from .problems import CELLS, Gradient, Problem, distance, draws, exact_gradient
from .process import seeded, undisturbed
from .refuted import NotPromised, Refuted
from .task_data import (
    batches_have_their_form,
    feeds_back_its_targets,
    goes_on_without_end,
    judged_data_is_apart,
    judged_data_is_fixed,
    repeats_with_its_generator,
)

ROUNDING = 1e-9
"""The relative distance that float64 leaves between two ways of computing the same, and then some."""

SLOPE = 1e-4
"""The relative distance that is left between a gradient and a difference quotient of float64."""

SAMPLING = 1e-3
"""By how much, relatively, a reference may be better than the optimum: it may be fitted to the test data."""

SOME = 64
"""Sequences that are scored."""

WINDOW = 6
"""Steps over which RTRL is compared."""


def task_checks(task: Task, expected_failures: Mapping[str, str] | None = None) -> list[Check[Task]]:
    """Every check of a task, each to be called in a test of its own.

    >>> from throughtime.tasks import make_task
    >>> checks = task_checks(make_task("adding"))
    >>> [str(check) for check in checks][:2]
    ['batches_have_their_form', 'repeats_with_its_generator']
    >>> checks[0]()

    Args:
        task: an instance.
        expected_failures: by check's name the reason; None: those of the class attribute `expected_failures`.
    """
    return make_checks(CHECKS, task, expected_failures)


def check_task(task: Task, expected_failures: Mapping[str, str] | None = None) -> list[Finding]:
    """Verify a task; what was promised and what was measured, check by check.

    Raises:
        AssertionError: a promise is not held; the message says which, what was measured, and what to look at.
    """
    return examine(task_checks(task, expected_failures))


def losses_are_each_steps_own(task: Task) -> str:
    """Losses (T, B) are finite for any outputs, each of its own step's and sequence's, and the gradient is their slope.
    Look at: means over time or sequences, logarithms of what may be zero or less, and what is rounded, compared or
    detached on the way.
    """
    batch = task.sample(3, generator=draws(0)).to(dtype=torch.float64)
    T, B, o = batch.length, batch.size, task.output_size
    for scale in (0.0, 1.0, 30.0):
        outputs = (scale * _noise(T, B, o)).requires_grad_()
        losses = batch.loss(outputs, batch.targets)
        if losses.shape != (T, B):
            raise Refuted(f"losses are {tuple(losses.shape)} for {(T, B)}")
        if not losses.requires_grad:
            raise Refuted("losses have no gradient")
        (gradient,) = torch.autograd.grad(losses.sum(), outputs)
        if not (losses.isfinite().all() and gradient.isfinite().all()):
            raise Refuted(f"losses or their gradient have nan or inf at outputs of size {scale:g}")
        if scale == 1:
            _check_own(batch, outputs.detach(), losses.detach())
            slope = _check_slope(batch, outputs.detach(), gradient)
    return f"finite up to outputs of size 30; each step's own; slope within {slope:.1g}"


def _check_own(batch: Batch, outputs: Tensor, losses: Tensor) -> None:
    for t in {0, batch.length // 2, batch.length - 1}:
        for b in range(batch.size):
            place = (slice(t, t + 1), slice(b, b + 1))
            alone = batch.loss(outputs[place], batch.targets[place])
            if not torch.allclose(alone, losses[place], rtol=ROUNDING, atol=ROUNDING):
                one, among = float(alone.flatten()[0]), float(losses[place])
                raise Refuted(f"the loss of step {t} of sequence {b} is {one:.6g} alone and {among:.6g} among others")


def _check_slope(batch: Batch, outputs: Tensor, gradient: Tensor) -> float:
    """Along a random direction."""
    along, step = _noise(*outputs.shape, seed=9), 1e-6
    ahead, behind = (batch.loss(outputs + way * along, batch.targets).sum() for way in (step, -step))
    expected, found = float(ahead - behind) / (2 * step), float((gradient * along).sum())
    apart = abs(found - expected) / max(float((gradient * along).norm()), abs(expected), 1e-300)
    if not apart <= SLOPE:
        raise Refuted(f"along a random direction the gradient says {found:.6g}, and the loss goes by {expected:.6g}")
    if not gradient.any():
        raise Refuted("the gradient of the loss is zero")
    return apart


def scores_the_better_as_better(task: Task) -> str:
    """The score is a finite number, better, as `metric.better` has it, where the loss is lower; only the targets count.
    Look at: the direction of the metric, and outputs or targets that enter the score where the mask leaves them out.
    """
    metric = task.metric
    if metric.better not in ("lower", "higher") or not metric.name:
        raise Refuted(f"the metric is {metric.name!r}, of which {metric.better!r} is better")
    for name, judged in (("validation", task.validation()), ("test", task.test())):
        outputs = _noise(judged.length, judged.size, task.output_size).float()
        score = _score(task, outputs, judged, name)
        if judged.mask is not None:
            left_out = ~judged.mask
            moved = torch.where(left_out[..., None], outputs + 100, outputs)
            if not math.isclose(other := _score(task, moved, judged, name), score, rel_tol=1e-6):
                raise Refuted(f"outputs that do not count change the score on {name} from {score:.6g} to {other:.6g}")
            elsewhere = replace(judged, targets=_other_targets(judged, left_out, task.output_size))
            if (other := _score(task, outputs, elsewhere, name)) != score:
                raise Refuted(f"targets that do not count change the score on {name} from {score:.6g} to {other:.6g}")
    batch = task.sample(SOME, generator=draws(0))
    outputs = _noise(batch.length, batch.size, task.output_size).float()
    nearer = _descended(batch, outputs)
    losses = [float(batch.mean_loss(these)) for these in (outputs, nearer)]
    scores = [_score(task, these, batch, "sample") for these in (outputs, nearer)]
    went = f"from {scores[0]:.4g} to {scores[1]:.4g} as the loss goes from {losses[0]:.4g} to {losses[1]:.4g}"
    if not losses[1] < losses[0]:
        raise Refuted(f"the loss does not fall along its gradient: from {losses[0]:.6g} to {losses[1]:.6g}")
    if not (scores[1] < scores[0] if metric.better == "lower" else scores[1] > scores[0]):
        raise Refuted(f"{metric.name} goes {went}, and {metric.better} is said to be better")
    return f"{metric.name} goes {went}"


def _score(task: Task, outputs: Tensor, batch: Batch, where: str) -> float:
    score = task.score(outputs, batch)
    if not isinstance(score, float) or not math.isfinite(score):
        raise Refuted(f"the score on {where} is {score!r}")
    return score


def _other_targets(batch: Batch, where: Tensor, classes: int) -> Tensor:
    if batch.targets.is_floating_point():
        return torch.where(where[..., None], batch.targets + 100, batch.targets)
    return torch.where(where, (batch.targets + 1) % classes, batch.targets)


def _descended(batch: Batch, outputs: Tensor) -> Tensor:
    """The outputs after some steps down the loss's gradient."""
    free = outputs.clone().requires_grad_()
    optimizer = torch.optim.Adam([free], lr=0.1)
    for _ in range(40):
        optimizer.zero_grad()
        batch.losses(free).sum().backward()
        optimizer.step()
    return free.detach()


def references_give_a_meaning(task: Task) -> str:
    """At least one floor; all values finite, each with a name of its own and a source; no reference beats an optimum.
    Look at: values in another unit than the score's, and which way of the metric is the better one.
    """
    references = task.references()
    names = [reference.name for reference in references]
    if len(set(names)) != len(names) or not all(names):
        raise Refuted(f"names are {names}")
    for reference in references:
        if reference.kind not in ("floor", "baseline", "optimum"):
            raise Refuted(f"{reference.name} is a {reference.kind!r}; there are floor, baseline and optimum")
        if not math.isfinite(reference.value):
            raise Refuted(f"{reference.name} scores {reference.value}")
        if not reference.source:
            raise Refuted(f"{reference.name} has no source")
    if "floor" not in {reference.kind for reference in references}:
        raise Refuted(f"no floor among {names}")
    for optimum in (reference for reference in references if reference.kind == "optimum"):
        for other in references:
            by = other.value - optimum.value if task.metric.better == "higher" else optimum.value - other.value
            if by > SAMPLING * abs(optimum.value):
                raise Refuted(
                    f"the {other.kind} {other.name} scores {other.value:.6g}, the optimum {optimum.name} "
                    f"{optimum.value:.6g}, and {task.metric.better} is better"
                )
    return ", ".join(f"{one.kind} {one.name} {one.value:.4g}" for one in references)


def runs_free_over_its_horizon(task: Task) -> str:
    """With `feedback`, a network and at least one floor are scored running free, over `horizon` steps and each of them.
    Look at: `horizon`, which judged data must hold in a row; `tasks.horizon.ahead` and `with_leads`, which score a
    reference's own predictions; without feedback the horizon is 0.
    """
    if (task.feedback is None) != (task.horizon == 0) or task.horizon < 0:
        raise Refuted(f"feedback is {task.feedback}, and horizon {task.horizon}")
    free = [reference for reference in task.references() if reference.free is not None]
    if task.feedback is None:
        if free:
            raise Refuted(f"feedback is None, and {free[0].name} runs free")
        raise NotPromised("feedback is None")
    loop = closed_loop(_network(task, _cells(task)[0], torch.float32), task.feedback)
    for name, judged in (("validation", task.validation()), ("test", task.test())):
        _check_leads(task, f"a network on {name}", *FreeRun(task, judged).scores(loop))
    for reference in free:
        assert reference.free is not None
        _check_leads(task, reference.name, reference.free, reference.by_lead)
    if "floor" not in {reference.kind for reference in free}:
        raise Refuted("no floor runs free")
    return f"{task.horizon} steps: {', '.join(reference.name for reference in free)}, and a network"


def _check_leads(task: Task, who: str, score: float, by_lead: Sequence[float]) -> None:
    if len(by_lead) != task.horizon:
        raise Refuted(f"{who} has scores of {len(by_lead)} leads for a horizon of {task.horizon}")
    if not all(map(math.isfinite, (score, *by_lead))):
        raise Refuted(f"{who} scores {score} free, and by lead {tuple(by_lead)}")


def makes_networks_that_learn(task: Task) -> str:
    """`make_network` gives networks of every cell that serve: full BPTT and RTRL are exact, and learning helps.
    Look at: sizes; parameters made without seed and dtype; where there is a loop of your own, that `unroll`, `step` and
    `linearize` are the same, and that nothing in it is detached.
    """
    words = []
    batch = task.sample(2, generator=draws(0))
    for cell in _cells(task):
        with undisturbed():
            network = _network(task, cell, torch.float64)
        _check_parameters(task, cell, network)
        whole = Problem(f"{cell}, T={batch.length}", network, batch.to(dtype=torch.float64))
        outputs, _ = network.unroll(whole.batch.inputs)
        if outputs.shape != (batch.length, batch.size, task.output_size):
            shape = (batch.length, batch.size, task.output_size)
            raise Refuted(f"outputs are {tuple(outputs.shape)} for {shape} ({cell})")
        last = max(t for t in range(batch.length) if batch.counts[t])
        part = whole.part(max(0, last + 1 - WINDOW), last + 1)
        gradient = exact_gradient(whole)
        apart = max(
            _distance(whole, "full", gradient),
            _distance(part, "full", exact_gradient(part)),
            _distance(part, "rtrl(update_every=None)", exact_gradient(part)),
        )
        words.append(f"{cell} within {apart:.1g}, loss {learned(whole, gradient)}")
    return "; ".join(words)


def _distance(problem: Problem, algorithm: str, gradient: Gradient) -> float:
    apart = distance(problem.estimate(make_algorithm(algorithm)), gradient)
    if not apart <= ROUNDING:
        raise Refuted(f"{algorithm} is {apart:.2g} away from the exact gradient, relatively ({problem.name})")
    return apart


def _cells(task: Task) -> tuple[str, ...]:
    return (task.own_cell,) if task.own_cell else CELLS


def _network(task: Task, cell: str, dtype: torch.dtype) -> Network:
    return task.make_network(cell, hidden_size=4, seed=0, dtype=dtype, device="cpu")


def _check_parameters(task: Task, cell: str, network: Network) -> None:
    with seeded(1):
        again = dict(_network(task, cell, torch.float64).named_parameters())
    single = dict(_network(task, cell, torch.float32).named_parameters())
    parameters = dict(network.named_parameters())
    if not parameters:
        raise Refuted(f"the network has no parameters ({cell})")
    for name, parameter in parameters.items():
        if (parameter.dtype, single[name].dtype) != (torch.float64, torch.float32):
            raise Refuted(f"{name} is {parameter.dtype} and {single[name].dtype} for float64 and float32 ({cell})")
        if not torch.equal(parameter, again[name]):
            raise Refuted(f"{name} is another one at the same seed ({cell})")


CHECKS: Sequence[Callable[[Task], str]] = (
    batches_have_their_form,
    repeats_with_its_generator,
    judged_data_is_fixed,
    judged_data_is_apart,
    goes_on_without_end,
    feeds_back_its_targets,
    runs_free_over_its_horizon,
    losses_are_each_steps_own,
    scores_the_better_as_better,
    references_give_a_meaning,
    makes_networks_that_learn,
)


def _noise(*shape: int, seed: int = 8) -> Tensor:
    return torch.randn(shape, generator=draws(seed), dtype=torch.float64)
