"""What is made of a task's outputs, its losses, its score and its references, tried on outputs of no network.

Such outputs are free to go anywhere.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor

from throughtime.tasks import Batch, Task

from .agreement import ROUNDING
from .batches import copied, difference
from .problems import draws
from .refuted import Refuted

SLOPE = 1e-4
"""The relative distance that is left between a gradient and a difference quotient of float64."""

SAMPLING = 1e-3
"""By how much, relatively, a reference may be better than the optimum: it may be fitted to the test data."""

SOME = 64
"""Sequences that are scored."""


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
    Look at: the direction of the metric; outputs or targets that enter the score where the mask leaves them out, or
    that it changes where they stand.
    """
    metric = task.metric
    if metric.better not in ("lower", "higher") or not metric.name:
        raise Refuted(f"the metric is {metric.name!r}, of which {metric.better!r} is better")
    for name, judged in (("validation", task.validation()), ("test", task.test())):
        outputs = _noise(judged.length, judged.size, task.output_size).float()
        _score(task, outputs, judged, name)
        if judged.mask is not None:
            left_out = ~judged.mask
            # What is compared lies in memory alike: a product's last digits depend on that.
            judged = replace(judged, targets=_other_targets(judged, left_out, task.output_size, by=0))
            score = _score(task, outputs, judged, name)
            moved = torch.where(left_out[..., None], outputs + 100, outputs)
            if not math.isclose(other := _score(task, moved, judged, name), score, rel_tol=1e-6):
                raise Refuted(f"outputs that do not count change the score on {name} from {score:.6g} to {other:.6g}")
            elsewhere = replace(judged, targets=_other_targets(judged, left_out, task.output_size, by=1))
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
    kept, before = outputs.clone(), copied(batch)
    score = task.score(outputs, batch)
    if not torch.equal(outputs, kept) or difference(batch, before):
        raise Refuted(f"the score on {where} changes {difference(batch, before) or 'the outputs'}")
    if not isinstance(score, float) or not math.isfinite(score):
        raise Refuted(f"the score on {where} is {score!r}")
    return score


def _other_targets(batch: Batch, where: Tensor, classes: int, *, by: int) -> Tensor:
    if batch.targets.is_floating_point():
        return torch.where(where[..., None], batch.targets + 100 * by, batch.targets)
    return torch.where(where, (batch.targets + by) % classes, batch.targets)


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
    Look at: values in another unit than the score's, and which way of the metric is the better one; `losses`, which are
    those of all the test data's targets, or none.
    """
    references, targets = task.references(), task.test().total
    names = [reference.name for reference in references]
    if len(set(names)) != len(names) or not all(names):
        raise Refuted(f"names are {names}")
    for reference in references:
        if reference.kind not in ("floor", "baseline", "optimum"):
            raise Refuted(f"{reference.name} is a {reference.kind!r}; there are floor, baseline and optimum")
        if not math.isfinite(reference.value):
            raise Refuted(f"{reference.name} scores {reference.value}")
        if len(reference.losses) not in (0, targets):
            raise Refuted(f"{reference.name} has {len(reference.losses)} losses, and the test data {targets} targets")
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


def _noise(*shape: int, seed: int = 8) -> Tensor:
    return torch.randn(shape, generator=draws(seed), dtype=torch.float64)
