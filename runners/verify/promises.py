"""What an algorithm declares of itself: `exact_up_to`, `unbiased`, `online`, `backward_mode`."""

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from throughtime.algorithms import Algorithm
from throughtime.networks import Network, State
from throughtime.runners.training.measure import carry_bytes, count_updates
from throughtime.tasks import Batch
from throughtime.tasks.losses import squared_error

from .agreement import LONGEST, ROUNDING, agree, agree_exactly, listed
from .problems import Problem, distance, every_problem, exact_gradient, flat, make_problem, problem_for, served
from .refuted import NotPromised, Refuted

BEYOND = 1e-12
"""The least relative distance that says two gradients differ."""

LOOKS = 3
"""Lengths, each four times the one before, at which memory is looked at before it is said to grow."""

REPEATED = 16
"""Copies of each sequence in a batch that is drawn on: draws of their own cost little more than those of one."""


def is_exact_up_to(algorithm: Algorithm) -> str:
    """The estimate is full BPTT's gradient on sequences of up to `exact_up_to` steps, and is not beyond.
    Look at: how many steps back each loss reaches (an off-by-one moves the limit), at which parameters and from which
    state it is taken; or at the value that you declare.
    """
    limit = algorithm.exact_up_to
    if limit != math.inf and (limit < 0 or limit != int(limit)):
        raise Refuted(f"exact_up_to is {limit}; it must be 0, a number of steps, or math.inf")
    lengths = sorted({length for length in (1, 2, 7, int(min(limit, LONGEST))) if 1 <= length <= limit})
    worst, where, cells = 0.0, "", served(algorithm)
    for length in lengths:
        problems = every_problem(algorithm, length) if length in (7, limit) else map(_plain(length), cells)
        for problem in problems:
            apart = agree_exactly(algorithm, problem, exact_gradient(problem))
            worst, where = max(worst, apart), problem.name
        worst = max(worst, *(_from_a_warm_state(algorithm, make_problem(cell, length).warm()) for cell in cells))
    words = [f"equal within {worst:.1g} at T = {', '.join(map(str, lengths))}"] if where else []
    if limit < LONGEST:
        words.append(_differs_beyond(algorithm, int(limit)))
    return "; ".join(words)


def _from_a_warm_state(algorithm: Algorithm, problem: Problem) -> float:
    """How far it is from the exact gradient where the first step has a past: from zeros, ∂/∂U of one step vanishes.

    One that begins with zeros of its own, whatever the network says, is not held to it.
    """
    updates = [(update.weight, float(update.loss)) for update in problem.updates(algorithm)]
    with torch.no_grad():
        expected = float(problem.batch.mean_loss(problem.network.unroll(problem.batch.inputs)[0]))
    if not math.isclose(sum(weight * loss for weight, loss in updates), expected, rel_tol=ROUNDING):
        return 0.0
    return agree_exactly(algorithm, problem, exact_gradient(problem))


def _plain(length: int) -> Callable[[str], Problem]:
    return lambda cell: make_problem(cell, length)


def _differs_beyond(algorithm: Algorithm, limit: int) -> str:
    """In each cell; one step beyond is the sharpest test, and two where one sequence step has nothing to forget."""
    least, length = math.inf, limit + 1 + (limit == 0)
    for cell in served(algorithm):
        problems = _to_tell_apart(cell, length)
        apart = 0.0
        while apart < BEYOND:
            problem = next(problems, None)
            if problem is None:
                raise Refuted(f"it is exact beyond, too ({cell}, T={length}): declare more")
            apart = distance(problem.estimate(algorithm), exact_gradient(problem))
        least = min(least, apart)
    return f"{least:.1g} away at T = {length}"


def _to_tell_apart(cell: str, length: int) -> Iterator[Problem]:
    """Networks on which an estimate may differ: a small one, one with more units than few paths or products cover, and
    one that forgets within few steps, for a reach that is chosen along the way.
    """
    yield make_problem(cell, length)
    yield make_problem(cell, length, units=16)
    if (soon := make_problem(cell, length).forgetful(0.1)) is not None:
        yield soon


def is_unbiased(algorithm: Algorithm) -> str:
    """Its mean over its own draws is full BPTT's gradient, at any length.
    Look at: how each draw is weighted by its probability, and that the draws of two factors that are multiplied are
    independent, or the same where they must be.
    """
    if not algorithm.unbiased:
        raise NotPromised(f"unbiased is {algorithm.unbiased}")
    near = []
    for cell in served(algorithm):
        problem = make_problem(cell, length=4, units=3).repeated(REPEATED)
        expected = flat(exact_gradient(problem))

        def draw(seed: int, problem: Problem = problem) -> Tensor:
            return flat(problem.estimate(algorithm, seed=seed))

        near.append(agree(draw, expected, f"gradient ({problem.name})"))
    return f"the mean is the exact gradient {listed(near, served(algorithm))}"


def is_online(algorithm: Algorithm) -> str:
    """The bytes alive at once during its updates, and those of its carry, do not grow with the sequence.
    Look at: lists of states, graphs that a carry holds on to, slices that keep the whole of their tensor alive.
    """
    limit = 0 if math.isinf(algorithm.exact_up_to) else min(int(algorithm.exact_up_to), LONGEST)
    lengths = [16 + 2 * limit, 64 + 8 * limit]
    found = [_held(algorithm, length) for length in lengths]
    # As far as its longest window it may grow, and as far as a window's phase, or a reach that the data choose, changes
    # what is carried: not beyond all that it held on shorter sequences, at every look again.
    while algorithm.online and _grows(found) and len(lengths) < LOOKS:
        lengths.append(4 * lengths[-1])
        found.append(_held(algorithm, lengths[-1]))
    peaks, carries = zip(*found, strict=True)
    at = ", ".join(f"{peak:,} bytes at T = {length}" for peak, length in zip(peaks, lengths, strict=True))
    measured = f"{at}; carry {', '.join(f'{carry:,}' for carry in carries)}"
    if algorithm.online and _grows(found):
        raise Refuted(measured)
    if not algorithm.online:
        raise NotPromised(f"online is {algorithm.online}: {measured}")
    return measured


def _held(algorithm: Algorithm, length: int) -> tuple[int, int]:
    """The peak's bytes and the carry's of a batch of so many steps."""
    problem = problem_for(algorithm, length, units=8, dtype=torch.float32)
    carry = None
    for update in problem.updates(algorithm):
        carry = update.carry
    return count_updates(algorithm, problem.network, problem.batch).peak_bytes, carry_bytes(carry)


def _grows(found: Sequence[tuple[int, int]]) -> bool:
    """Whether the longest sequence's peak or carry is above those of all shorter ones."""
    *shorter, (peak, carry) = found
    return peak > 1.05 * max(one for one, _ in shorter) or carry > max(one for _, one in shorter)


class _Watched(Network):
    """Its outputs are followed by its hidden states, as forcings that judge whole windows have it."""

    def unroll(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        hidden, state = self.hidden(inputs, state)
        return torch.cat([self.readout(hidden), hidden], dim=-1), state


def differentiates_what_unroll_gives(algorithm: Algorithm) -> str:
    """With `backward_mode` it differentiates whatever `network.unroll` returns: forcings that watch states need that.
    Look at: outputs that are read from hidden states past `network.unroll`; or declare backward_mode = False.
    """
    if not algorithm.backward_mode:
        raise NotPromised("backward_mode is False")
    length = 7 if math.isinf(algorithm.exact_up_to) else max(1, min(int(algorithm.exact_up_to), LONGEST))
    plain = problem_for(algorithm, length)
    watched = _Watched(plain.network.cell, plain.network.readout)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        o = targets.shape[-1]
        return squared_error(outputs[..., :o], targets) + outputs[..., o:].square().mean(dim=-1)

    batch = Batch(plain.batch.inputs, plain.batch.targets, loss)
    problem = Problem(f"hidden states in the loss, T={length}", watched, batch)
    if algorithm.exact_up_to == 0:
        problem.estimate(algorithm)
        return "it runs with hidden states in the loss (not exact at any length, so not compared)"
    names, parameters = zip(*watched.named_parameters(), strict=True)
    gradients = torch.autograd.grad(batch.mean_loss(watched.unroll(batch.inputs)[0]), parameters)
    apart = agree_exactly(algorithm, problem, dict(zip(names, gradients, strict=True)))
    return f"equal within {apart:.1g} with hidden states in the loss, T = {length}"
