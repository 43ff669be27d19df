"""What happens between two updates and two batches: the optimizer steps, gradients are clipped, a stream goes on."""

import copy
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from throughtime.algorithms import Algorithm

from .agreement import LONGEST, ROUNDING, agree
from .problems import Problem, draws, exact_gradient, largest, make_problem, problem_for, served
from .refuted import NotPromised, Refuted

UNMOVED = 1e-12
"""Two losses that differ by less are the same."""

LENGTH = 24
STREAM = 12
"""Steps of a sequence that is cut in two."""

RATE = 0.1
"""Of the steps of plain gradient descent."""


def starts_from_clean_gradients(algorithm: Algorithm) -> str:
    """What stands in p.grad before an update, left there by whoever pulls, is replaced and never added to.
    Look at: `loss.backward()`, which adds: set p.grad to None or to zeros before each of them.
    """
    count = 0
    for cell in served(algorithm):
        problem = make_problem(cell, LENGTH)
        expected = [_copied(problem) for _ in problem.updates(algorithm)]
        for number, update in enumerate(problem.updates(algorithm)):
            for (name, parameter), clean in zip(problem.network.named_parameters(), expected[number], strict=True):
                if parameter.grad is None or not torch.equal(parameter.grad, clean):
                    raise Refuted(f"{name}.grad of update {number + 1} is built on what stood there ({problem.name})")
                parameter.grad.fill_(5.0)
            count += update.weight > 0
    return f"nothing is added to at {count} updates"


def _copied(problem: Problem) -> list[Tensor]:
    """Every p.grad as it is, which is left as None."""
    found = []
    for parameter in problem.network.parameters():
        assert parameter.grad is not None
        found.append(parameter.grad.clone())
        parameter.grad = None
    return found


def sees_each_step_of_the_optimizer(algorithm: Algorithm) -> str:
    """Where the parameters change between two updates, or two batches, the next one is taken at the new ones.
    Look at: losses and gradients that are computed before the first `yield`, and what an instance keeps of a network.
    """
    problem = problem_for(algorithm, LENGTH)
    _check_next_batch(algorithm, problem)
    still = [float(update.loss) for update in problem.updates(algorithm)]
    if len(still) < 2:
        raise NotPromised("one update a batch")
    moved = []
    for update in problem.updates(algorithm):
        moved.append(float(update.loss))
        _move(problem.network)
    if stale := [number for number in range(1, len(still)) if abs(moved[number] - still[number]) < UNMOVED]:
        raise Refuted(f"the loss of update {stale[0] + 1} of {len(still)} is the one at the old parameters")
    return f"every loss of {len(still)} updates after the first is another one"


def _check_next_batch(algorithm: Algorithm, problem: Problem) -> None:
    """A used instance at moved parameters against one that never saw the old ones."""
    used, moved = copy.deepcopy(algorithm), copy.deepcopy(problem)
    moved.estimate(used)
    _move(moved.network)
    apart = largest(moved.estimate(used), moved.estimate(copy.deepcopy(algorithm)))
    if apart:
        raise Refuted(f"after the parameters moved, the next batch's gradient is {apart:.2g} away from a fresh one's")


def _move(network: nn.Module) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1)


def goes_on_as_one_sequence(algorithm: Algorithm) -> str:
    """If `online`, a sequence in two batches gives the gradients that it gives in one, also while the optimizer steps.
    Look at: what the carry lacks (the influence, a window's start, a trace), and Jacobians taken at parameters that
    are kept from before a step.
    """
    if not algorithm.online:
        raise NotPromised(f"online is {algorithm.online}")
    words = []
    for cell in served(algorithm):
        whole = make_problem(cell, STREAM)
        updates = [update.weight for update in whole.updates(algorithm)]
        cut = _cut(updates)

        once = _flat(_run(algorithm, [whole], 0))

        def estimate(seed: int, whole: Problem = whole, cut: int = cut, once: Tensor = once) -> Tensor:
            uncut = _flat(_run(algorithm, [whole], seed))
            return _near(once, _flat(_run(algorithm, _halves(whole, cut), seed)) - uncut)

        words.append(f"{cell} {agree(estimate, once, f'gradient of one batch, cut at step {cut} ({whole.name})')}")
        if len(updates) < 2:
            continue  # cut in two it has two updates, and the optimizer one step more

        at_first = _after_descent(algorithm, whole, STREAM, 0)

        def moved(seed: int, whole: Problem = whole, cut: int = cut, at_first: Tensor = at_first) -> Tensor:
            uncut = _after_descent(algorithm, whole, STREAM, seed)
            return _near(at_first, _after_descent(algorithm, whole, cut, seed) - uncut)

        agree(moved, at_first, f"weights after SGD on one batch, cut at step {cut} ({whole.name})")
    return f"the same gradients and the same weights after SGD ({'; '.join(words)})"


def is_exact_where_nothing_is_remembered(algorithm: Algorithm) -> str:
    """If exact on one step, it is so all along a stream where a network hands nothing on from step to step.
    Look at: windows that don't begin a sequence (their first and last target, what is added to their gradient), and how
    each window's gradient is scaled.
    """
    if algorithm.exact_up_to < 1:
        raise NotPromised(f"exact_up_to is {algorithm.exact_up_to}")
    steps = 4 if math.isinf(algorithm.exact_up_to) else min(int(algorithm.exact_up_to), LONGEST) + 2
    words = []
    for cell in served(algorithm):
        whole = make_problem(cell, 3 * steps, units=3).forgetful()
        if whole is None:
            raise NotPromised(f"it is not known here what {cell} remembers by")
        parts = [whole.part(0, 2 * steps), whole.part(2 * steps, 3 * steps)]
        exact = exact_gradient(whole)
        expected = torch.cat([exact[name].flatten() for name, _ in whole.network.named_parameters()])

        once, again = (_flat(_run(algorithm, parts, seed)) for seed in (0, 1))
        if not torch.equal(once, again):
            raise NotPromised("it is random, of which is_unbiased has the mean")
        of = f"exact gradient of two batches ({whole.name})"
        words.append(f"{cell} {agree(lambda _, once=once: once, expected, of)}")  # type: ignore[misc]
    return f"the exact gradient of {2 * steps} steps and {steps} more ({'; '.join(words)})"


def _near(expected: Tensor, difference: Tensor) -> Tensor:
    """What is expected and the difference of two runs by the same draws; rounding is no difference."""
    return expected if difference.norm() <= ROUNDING * expected.norm() else expected + difference


def _cut(weights: list[float]) -> int:
    """The step where the update nearest to the middle ends; the middle where there is one update only."""
    if len(weights) < 2:
        return STREAM // 2
    ends = torch.tensor(weights[:-1], dtype=torch.float64).cumsum(0) * STREAM
    return int(ends[(ends - STREAM / 2).abs().argmin()].round())


def _halves(whole: Problem, cut: int) -> list[Problem]:
    return [whole.part(0, cut), whole.part(cut, STREAM)]


def _run(algorithm: Algorithm, parts: list[Problem], seed: int, rate: float = 0.0) -> Iterator[list[Tensor]]:
    """Each update's gradients, weighted as in the whole stream; each part by an instance that saw no other."""
    carry, generator = None, draws(seed)
    total = sum(part.batch.total for part in parts)
    for part in parts:
        fresh = copy.deepcopy(algorithm)
        for update in part.updates(fresh, carry, generator=generator):
            carry = update.carry
            weight = update.weight * part.batch.total / total
            yield [weight * parameter.grad for parameter in part.network.parameters() if parameter.grad is not None]
            if rate and update.weight:
                with torch.no_grad():
                    for parameter in part.network.parameters():
                        assert parameter.grad is not None
                        parameter.sub_(rate * parameter.grad)


def _flat(gradients: Iterator[list[Tensor]]) -> Tensor:
    """The sum over the updates, as one vector."""
    return torch.stack([torch.cat([g.flatten() for g in update]) for update in gradients]).sum(0)


def _after_descent(algorithm: Algorithm, whole: Problem, cut: int, seed: int) -> Tensor:
    """The parameters after plain gradient descent along the sequence, cut in two before a step, as one vector."""
    problem = copy.deepcopy(whole)
    parts = _halves(problem, cut) if cut < STREAM else [problem]
    for _ in _run(algorithm, parts, seed, rate=RATE):
        pass
    return nn.utils.parameters_to_vector(problem.network.parameters()).detach().clone()
