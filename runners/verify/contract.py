"""What every algorithm owes, whatever it promises: gradients, weights, losses and carries as the contract has them."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from throughtime.algorithms import Algorithm, Update
from throughtime.runners.training.measure import carried

from .agreement import agree, listed
from .problems import (
    FORCINGS,
    MASKS,
    Problem,
    devices,
    distance,
    every_problem,
    largest,
    make_problem,
    problem_for,
    served,
)
from .process import seeded, undisturbed
from .refuted import Refuted

SINGLE = 1e-3
"""The relative distance that float32 leaves."""


def works_everywhere(algorithm: Algorithm) -> str:
    """Takes every cell that it does not refuse, every forcing and mask, one sequence or several, one step or several.
    Look at: shapes that you assume; inputs are (T, B, m), `network.unroll` and `network.step` serve any network, and a
    mask may leave a window without targets.
    """
    problems = [*every_problem(algorithm), problem_for(algorithm, 1), problem_for(algorithm, 1, 1)]
    for problem in problems:
        problem.estimate(algorithm)
    cells = ", ".join(served(algorithm))
    return f"{len(problems)} problems: {cells}; {', '.join(FORCINGS)}; targets at {', '.join(MASKS)}"


def fills_every_gradient(algorithm: Algorithm) -> str:
    """At each update every p.grad is a finite tensor of its parameter's shape, type and device, in memory of its own.
    Look at: parameters that your loss does not reach (a bias, the readout): their p.grad must be zeros, not None; and
    `p.grad = …` for every parameter before every `yield`; one tensor that serves two parameters, which a clipped norm
    scales twice: `clone` it.
    """
    count = 0
    for cell in served(algorithm):
        for mask in ("every step", "the last step"):
            problem = make_problem(cell, mask=mask)
            for parameter in problem.network.parameters():
                parameter.grad = None
            for update in problem.updates(algorithm):
                count += 1
                _check_gradients(problem, update, f"update {count} ({problem.name})")
                _check_memory(problem, f"update {count} ({problem.name})")
                for parameter in problem.network.parameters():
                    parameter.grad = None
    return f"filled at all of {count} updates"


def _check_gradients(problem: Problem, update: Update, where: str) -> None:
    """Each is filled and finite, and zero where the update has no target."""
    for name, parameter in problem.network.named_parameters():
        gradient = parameter.grad
        if gradient is None:
            raise Refuted(f"{name}.grad is None at {where}")
        if (gradient.shape, gradient.dtype, gradient.device) != (parameter.shape, parameter.dtype, parameter.device):
            raise Refuted(f"{name}.grad is {gradient.dtype} {tuple(gradient.shape)} at {where}")
        if not gradient.isfinite().all():
            raise Refuted(f"{name}.grad has nan or inf at {where}")
        if update.weight == 0 and gradient.any():
            raise Refuted(f"{name}.grad is not zero at {where}, whose weight is 0")


def _check_memory(problem: Problem, where: str) -> None:
    """What is written into one p.grad is not read in another."""
    named = [(name, parameter.grad) for name, parameter in problem.network.named_parameters()]
    for number, (_, gradient) in enumerate(named):
        assert gradient is not None
        gradient.fill_(number)
    for number, (name, gradient) in enumerate(named):
        assert gradient is not None
        if not (gradient == number).all():
            raise Refuted(f"{name}.grad shares its memory with another's at {where}")


def shares_sum_to_one(algorithm: Algorithm) -> str:
    """Weights are each update's share of the batch's targets: 0 or more, and 1 over a sequence, or on average.
    Look at: `batch.share(start, stop)`, which gives the share of a window's targets.
    """
    near = []
    for mask in MASKS:
        problem = problem_for(algorithm, mask=mask)

        def total(seed: int, problem: Problem = problem) -> Tensor:
            weights = [float(update.weight) for update in problem.updates(algorithm, seed=seed)]
            if any(weight < 0 for weight in weights):
                raise Refuted(f"an update's weight is {min(weights)} ({problem.name})")
            return torch.tensor([sum(weights)], dtype=torch.float64)

        near.append(agree(total, torch.ones(1, dtype=torch.float64), f"weights' sum ({problem.name})"))
    return f"1 {listed(near, MASKS)}"


def losses_are_means(algorithm: Algorithm) -> str:
    """An update's loss is the mean over the targets that it covers: Σ weight · loss is the batch's mean loss.
    Look at: `window.mean_loss(outputs)`, which divides by the window's targets; a sum, or a mean over all steps where
    some are masked, is another number.
    """
    near = []
    for mask in MASKS:
        problem = problem_for(algorithm, mask=mask)
        with torch.no_grad():
            expected = problem.batch.mean_loss(problem.network.unroll(problem.batch.inputs)[0]).double().reshape(1)
        near.append(agree(_total_loss(algorithm, problem), expected, f"mean loss ({problem.name})"))
    return f"the mean loss {listed(near, MASKS)}"


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
        problem = problem_for(algorithm, mask=mask)
        assert problem.batch.mask is not None
        left_out = ~problem.batch.mask
        # Both lie in memory alike: a product's last digits depend on that.
        one, other = (
            replace(problem, batch=replace(problem.batch, targets=problem.batch.targets + by * left_out[..., None]))
            for by in (0, 5)
        )
        if largest(one.estimate(algorithm), other.estimate(algorithm)) > 0:
            raise Refuted(f"other values of targets that do not count change the gradient ({problem.name})")
    empty = problem_for(algorithm)
    empty = empty.masked(torch.zeros(empty.batch.length, empty.batch.size, dtype=torch.bool))
    weight = sum(float(update.weight) for update in empty.updates(algorithm))
    gradient = empty.estimate(algorithm)
    if weight or any(not torch.equal(g, torch.zeros_like(g)) for g in gradient.values()):
        raise Refuted(f"a batch without any target gives weight {weight:g} and a gradient that is not zero")
    for update in empty.updates(algorithm):
        _check_gradients(empty, update, "an update of a batch without any target")
    return "no change by targets that do not count; nothing where none counts"


def carries_the_state_on(algorithm: Algorithm) -> str:
    """The last update's carry goes on with the stream's next batch where this one ended, detached from its graph.
    Look at: which state you hand on (the one after the window's last step) and that it is detached; a carry that is
    None starts from zeros.
    """
    for cell in served(algorithm):
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
        agree(_total_loss(algorithm, second, carry), expected, f"mean loss given the carry ({second.name})")
    cells = ", ".join(served(algorithm))
    return f"the loss of steps 6 to 9 given the carry of steps 0 to 5 is that of one run ({cells})"


def leaves_the_rest_alone(algorithm: Algorithm) -> str:
    """Changes p.grad and nothing else: no parameter, input, target or mask, no random or other state of the process.
    Look at: operations in place (`_` at the end, `out=`, `p.data`), `torch.manual_seed`, and anything set globally.
    """
    problem = make_problem(served(algorithm)[-1], mask="some steps")
    network, batch = problem.network, problem.batch
    tensors = {**dict(network.state_dict()), "inputs": batch.inputs, "targets": batch.targets, "mask": batch.mask}
    before = {name: tensor.clone() for name, tensor in tensors.items() if tensor is not None}
    flags = {name: parameter.requires_grad for name, parameter in network.named_parameters()}
    with undisturbed():
        for _ in problem.updates(algorithm):
            for name, kept in before.items():
                tensor = network.state_dict().get(name, tensors[name])
                if tensor is None or not torch.equal(tensor, kept):
                    raise Refuted(f"{name} is changed at an update")
    if {name: parameter.requires_grad for name, parameter in network.named_parameters()} != flags:
        raise Refuted("requires_grad of a parameter is changed")
    if not network.training:
        raise Refuted("the network is put into evaluation mode")
    return "parameters, data, random and other global state as before"


def repeats_with_its_generator(algorithm: Algorithm) -> str:
    """The same generator gives the same numbers, whatever was computed before and whatever else is random.
    Look at: draws that do not take `generator=generator`, and what an instance keeps from one call to the next.
    """
    cell = served(algorithm)[-1]
    problem = make_problem(cell)
    with seeded(1):
        first = problem.estimate(algorithm, seed=5)
    make_problem(cell, length=4).estimate(algorithm, seed=6)
    with seeded(2):
        again = problem.estimate(algorithm, seed=5)
    if apart := largest(first, again):
        raise Refuted(f"two estimates with the same seed differ by {apart:.2g}")
    other = largest(first, problem.estimate(algorithm, seed=7))
    return f"the same to the bit; another seed {f'moves it by {other:.2g}' if other else 'changes nothing'}"


def serves_each_precision_and_device(algorithm: Algorithm) -> str:
    """float32 gives float64's gradient to rounding, on the CPU and on a CUDA GPU where there is one.
    Look at: tensors made without the inputs' dtype and device: `torch.zeros(…)` in place of `inputs.new_zeros(…)`.
    """
    worst = 0.0
    for cell in served(algorithm):
        expected = make_problem(cell).estimate(algorithm)
        for device in devices():
            found = make_problem(cell, dtype=torch.float32, device=device).estimate(algorithm)
            worst = max(worst, apart := distance({name: g.cpu().double() for name, g in found.items()}, expected))
            if not apart <= SINGLE:
                raise Refuted(f"float32 on {device} is {apart:.2g} away from float64 ({cell})")
    return f"within {worst:.1g}, relatively, on {' and '.join(devices())}"
