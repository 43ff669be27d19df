"""A recurrent cell, its promises against what is measured.

`step` is taken at its word: what it computes is the cell. Everything else that a cell offers is a faster way to the
same numbers, and is compared with it in float64.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from throughtime.algorithms import make_algorithm
from throughtime.networks import Cell, State

from .cell_data import INPUTS, ROUNDING, SEQUENCES, UNITS, agree, distance_of, double, flat, make_cell, make_data
from .cell_jacobians import linearize_equals_autograd
from .check import Check, Finding, examine, make_checks
from .learning import learned
from .problems import distance, exact_gradient, make_problem
from .process import seeded, undisturbed
from .refuted import Refuted

SINGLE = {"cpu": 1e-4, "cuda": 1e-2}
"""The same for float32 over a few steps; on a GPU the products of fused layers may be of TF32, which has 10 bits."""

Run = Callable[[Tensor, State], tuple[Tensor, State]]


def cell_checks(cell: type[Cell], expected_failures: Mapping[str, str] | None = None) -> list[Check[type[Cell]]]:
    """Every check of a cell, each to be called in a test of its own.

    >>> from throughtime.networks import CELLS
    >>> checks = cell_checks(CELLS.get("gru"))
    >>> [str(check) for check in checks][:2]
    ['states_have_their_form', 'starts_from_its_generator']
    >>> checks[0]()

    Args:
        cell: the class; it is made as `cell(input_size, hidden_size, generator=…, dtype=…)`.
        expected_failures: by check's name the reason; None: those of the class attribute `expected_failures`.
    """
    return make_checks(CHECKS, cell, expected_failures)


def check_cell(cell: type[Cell], expected_failures: Mapping[str, str] | None = None) -> list[Finding]:
    """Verify a cell; what was promised and what was measured, check by check.

    Raises:
        AssertionError: a promise is not held; the message says which, what was measured, and what to look at.
    """
    return examine(cell_checks(cell, expected_failures))


def states_have_their_form(cls: type[Cell]) -> str:
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


def _check_state(cell: Cell, state: State, size: int, what: str) -> None:
    if not isinstance(state, tuple) or len(state) != cell.state_parts:
        form = f"{len(state)} parts" if isinstance(state, tuple) else f"a {type(state).__name__}"
        raise Refuted(f"{what} is {form} for a tuple of {cell.state_parts}")
    for number, part in enumerate(state):
        if part.shape != (size, cell.hidden_size) or part.dtype != torch.float64:
            raise Refuted(
                f"part {number} of {what} is {part.dtype} {tuple(part.shape)}, not of the parameters' type and "
                f"{(size, cell.hidden_size)}"
            )


def starts_from_its_generator(cls: type[Cell]) -> str:
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


def unroll_equals_steps(cls: type[Cell]) -> str:
    """`unroll` gives what `step` gives one after the other, with the same gradients by parameters, inputs and state.
    Look at: kernels of your own and their backward, which bias and which gate they use, and what is detached.
    """
    worst = 0.0
    for length, size in ((6, SEQUENCES), (6, 1), (1, SEQUENCES)):
        where = f"T={length}, B={size}"
        cell = make_cell(cls)
        data = make_data(cell, length, size)
        expected = flat(_loop(cell)(*data))
        with torch.no_grad():
            unrecorded = flat(cell.unroll(*data))
        worst = max(
            worst,
            agree(flat(cell.unroll(*data)), expected, f"its steps' ({where})"),
            agree(unrecorded, expected, f"its steps' (without gradients, {where})"),
            *(
                agree(
                    _gradients(cell, cell.unroll, data, ends),
                    _gradients(cell, _loop(cell), data, ends),
                    f"its steps' gradient by parameters, inputs and state (of {ends}, {where})",
                )
                for ends in ("hidden states", "the last state", "both")
            ),
        )
    return f"equal within {worst:.1g}, values and gradients"


def _loop(cell: Cell) -> Run:
    def run(inputs: Tensor, state: State) -> tuple[Tensor, State]:
        hidden = []
        for x in inputs.unbind():
            state = cell.step(x, state)
            hidden.append(state[0])
        return torch.stack(hidden), state

    return run


def _gradients(cell: Cell, run: Run, data: tuple[Tensor, State], ends: str) -> list[Tensor]:
    """Of an arbitrary weighted sum of what a run ends with, by all that it depends on."""
    inputs = data[0].clone().requires_grad_()
    state = tuple(part.clone().requires_grad_() for part in data[1])
    hidden, end = run(inputs, state)
    tensors = {"hidden states": [hidden], "the last state": list(end), "both": [hidden, *end]}[ends]
    if not any(tensor.requires_grad for tensor in tensors):
        raise Refuted(f"no gradient goes through {ends}")
    weights = [torch.linspace(-1, 2, tensor.numel()).to(tensor).view_as(tensor) for tensor in tensors]
    total = torch.stack([(weight * tensor).sum() for weight, tensor in zip(weights, tensors, strict=True)]).sum()
    return list(torch.autograd.grad(total, [*cell.parameters(), inputs, *state], materialize_grads=True))


def two_windows_are_one(cls: type[Cell]) -> str:
    """A window cut in two, the state handed on, gives what it gives in one piece: a cell remembers nothing else.
    Look at: what is kept in `self`, what is averaged over time, and whether `unroll` uses the state that it is given.
    """
    worst = 0.0
    cell = make_cell(cls)
    inputs, state = make_data(cell, 6, SEQUENCES)
    whole = flat(cell.unroll(inputs, state))
    for cut in (1, 3, 5):
        first, middle = cell.unroll(inputs[:cut], state)
        second, end = cell.unroll(inputs[cut:], middle)
        what = f"that of one piece, cut at step {cut} of 6"
        worst = max(worst, agree(flat((torch.cat([first, second]), end)), whole, what))
    stepped, now = [], state
    for x in inputs.unbind():
        hidden, now = cell.unroll(x[None], now)
        stepped.append(hidden)
    worst = max(worst, agree(flat((torch.cat(stepped), now)), whole, "that of one piece, cut at every step"))
    return f"equal within {worst:.1g}, cut at steps 1, 3, 5 and at all"


def sequences_do_not_mix(cls: type[Cell]) -> str:
    """Each sequence of a batch gives what it gives alone, by `unroll`, `step` and `linearize`.
    Look at: means over the batch, and values that depend on a sequence's place in it.
    """
    cell = make_cell(cls)
    inputs, state = make_data(cell, 6, SEQUENCES)
    turned = inputs.flip(1), tuple(part.flip(0) for part in state)
    worst = max(_mixing(cell, inputs, state), _mixing(cell, *turned))
    return f"equal within {worst:.1g}, B = {SEQUENCES}, in two orders"


def _mixing(cell: Cell, inputs: Tensor, state: State) -> float:
    worst = 0.0
    together, stepped = cell.unroll(inputs, state), cell.step(inputs[0], state)
    local = cell.linearize(inputs[0], state)
    for b in range(inputs.shape[1]):
        own = slice(b, b + 1)
        x, mine = inputs[:, own], tuple(part[own] for part in state)
        found = [together[0][:, own], *(part[own] for part in together[1])]
        worst = max(worst, agree(found, flat(cell.unroll(x, mine)), f"sequence {b}'s alone, by unroll"))
        found = [part[own] for part in stepped]
        worst = max(worst, agree(found, cell.step(x[0], mine), f"sequence {b}'s alone, by step"))
        alone = cell.linearize(x[0], mine)
        found = [local.by_state[:, :, own], local.by_gate[:, :, own], local.transition[own]]
        expected = [alone.by_state, alone.by_gate, alone.transition]
        worst = max(worst, agree(found, expected, f"sequence {b}'s alone, by linearize"))
    return worst


def leaves_the_rest_alone(cls: type[Cell]) -> str:
    """`step`, `unroll`, its backward and `linearize` change no parameter, input or state, and nothing of the process.
    Look at: operations in place (`_` at the end, `out=`), weights that are normalised as they are used, and noise.
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
        "linearize": lambda: cell.linearize(inputs[0], state),
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
    return f"parameters, inputs, state and process as before: {', '.join(uses)}"


def serves_each_precision_and_device(cls: type[Cell]) -> str:
    """float32 gives float64's numbers and gradients to rounding, on the CPU and on a CUDA GPU where there is one.
    Look at: tensors made without the inputs' dtype and device, and those that are neither parameters nor buffers.
    """
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    worst = 0.0
    exact = make_cell(cls)
    inputs, state = make_data(exact, 6, SEQUENCES)
    expected = flat(exact.unroll(inputs, state))
    slopes = _gradients(exact, exact.unroll, (inputs, state), "both")
    made: dict[str, Callable[[], Cell]] = {
        "made in float32": lambda: make_cell(cls, dtype=torch.float32),
        "put to float32": lambda: make_cell(cls).float(),
    }
    for device in devices:
        for how, make in made.items():
            cell, where = make().to(device), f"{how}, on {device}"
            data = inputs.to(device).float(), tuple(part.to(device).float() for part in state)
            runs: dict[str, Run] = {"unroll": cell.unroll, "step": _loop(cell)}
            for name, run in runs.items():
                found = flat(run(*data))
                for tensor in found:
                    if (tensor.dtype, tensor.device.type) != (torch.float32, device):
                        raise Refuted(f"{name} gives {tensor.dtype} on {tensor.device.type} ({where})")
                worst = max(worst, agree(double(found), expected, f"float64's, by {name} ({where})", SINGLE[device]))
            gradients = double(_gradients(cell, cell.unroll, data, "both"))
            worst = max(worst, agree(gradients, slopes, f"float64's gradient ({where})", SINGLE[device]))
            local = cell.linearize(data[0][0], data[1])
            if (local.transition.dtype, local.by_gate.dtype) != (torch.float32, torch.float32):
                raise Refuted(f"linearize gives {local.transition.dtype} and {local.by_gate.dtype} ({where})")
    return f"within {worst:.1g}, relatively, on {' and '.join(devices)}"


def trains_backward_and_forward_alike(cls: type[Cell]) -> str:
    """Full BPTT and RTRL give the exact gradient, driven by the truth and in a closed loop, and a step along it helps.
    Look at: where unroll_equals_steps and linearize_equals_autograd pass, parameters that only one of the two reaches.
    """
    worst = 0.0
    for forcing in ("teacher", "free"):
        problem = make_problem(forcing=forcing, units=UNITS)
        problem.network.cell = make_cell(cls)
        name = f"{forcing} forcing, T={problem.batch.length}, B={problem.batch.size}"
        expected = exact_gradient(problem)
        for algorithm in ("full", "rtrl(update_every=None)"):
            apart = distance(problem.estimate(make_algorithm(algorithm)), expected)
            if not apart <= ROUNDING:
                raise Refuted(f"{algorithm} is {apart:.2g} away from the exact gradient, relatively ({name})")
            worst = max(worst, apart)
    return f"equal within {worst:.1g}; loss {learned(problem, expected)}"


CHECKS: Sequence[Callable[[type[Cell]], str]] = (
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
