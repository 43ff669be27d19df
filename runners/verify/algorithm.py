"""An algorithm, its promises against what is measured.

Equality is to a plain autograd loop over `network.step` in float64; what is random is judged by z-tests over its own
draws; memory is counted, not timed.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from throughtime.algorithms import Algorithm
from throughtime.networks import Network, State
from throughtime.runners.measure import carried, carry_bytes, count_updates
from throughtime.tasks import Batch
from throughtime.tasks.losses import squared_error

from . import process_state
from .check import Check, Finding, NotPromised, Refuted, examine, make_checks
from .problems import (
    CELLS,
    FORCINGS,
    MASKS,
    Gradient,
    Problem,
    distance,
    every_problem,
    exact_gradient,
    make_problem,
)

ROUNDING = 1e-9
"""The relative distance that float64 leaves between two ways of computing the same gradient, and then some."""

BEYOND = 1e-12
"""The least relative distance that says two gradients differ."""

LONGEST = 200
"""An `exact_up_to` above this is verified up to here."""

DRAWS, FIRST_DRAWS = 600, 6
"""Draws of what is random, and those that show whether it is."""

SIGMAS = 5.0
"""A mean of draws is refuted beyond so many standard errors: 6e-7 for each number, and there are about a hundred."""


def algorithm_checks(
    algorithm: Algorithm, expected_failures: Mapping[str, str] | None = None
) -> list[Check[Algorithm]]:
    """Every check of an algorithm, each to be called in a test of its own.

    >>> from throughtime.algorithms import make_algorithm
    >>> checks = algorithm_checks(make_algorithm("full"))
    >>> [str(check) for check in checks][:2]
    ['works_everywhere', 'fills_every_gradient']
    >>> checks[1]()

    Args:
        algorithm: an instance.
        expected_failures: by check's name the reason; None: those of the class attribute `expected_failures`.
    """
    return make_checks(CHECKS, algorithm, expected_failures)


def check_algorithm(algorithm: Algorithm, expected_failures: Mapping[str, str] | None = None) -> list[Finding]:
    """Verify an algorithm; what was promised and what was measured, check by check.

    Raises:
        AssertionError: a promise is not held; the message says which, what was measured, and what to look at.
    """
    return examine(algorithm_checks(algorithm, expected_failures))


def works_everywhere(algorithm: Algorithm) -> str:
    """Takes every cell, forcing, mask, one sequence or several, one step or several, without an error.
    Look at: shapes that you assume; inputs are (T, B, m), `network.unroll` and `network.step` serve any network, and a
    mask may leave a window without targets.
    """
    problems = [*every_problem(), make_problem(length=1), make_problem(length=1, size=1)]
    for problem in problems:
        try:
            problem.estimate(algorithm)
        except Exception as error:
            raise type(error)(f"{error} ({problem.name})").with_traceback(error.__traceback__) from error
    return f"{len(problems)} problems: {', '.join(CELLS)}; {', '.join(FORCINGS)}; targets at {', '.join(MASKS)}"


def fills_every_gradient(algorithm: Algorithm) -> str:
    """At each update every p.grad is a finite tensor of its parameter's shape, type and device.
    Look at: parameters that your loss does not reach (a bias, the readout): their p.grad must be zeros, not None; and
    `p.grad = …` for every parameter before every `yield`.
    """
    count = 0
    for cell in CELLS:
        for mask in ("every step", "the last step"):
            problem = make_problem(cell, mask=mask)
            for parameter in problem.network.parameters():
                parameter.grad = None
            for update in problem.updates(algorithm):
                count += 1
                for name, parameter in problem.network.named_parameters():
                    _check_gradient(name, parameter, f"update {count} ({problem.name})")
                    if update.weight == 0 and parameter.grad is not None and parameter.grad.any():
                        raise Refuted(f"{name}.grad is not zero at an update of weight 0 ({problem.name})")
                    parameter.grad = None
    return f"filled at all of {count} updates"


def _check_gradient(name: str, parameter: nn.Parameter, where: str) -> None:
    gradient = parameter.grad
    if gradient is None:
        raise Refuted(f"{name}.grad is None at {where}")
    if (gradient.shape, gradient.dtype, gradient.device) != (parameter.shape, parameter.dtype, parameter.device):
        raise Refuted(f"{name}.grad is {gradient.dtype} {tuple(gradient.shape)} at {where}")
    if not gradient.isfinite().all():
        raise Refuted(f"{name}.grad has nan or inf at {where}")


def shares_sum_to_one(algorithm: Algorithm) -> str:
    """Weights are each update's share of the batch's targets: 0 or more, and 1 over a sequence, or on average.
    Look at: `batch.share(start, stop)`, which gives the share of a window's targets.
    """
    near = []
    for mask in MASKS:
        problem = make_problem(mask=mask)

        def total(seed: int, problem: Problem = problem) -> Tensor:
            weights = [float(update.weight) for update in problem.updates(algorithm, seed=seed)]
            if any(weight < 0 for weight in weights):
                raise Refuted(f"an update's weight is {min(weights)} ({problem.name})")
            return torch.tensor([sum(weights)], dtype=torch.float64)

        near.append(_agree(total, torch.ones(1, dtype=torch.float64), f"weights' sum ({problem.name})"))
    return f"1 {_listed(near, MASKS)}"


def losses_are_means(algorithm: Algorithm) -> str:
    """An update's loss is the mean over the targets that it covers: Σ weight · loss is the batch's mean loss.
    Look at: `window.mean_loss(outputs)`, which divides by the window's targets; a sum, or a mean over all steps where
    some are masked, is another number.
    """
    near = []
    for mask in MASKS:
        problem = make_problem(mask=mask)
        with torch.no_grad():
            expected = problem.batch.mean_loss(problem.network.unroll(problem.batch.inputs)[0]).double().reshape(1)
        near.append(_agree(_total_loss(algorithm, problem), expected, f"mean loss ({problem.name})"))
    return f"the mean loss {_listed(near, MASKS)}"


def _total_loss(algorithm: Algorithm, problem: Problem, carry: object = None) -> Callable[[int], Tensor]:
    def total(seed: int) -> Tensor:
        parts = [update.weight * float(update.loss) for update in problem.updates(algorithm, carry, seed=seed)]
        return torch.tensor([sum(parts)], dtype=torch.float64)

    return total


def ignores_masked_targets(algorithm: Algorithm) -> str:
    """A target that the mask leaves out changes nothing, and a window without targets gives weight 0 and zeros.
    Look at: losses taken without the mask: `batch.losses` and `batch.mean_loss` know it, `batch.loss` does not.
    """
    for mask in MASKS[1:]:
        problem = make_problem(mask=mask)
        left_out = ~problem.batch.mask if problem.batch.mask is not None else None
        targets = problem.batch.targets + 5 * (0 if left_out is None else left_out[..., None])
        other = replace(problem, batch=replace(problem.batch, targets=targets))
        if _largest(problem.estimate(algorithm), other.estimate(algorithm)) > 0:
            raise Refuted(f"other values of targets that do not count change the gradient ({problem.name})")
    empty = make_problem()
    empty = empty.masked(torch.zeros(empty.batch.length, empty.batch.size, dtype=torch.bool))
    weight = sum(float(update.weight) for update in empty.updates(algorithm))
    gradient = empty.estimate(algorithm)
    if weight or any(not torch.equal(g, torch.zeros_like(g)) for g in gradient.values()):
        raise Refuted(f"a batch without any target gives weight {weight:g} and a gradient that is not zero")
    for update in empty.updates(algorithm):
        for name, parameter in empty.network.named_parameters():
            _check_gradient(name, parameter, "a batch without any target")
            if update.weight == 0 and parameter.grad is not None and parameter.grad.any():
                raise Refuted(f"{name}.grad is not zero where no target is")
    return "no change by targets that do not count; nothing where none counts"


def carries_the_state_on(algorithm: Algorithm) -> str:
    """The last update's carry goes on with the stream's next batch where this one ended, detached from its graph.
    Look at: which state you hand on (the one after the window's last step) and that it is detached; a carry that is
    None starts from zeros.
    """
    for cell in CELLS:
        whole = make_problem(cell, length=10)
        first, second = whole.part(0, 6), whole.part(6, 10)
        carry = None
        for update in first.updates(algorithm):
            carry = update.carry
        for tensor in carried(carry):
            if tensor.requires_grad:
                raise Refuted(f"a tensor {tuple(tensor.shape)} of the carry is not detached ({first.name})")
        with torch.no_grad():
            _, state = whole.network.unroll(first.batch.inputs)
            outputs, _ = whole.network.unroll(second.batch.inputs, state)
            expected = second.batch.mean_loss(outputs).double().reshape(1)
        _agree(_total_loss(algorithm, second, carry), expected, f"mean loss given the carry ({second.name})")
    return f"the loss of steps 6 to 9 given the carry of steps 0 to 5 is that of one run ({', '.join(CELLS)})"


def leaves_the_rest_alone(algorithm: Algorithm) -> str:
    """Changes p.grad and nothing else: no parameter, input, target or mask, no random or other state of the process.
    Look at: operations in place (`_` at the end, `out=`, `p.data`), `torch.manual_seed`, and anything set globally.
    """
    problem = make_problem("gru", mask="some steps")
    network, batch = problem.network, problem.batch
    tensors = {**dict(network.state_dict()), "inputs": batch.inputs, "targets": batch.targets, "mask": batch.mask}
    before = {name: tensor.clone() for name, tensor in tensors.items() if tensor is not None}
    flags = {name: parameter.requires_grad for name, parameter in network.named_parameters()}
    process = process_state.now()
    for _ in problem.updates(algorithm):
        for name, kept in before.items():
            tensor = network.state_dict().get(name, tensors[name])
            if tensor is None or not torch.equal(tensor, kept):
                raise Refuted(f"{name} is changed at an update")
    if {name: parameter.requires_grad for name, parameter in network.named_parameters()} != flags:
        raise Refuted("requires_grad of a parameter is changed")
    if not network.training:
        raise Refuted("the network is put into evaluation mode")
    if changed := process_state.changes(process):
        raise Refuted(f"{', '.join(changed)}: changed for the whole process")
    return "parameters, data, random and other global state as before"


def repeats_with_its_generator(algorithm: Algorithm) -> str:
    """The same generator gives the same numbers, whatever was computed before and whatever else is random.
    Look at: draws that do not take `generator=generator`, and what an instance keeps from one call to the next.
    """
    problem = make_problem("lstm")
    torch.manual_seed(1)
    first = problem.estimate(algorithm, seed=5)
    make_problem("lstm", length=4).estimate(algorithm, seed=6)
    torch.manual_seed(2)
    again = problem.estimate(algorithm, seed=5)
    if apart := _largest(first, again):
        raise Refuted(f"two estimates with the same seed differ by {apart:.2g}")
    other = _largest(first, problem.estimate(algorithm, seed=7))
    return f"the same to the bit; another seed {f'moves it by {other:.2g}' if other else 'changes nothing'}"


def is_exact_up_to(algorithm: Algorithm) -> str:
    """The estimate is full BPTT's gradient on sequences of up to `exact_up_to` steps, and is not beyond.
    Look at: how many steps back each loss reaches (an off-by-one moves the limit), at which parameters and from which
    state it is taken; or at the value that you declare.
    """
    limit = algorithm.exact_up_to
    if limit != math.inf and (limit < 0 or limit != int(limit)):
        raise Refuted(f"exact_up_to is {limit}; it must be 0, a number of steps, or math.inf")
    lengths = sorted({length for length in (1, 2, 7, int(min(limit, LONGEST))) if 1 <= length <= limit})
    worst, where = 0.0, ""
    for length in lengths:
        problems = every_problem(length) if length == 7 or length == limit else map(_plain(length), CELLS)
        for problem in problems:
            apart = distance(problem.estimate(algorithm), exact_gradient(problem))
            if apart > ROUNDING:
                raise Refuted(f"it is {apart:.2g} away from the exact gradient, relatively ({problem.name})")
            worst, where = max(worst, apart), problem.name
    words = [f"equal within {worst:.1g} at T = {', '.join(map(str, lengths))}"] if where else []
    if limit < LONGEST:
        words.append(_differs_beyond(algorithm, int(limit)))
    return "; ".join(words)


def _plain(length: int) -> Callable[[str], Problem]:
    return lambda cell: make_problem(cell, length)


def _differs_beyond(algorithm: Algorithm, limit: int) -> str:
    """In each cell; one step beyond is the sharpest test, and two where one sequence step has nothing to forget."""
    least = math.inf
    for cell in CELLS:
        problem = make_problem(cell, limit + 1 + (limit == 0))
        apart = distance(problem.estimate(algorithm), exact_gradient(problem))
        if apart < BEYOND:
            raise Refuted(f"it is exact beyond, too ({problem.name}): declare more")
        least = min(least, apart)
    return f"{least:.1g} away at T = {limit + 1 + (limit == 0)}"


def is_unbiased(algorithm: Algorithm) -> str:
    """Its mean over its own draws is full BPTT's gradient, at any length.
    Look at: how each draw is weighted by its probability, and that the draws of two factors that are multiplied are
    independent, or the same where they must be.
    """
    if not algorithm.unbiased:
        raise NotPromised(f"unbiased is {algorithm.unbiased}")
    near = []
    for cell in CELLS:
        problem = make_problem(cell, length=4, units=3)
        expected = _flat(exact_gradient(problem))

        def draw(seed: int, problem: Problem = problem) -> Tensor:
            return _flat(problem.estimate(algorithm, seed=seed))

        near.append(_agree(draw, expected, f"gradient ({problem.name})"))
    return f"the mean is the exact gradient {_listed(near, CELLS)}"


def is_online(algorithm: Algorithm) -> str:
    """The bytes alive at once during its updates, and those of its carry, do not grow with the sequence.
    Look at: lists of states, graphs that a carry holds on to, slices that keep the whole of their tensor alive.
    """
    limit = 0 if math.isinf(algorithm.exact_up_to) else min(int(algorithm.exact_up_to), LONGEST)
    short, long = 16 + 2 * limit, 64 + 8 * limit
    found = []
    for length in (short, long):
        problem = make_problem(length=length, units=8, dtype=torch.float32)
        carry = None
        for update in problem.updates(algorithm):
            carry = update.carry
        found.append((count_updates(algorithm, problem.network, problem.batch).peak_bytes, carry_bytes(carry)))
    (peak, carry_of_short), (more, carry_of_long) = found
    measured = f"{peak:,} bytes at T = {short}, {more:,} at T = {long}; carry {carry_of_short:,} and {carry_of_long:,}"
    grows = more > 1.05 * peak or carry_of_long > carry_of_short
    if algorithm.online and grows:
        raise Refuted(measured)
    if not algorithm.online:
        raise NotPromised(f"online is {algorithm.online}: {measured}")
    return measured


def sees_each_step_of_the_optimizer(algorithm: Algorithm) -> str:
    """Where the parameters change between two updates, the next one is taken at the new ones.
    Look at: losses and gradients that are computed before the first `yield`.
    """
    problem = make_problem("rnn", length=24)
    still = [float(update.loss) for update in problem.updates(algorithm)]
    if len(still) < 2:
        raise NotPromised("one update a batch")
    moved = []
    for update in problem.updates(algorithm):
        moved.append(float(update.loss))
        with torch.no_grad():
            for parameter in problem.network.parameters():
                parameter.add_(0.1)
    if stale := [number for number in range(1, len(still)) if abs(moved[number] - still[number]) < BEYOND]:
        raise Refuted(f"the loss of update {stale[0] + 1} of {len(still)} is the one at the old parameters")
    return f"every loss of {len(still)} updates after the first is another one"


def serves_each_precision_and_device(algorithm: Algorithm) -> str:
    """float32 gives float64's gradient to rounding, on the CPU and on a CUDA GPU where there is one.
    Look at: tensors made without the inputs' dtype and device: `torch.zeros(…)` in place of `inputs.new_zeros(…)`.
    """
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    worst = 0.0
    for cell in CELLS:
        expected = make_problem(cell).estimate(algorithm)
        for device in devices:
            found = make_problem(cell, dtype=torch.float32, device=device).estimate(algorithm)
            worst = max(worst, apart := distance({name: g.cpu().double() for name, g in found.items()}, expected))
            if apart > 1e-3:
                raise Refuted(f"float32 on {device} is {apart:.2g} away from float64 ({cell})")
    return f"within {worst:.1g}, relatively, on {' and '.join(devices)}"


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
    plain = make_problem(length=length)
    watched = _Watched(plain.network.cell, plain.network.readout)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        o = targets.shape[-1]
        return squared_error(outputs[..., :o], targets) + outputs[..., o:].square().mean(dim=-1)

    batch = Batch(plain.batch.inputs, plain.batch.targets, loss)
    found = Problem("states in the loss", watched, batch).estimate(algorithm)
    if algorithm.exact_up_to == 0:
        return "it runs with hidden states in the loss (not exact at any length, so not compared)"
    names, parameters = zip(*watched.named_parameters(), strict=True)
    gradients = torch.autograd.grad(batch.mean_loss(watched.unroll(batch.inputs)[0]), parameters)
    apart = distance(found, dict(zip(names, gradients, strict=True)))
    if apart > ROUNDING:
        raise Refuted(f"with hidden states in the loss it is {apart:.2g} away from the exact gradient, T={length}")
    return f"equal within {apart:.1g} with hidden states in the loss, T = {length}"


CHECKS: Sequence[Callable[[Algorithm], str]] = (
    works_everywhere,
    fills_every_gradient,
    shares_sum_to_one,
    losses_are_means,
    ignores_masked_targets,
    carries_the_state_on,
    leaves_the_rest_alone,
    repeats_with_its_generator,
    is_exact_up_to,
    is_unbiased,
    is_online,
    sees_each_step_of_the_optimizer,
    serves_each_precision_and_device,
    differentiates_what_unroll_gives,
)


def _flat(gradient: Gradient) -> Tensor:
    return torch.cat([gradient[name].flatten() for name in sorted(gradient)]).double()


def _largest(one: Gradient, other: Gradient) -> float:
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def _agree(draw: Callable[[int], Tensor], expected: Tensor, what: str) -> str:
    """How near the mean over draws is to what is expected; where the first draws are all alike, how near that one is.

    Args:
        draw: from a seed to numbers.
        expected: what they are, or are on average.
        what: they are, in words.

    Raises:
        Refuted: too far.
    """
    drawn = [draw(seed) for seed in range(FIRST_DRAWS)]
    if all(torch.equal(one, drawn[0]) for one in drawn):
        apart = float((drawn[0] - expected).norm() / expected.norm().clamp_min(1e-300))
        if not apart <= ROUNDING:
            raise Refuted(f"{_shown(drawn[0])} for {_shown(expected)}, the {what}")
        return f"within {apart:.1g}"
    numbers = torch.stack([*drawn, *(draw(seed) for seed in range(FIRST_DRAWS, DRAWS))])
    mean, error = numbers.mean(dim=0), numbers.std(dim=0) / DRAWS**0.5
    apart_by = (mean - expected).abs()
    rounding = ROUNDING * expected.abs().max()
    sigmas = float(torch.where(apart_by <= rounding, 0.0, apart_by / error.clamp_min(1e-300)).max())
    if not sigmas <= SIGMAS:
        raise Refuted(
            f"{_shown(mean)} on average for {_shown(expected)}, {sigmas:.3g} standard errors away: the {what}"
        )
    known = float(error.norm() / expected.norm())
    return f"within {sigmas:.2g} standard errors, which are {known:.1%} of it, over {DRAWS:,} draws"


def _listed(near: Sequence[str], where: Sequence[str]) -> str:
    """One for all where all are alike."""
    if len(set(near)) == 1:
        return f"{near[0]} ({', '.join(where)})"
    return "; ".join(f"{how} ({place})" for how, place in zip(near, where, strict=True))


def _shown(values: Tensor) -> str:
    return f"{float(values[0]):.6g}" if len(values) == 1 else f"norm {float(values.norm()):.6g}"
