"""A recurrent cell, its promises against what is measured.

`step` is taken at its word: what it computes is the cell. Everything else that a cell offers is a faster way to the
same numbers, and is compared with it in float64.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from throughtime.algorithms import make_algorithm
from throughtime.networks import AnyCell, State

from .agreement import ROUNDING, agree_exactly
from .cell_data import (
    INPUTS,
    SEQUENCES,
    UNITS,
    Make,
    agree,
    distance_of,
    double,
    flat,
    linearized,
    make_cell,
    make_data,
    slopes_of,
)
from .cell_jacobians import linearize_equals_autograd
from .cell_unroll import (
    Run,
    gradients_of,
    sequences_do_not_mix,
    step_by_step,
    two_windows_are_one,
    unroll_equals_steps,
)
from .check import Check, Finding, examine, make_checks
from .learning import learned
from .problems import devices, exact_gradient, make_problem
from .process import seeded, undisturbed
from .refuted import Refuted

SINGLE = {"cpu": 1e-4, "cuda": 1e-2}
"""What float32 leaves over a few steps, relatively; on a GPU fused layers may multiply in TF32, which has 10 bits."""


def cell_checks(cell: Make, expected_failures: Mapping[str, str] | None = None) -> list[Check[Make]]:
    """Every check of a cell, each to be called in a test of its own.

    >>> from throughtime.networks import CELLS
    >>> checks = cell_checks(CELLS.get("gru"))
    >>> [str(check) for check in checks][:2]
    ['states_have_their_form', 'starts_from_its_generator']
    >>> checks[0]()

    Args:
        cell: the class, which makes one as `cell(input_size, hidden_size, generator=…, dtype=…)`; or what does so for a
            spec, `CELLS.maker("leaky(leak=0.1)")`.
        expected_failures: by check's name the reason; None: those of the class attribute `expected_failures`.
    """
    return make_checks(CHECKS, cell, expected_failures)


def check_cell(cell: Make, expected_failures: Mapping[str, str] | None = None) -> list[Finding]:
    """Verify a cell; what was promised and what was measured, check by check.

    Raises:
        AssertionError: a promise is not held; the message says which, what was measured, and what to look at.
    """
    return examine(cell_checks(cell, expected_failures))


def states_have_their_form(cls: Make) -> str:
    """A state is `state_parts` tensors (B, n), at first zeros; part 0 is the hidden state that `unroll` gives.
    Look at: `state_parts`, `initial_state`, and the order of what `activate` returns; time comes first, (T, B, n).
    """
    for size in (1, SEQUENCES):
        cell = make_cell(cls)
        if (cell.input_size, cell.hidden_size) != (INPUTS, UNITS):
            sizes = f"input_size {cell.input_size}, hidden_size {cell.hidden_size}"
            raise Refuted(f"made with {INPUTS} inputs and {UNITS} units it has {sizes}")
        state = cell.initial_state(size)
        _check_state(cell, state, size, f"initial_state({size})")
        if any(bool(part.any()) for part in state):
            raise Refuted(f"initial_state({size}) is not zero")
        inputs, state = make_data(cell, 5, size)
        _check_state(cell, cell.step(inputs[0], state), size, "the state after step")
        hidden, end = cell.unroll(inputs, state)
        _check_state(cell, end, size, "the state after unroll")
        if hidden.shape != (5, size, UNITS):
            raise Refuted(f"unroll gives hidden states {tuple(hidden.shape)} for {(5, size, UNITS)}")
        if not distance_of([hidden[-1]], [end[0]]) <= ROUNDING:
            raise Refuted("part 0 of the state after unroll is not its last hidden state")
    return f"{cell.state_parts} of (B, {UNITS}), for B = 1 and {SEQUENCES}"


def _check_state(cell: AnyCell, state: State, size: int, what: str) -> None:
    if not isinstance(state, tuple) or len(state) != cell.state_parts:
        form = f"{len(state)} parts" if isinstance(state, tuple) else f"a {type(state).__name__}"
        raise Refuted(f"{what} is {form} for a tuple of {cell.state_parts}")
    for number, part in enumerate(state):
        if part.shape != (size, cell.hidden_size) or part.dtype != torch.float64:
            raise Refuted(
                f"part {number} of {what} is {part.dtype} {tuple(part.shape)}, not of the parameters' type and "
                f"{(size, cell.hidden_size)}"
            )


def starts_from_its_generator(cls: Make) -> str:
    """First parameters depend on the generator and the sizes alone; float32 and float64 start from the same numbers.
    Look at: layers of torch.nn, which draw from the global state when they are made; and draws in the dtype asked for:
    draw in float64, then round.
    """
    with undisturbed():
        first = make_cell(cls).state_dict()
    with seeded(1):
        again = make_cell(cls).state_dict()
    with seeded(2):
        single = make_cell(cls, dtype=torch.float32).state_dict()
    other = make_cell(cls, seed=2).state_dict()
    if not first:
        raise Refuted("it has no parameters")
    for name, values in first.items():
        if values.is_floating_point() and (values.dtype, single[name].dtype) != (torch.float64, torch.float32):
            raise Refuted(f"{name} is {values.dtype} and {single[name].dtype} where float64 and float32 are asked for")
        if not values.isfinite().all():
            raise Refuted(f"{name} has nan or inf")
        if not torch.equal(values, again[name]):
            raise Refuted(f"{name} is another one at the same seed of its generator")
        if not torch.equal(values.to(single[name].dtype), single[name]):
            apart = distance_of([single[name].double()], [values])
            raise Refuted(f"{name} in float32 is {apart:.2g} away from float64's at the same seed, relatively")
    if all(torch.equal(values, other[name]) for name, values in first.items()):
        raise Refuted("another seed gives the same parameters")
    return f"{sum(values.numel() for values in first.values())} numbers: the same at the same seed, others at another"


def leaves_the_rest_alone(cls: Make) -> str:
    """`step`, `unroll`, its backward and `linearize` change no parameter, input or state, nothing of the process, and
    nothing that they gave before.
    Look at: operations in place (`_` at the end, `out=`), weights that are normalised as they are used, memory that is
    kept and written to again, and noise.
    """
    cell = make_cell(cls)
    inputs, state = make_data(cell, 4, SEQUENCES)
    named = {**cell.state_dict(), "inputs": inputs, **{f"part {k} of the state": part for k, part in enumerate(state)}}
    before = {name: tensor.clone() for name, tensor in named.items()}
    uses: dict[str, Callable[[], object]] = {
        "initial_state": lambda: cell.initial_state(SEQUENCES),
        "step": lambda: cell.step(inputs[0], state),
        "unroll": lambda: cell.unroll(inputs, state),
        "unroll's backward": lambda: cell.unroll(inputs, state)[0].sum().backward(),
        "linearize": lambda: linearized(cell, inputs[0], state),
    }
    for use, call in uses.items():
        with undisturbed():
            call()
        for name, values in before.items():
            if not torch.equal({**named, **cell.state_dict()}[name], values):
                raise Refuted(f"{name} is changed by {use}")
        if not all(parameter.requires_grad for parameter in cell.parameters()):
            raise Refuted(f"requires_grad of a parameter is changed by {use}")
    first, again = flat(cell.unroll(inputs, state)), flat(cell.unroll(inputs, state))
    if not all(map(torch.equal, first, again)):
        raise Refuted(f"unroll of the same again is {distance_of(again, first):.2g} away, relatively")
    for recorded in (True, False):
        with torch.set_grad_enabled(recorded):
            _check_kept(cell, inputs, state)
    return f"parameters, inputs, state and process as before: {', '.join(uses)}"


def _check_kept(cell: AnyCell, inputs: Tensor, state: State) -> None:
    """What was given once stays as it is when something else is asked for."""
    uses: dict[str, Callable[[Tensor, State], list[Tensor]]] = {
        "step": lambda inputs, state: list(cell.step(inputs[0], state)),
        "unroll": lambda inputs, state: flat(cell.unroll(inputs, state)),
        "linearize": lambda inputs, state: list(slopes_of(linearized(cell, inputs[0], state)).values()),
    }
    for use, call in uses.items():
        given = call(inputs, state)
        kept = [tensor.clone() for tensor in given]
        call(2 * inputs, tuple(0.5 * part for part in state))
        if not all(map(torch.equal, given, kept)):
            recorded = "" if torch.is_grad_enabled() else ", without gradients"
            raise Refuted(f"what {use} gave is changed when it is called again{recorded}")


def serves_each_precision_and_device(cls: Make) -> str:
    """float32 gives float64's numbers and gradients to rounding, on the CPU and on a CUDA GPU where there is one.
    Look at: tensors made without the inputs' dtype and device, and those that are neither parameters nor buffers.
    """
    worst = 0.0
    exact = make_cell(cls)
    inputs, state = make_data(exact, 6, SEQUENCES)
    expected = flat(exact.unroll(inputs, state))
    slopes = gradients_of(exact, exact.unroll, (inputs, state), "both")
    made: dict[str, Callable[[], AnyCell]] = {
        "made in float32": lambda: make_cell(cls, dtype=torch.float32),
        "put to float32": lambda: make_cell(cls).float(),
    }
    for device in devices():
        for how, make in made.items():
            cell, where = make().to(device), f"{how}, on {device}"
            data = inputs.to(device).float(), tuple(part.to(device).float() for part in state)
            runs: dict[str, Run] = {"unroll": cell.unroll, "step": step_by_step(cell)}
            for name, run in runs.items():
                found = flat(run(*data))
                for tensor in found:
                    if (tensor.dtype, tensor.device.type) != (torch.float32, device):
                        raise Refuted(f"{name} gives {tensor.dtype} on {tensor.device.type} ({where})")
                worst = max(worst, agree(double(found), expected, f"float64's, by {name} ({where})", SINGLE[device]))
            gradients = double(gradients_of(cell, cell.unroll, data, "both"))
            worst = max(worst, agree(gradients, slopes, f"float64's gradient ({where})", SINGLE[device]))
            for name, slope in slopes_of(linearized(cell, data[0][0], data[1])).items():
                if (slope.dtype, slope.device.type) != (torch.float32, device):
                    raise Refuted(f"linearize gives {name} in {slope.dtype} on {slope.device.type} ({where})")
    return f"within {worst:.1g}, relatively, on {' and '.join(devices())}"


def trains_backward_and_forward_alike(cls: Make) -> str:
    """Full BPTT and RTRL give the exact gradient, driven by the truth and in a closed loop, and a step along it helps.
    Look at: where unroll_equals_steps and linearize_equals_autograd pass, parameters that only one of the two reaches.
    """
    worst = 0.0
    for forcing in ("teacher", "free"):
        problem = make_problem(forcing=forcing, units=UNITS)
        problem.network.cell = make_cell(cls)
        problem = replace(problem, name=f"{forcing} forcing, T={problem.batch.length}, B={problem.batch.size}")
        expected = exact_gradient(problem)
        for spec in ("full", "rtrl(update_every=None)"):
            worst = max(worst, agree_exactly(make_algorithm(spec), problem, expected, spec))
    return f"equal within {worst:.1g}; loss {learned(problem, expected)}"


CHECKS: Sequence[Callable[[Make], str]] = (
    states_have_their_form,
    starts_from_its_generator,
    unroll_equals_steps,
    two_windows_are_one,
    sequences_do_not_mix,
    linearize_equals_autograd,
    leaves_the_rest_alone,
    serves_each_precision_and_device,
    trains_backward_and_forward_alike,
)
