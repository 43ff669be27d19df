"""A recurrent cell, its promises against what is measured.

`step` is taken at its word: what it computes is the cell. Everything else that a cell offers is a faster way to the
same numbers, and is compared with it in float64.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from throughtime.algorithms import make_algorithm
from throughtime.networks import Cell, Linearization, State

from .check import Check, Finding, examine, make_checks
from .learning import learned
from .problems import distance, draws, exact_gradient, make_problem
from .process import seeded, undisturbed
from .refuted import Refuted

ROUNDING = 1e-9
"""The relative distance that float64 leaves between two ways of computing the same, and then some."""

SINGLE = {"cpu": 1e-4, "cuda": 1e-2}
"""The same for float32 over a few steps; on a GPU the products of fused layers may be of TF32, which has 10 bits."""

INPUTS, UNITS, SEQUENCES = 3, 4, 3

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
        cell = _make(cls)
        if (cell.input_size, cell.hidden_size) != (INPUTS, UNITS):
            sizes = f"input_size {cell.input_size}, hidden_size {cell.hidden_size}"
            raise Refuted(f"made with {INPUTS} inputs and {UNITS} units it has {sizes}")
        state = cell.initial_state(size)
        _check_state(cell, state, size, f"initial_state({size})")
        if any(bool(part.any()) for part in state):
            raise Refuted(f"initial_state({size}) is not zero")
        inputs, state = _data(cell, 5, size)
        _check_state(cell, cell.step(inputs[0], state), size, "the state after step")
        hidden, end = cell.unroll(inputs, state)
        _check_state(cell, end, size, "the state after unroll")
        if hidden.shape != (5, size, UNITS):
            raise Refuted(f"unroll gives hidden states {tuple(hidden.shape)} for {(5, size, UNITS)}")
        if not _apart([hidden[-1]], [end[0]]) <= ROUNDING:
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
        first = _make(cls).state_dict()
    with seeded(1):
        again = _make(cls).state_dict()
    with seeded(2):
        single = _make(cls, dtype=torch.float32).state_dict()
    other = _make(cls, seed=2).state_dict()
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
            apart = _apart([single[name].double()], [values])
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
        cell = _make(cls)
        data = _data(cell, length, size)
        expected = _flat(_loop(cell)(*data))
        with torch.no_grad():
            unrecorded = _flat(cell.unroll(*data))
        worst = max(
            worst,
            _agree(_flat(cell.unroll(*data)), expected, f"its steps' ({where})"),
            _agree(unrecorded, expected, f"its steps' (without gradients, {where})"),
            *(
                _agree(
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
    cell = _make(cls)
    inputs, state = _data(cell, 6, SEQUENCES)
    whole = _flat(cell.unroll(inputs, state))
    for cut in (1, 3, 5):
        first, middle = cell.unroll(inputs[:cut], state)
        second, end = cell.unroll(inputs[cut:], middle)
        what = f"that of one piece, cut at step {cut} of 6"
        worst = max(worst, _agree(_flat((torch.cat([first, second]), end)), whole, what))
    stepped, now = [], state
    for x in inputs.unbind():
        hidden, now = cell.unroll(x[None], now)
        stepped.append(hidden)
    worst = max(worst, _agree(_flat((torch.cat(stepped), now)), whole, "that of one piece, cut at every step"))
    return f"equal within {worst:.1g}, cut at steps 1, 3, 5 and at all"


def sequences_do_not_mix(cls: type[Cell]) -> str:
    """Each sequence of a batch gives what it gives alone, by `unroll`, `step` and `linearize`.
    Look at: means over the batch, and values that depend on a sequence's place in it.
    """
    cell = _make(cls)
    inputs, state = _data(cell, 6, SEQUENCES)
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
        worst = max(worst, _agree(found, _flat(cell.unroll(x, mine)), f"sequence {b}'s alone, by unroll"))
        found = [part[own] for part in stepped]
        worst = max(worst, _agree(found, cell.step(x[0], mine), f"sequence {b}'s alone, by step"))
        alone = cell.linearize(x[0], mine)
        found = [local.by_state[:, :, own], local.by_gate[:, :, own], local.transition[own]]
        expected = [alone.by_state, alone.by_gate, alone.transition]
        worst = max(worst, _agree(found, expected, f"sequence {b}'s alone, by linearize"))
    return worst


def linearize_equals_autograd(cls: type[Cell]) -> str:
    """`linearize` gives the step, and local Jacobians from which those by the old state and by every parameter follow.
    Look at: `derivatives` where it is written by hand; `input_blocks` and `hidden_blocks`, which say what feeds a gate;
    and parameters besides weight_ih_l0, weight_hh_l0, bias_ih_l0 and bias_hh_l0: the structure has no place for them.
    """
    worst = 0.0
    for size in (1, SEQUENCES):
        cell = _make(cls)
        inputs, state = _data(cell, 1, size)
        local = cell.linearize(inputs[0], state)
        _check_form(cell, local, size)
        worst = max(worst, _agree(local.state, cell.step(inputs[0], state), "step's state"))
        for b in range(size):
            x, old = inputs[0, b : b + 1], tuple(part[b : b + 1] for part in state)
            by_state, by_parameters = _jacobians(cell, x, old)
            rebuilt = _rebuilt_by_state(cell, local, b)
            worst = max(worst, _agree([rebuilt], [by_state], "autograd's Jacobian by the old state"))
            for name, expected in by_parameters.items():
                rebuilt = _rebuilt_by_parameter(cell, local, name, b, x[0], old[0][0])
                worst = max(worst, _agree([rebuilt], [expected], f"autograd's Jacobian by {name}"))
    return f"equal within {worst:.1g}, by the state and by {len(by_parameters)} parameters"


def _check_form(cell: Cell, local: Linearization, size: int) -> None:
    S, G, n = cell.state_parts, len(cell.input_blocks), cell.hidden_size
    expected = {"by_state": (S, S, size, n), "by_gate": (S, G, size, n), "transition": (size, S * n, n)}
    for name, shape in expected.items():
        found = getattr(local, name)
        if found.shape != shape:
            raise Refuted(f"linearize's {name} is {tuple(found.shape)} for {shape}")
        if found.requires_grad:
            raise Refuted(f"linearize's {name} keeps a graph")
    if any(part.requires_grad for part in local.state):
        raise Refuted("linearize's state keeps a graph")


class _Step(nn.Module):
    """`functional_call` calls a module's forward; here it is one step of one sequence, (S n,)."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor, old: Tensor) -> Tensor:
        parts = tuple(part[None] for part in old.split(self.cell.hidden_size))
        return torch.cat([part[0] for part in self.cell.step(x, parts)])


def _jacobians(cell: Cell, x: Tensor, old: State) -> tuple[Tensor, dict[str, Tensor]]:
    """Of one sequence's step, by reverse-mode autograd: (S n, S n), and (S n, θ's shape) by each parameter."""
    step = _Step(cell)
    parameters = {name: parameter.detach() for name, parameter in step.named_parameters()}

    def advance(parameters: dict[str, Tensor], old: Tensor) -> Tensor:
        return torch.func.functional_call(step, parameters, (x, old))  # type: ignore[no-any-return]

    flat = torch.cat([part[0] for part in old])
    by_parameters, by_state = torch.func.jacrev(advance, argnums=(0, 1))(parameters, flat)
    return by_state, {name.removeprefix("cell."): slope for name, slope in by_parameters.items()}


def _rebuilt_by_state(cell: Cell, local: Linearization, b: int) -> Tensor:
    """The old hidden part acts by `transition`, the others unit by unit."""
    S, n = cell.state_parts, cell.hidden_size
    whole = local.transition.new_zeros(S * n, S * n)
    whole[:, :n] = local.transition[b]
    for new in range(S):
        for part in range(1, S):
            whole[new * n : (new + 1) * n, part * n : (part + 1) * n] = local.by_state[new, part, b].diag()
    return whole


def _rebuilt_by_parameter(cell: Cell, local: Linearization, name: str, b: int, x: Tensor, h: Tensor) -> Tensor:
    """Row i of gate g moves unit i alone, by φ_z[g, i] · (x, h, 1)."""
    S, n = cell.state_parts, cell.hidden_size
    one = x.new_ones(1)
    seen = {"weight_ih_l0": x, "bias_ih_l0": one, "weight_hh_l0": h, "bias_hh_l0": one}.get(name)
    if seen is None:
        raise Refuted(f"the parameter {name} is none that linearize tells anything of")
    parameter = cell.get_parameter(name)
    whole = x.new_zeros(S, n, len(parameter), len(seen))
    for gate, block in enumerate(cell.input_blocks if "ih" in name else cell.hidden_blocks):
        if block is not None:
            for i in range(n):
                whole[:, i, block * n + i] += local.by_gate[:, gate, b, i, None] * seen
    return whole.reshape(S * n, *parameter.shape)


def leaves_the_rest_alone(cls: type[Cell]) -> str:
    """`step`, `unroll`, its backward and `linearize` change no parameter, input or state, and nothing of the process.
    Look at: operations in place (`_` at the end, `out=`), weights that are normalised as they are used, and noise.
    """
    cell = _make(cls)
    inputs, state = _data(cell, 4, SEQUENCES)
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
    first, again = _flat(cell.unroll(inputs, state)), _flat(cell.unroll(inputs, state))
    if not all(map(torch.equal, first, again)):
        raise Refuted(f"unroll of the same again is {_apart(again, first):.2g} away, relatively")
    return f"parameters, inputs, state and process as before: {', '.join(uses)}"


def serves_each_precision_and_device(cls: type[Cell]) -> str:
    """float32 gives float64's numbers and gradients to rounding, on the CPU and on a CUDA GPU where there is one.
    Look at: tensors made without the inputs' dtype and device, and those that are neither parameters nor buffers.
    """
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    worst = 0.0
    exact = _make(cls)
    inputs, state = _data(exact, 6, SEQUENCES)
    expected = _flat(exact.unroll(inputs, state))
    slopes = _gradients(exact, exact.unroll, (inputs, state), "both")
    made: dict[str, Callable[[], Cell]] = {
        "made in float32": lambda: _make(cls, dtype=torch.float32),
        "put to float32": lambda: _make(cls).float(),
    }
    for device in devices:
        for how, make in made.items():
            cell, where = make().to(device), f"{how}, on {device}"
            data = inputs.to(device).float(), tuple(part.to(device).float() for part in state)
            runs: dict[str, Run] = {"unroll": cell.unroll, "step": _loop(cell)}
            for name, run in runs.items():
                found = _flat(run(*data))
                for tensor in found:
                    if (tensor.dtype, tensor.device.type) != (torch.float32, device):
                        raise Refuted(f"{name} gives {tensor.dtype} on {tensor.device.type} ({where})")
                worst = max(worst, _agree(_double(found), expected, f"float64's, by {name} ({where})", SINGLE[device]))
            gradients = _double(_gradients(cell, cell.unroll, data, "both"))
            worst = max(worst, _agree(gradients, slopes, f"float64's gradient ({where})", SINGLE[device]))
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
        problem.network.cell = _make(cls)
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


def _make(cls: type[Cell], *, seed: int = 1, dtype: torch.dtype = torch.float64) -> Cell:
    return cls(INPUTS, UNITS, generator=draws(seed), dtype=dtype)


def _data(cell: Cell, length: int, size: int) -> tuple[Tensor, State]:
    """Inputs and a state that is not zero, float64; the first sequences are the same for every size."""
    generator = draws(2)
    inputs = torch.randn(length, SEQUENCES, INPUTS, generator=generator, dtype=torch.float64)[:, :size]
    parts = torch.randn(cell.state_parts, SEQUENCES, cell.hidden_size, generator=generator, dtype=torch.float64)
    return inputs.clone(), tuple(parts[:, :size].clone().unbind())


def _flat(ran: tuple[Tensor, State]) -> list[Tensor]:
    return [ran[0], *ran[1]]


def _double(tensors: Iterable[Tensor]) -> list[Tensor]:
    return [tensor.cpu().double() for tensor in tensors]


@torch.no_grad()
def _apart(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    difference = sum(float((one - other).square().sum()) for one, other in zip(found, expected, strict=True))
    sizes = [sum(float(one.square().sum()) for one in tensors) for tensors in (found, expected)]
    return float((difference / max(*sizes, 1e-300)) ** 0.5)


@torch.no_grad()
def _agree(found: Sequence[Tensor], expected: Sequence[Tensor], what: str, within: float = ROUNDING) -> float:
    """How far two lists of tensors are apart, relatively; `Refuted` where that is too far or their shapes differ."""
    shapes = [[tuple(tensor.shape) for tensor in tensors] for tensors in (found, expected)]
    if shapes[0] != shapes[1]:
        raise Refuted(f"shapes {shapes[0]} for {shapes[1]}, {what}")
    apart = _apart(found, expected)
    if not apart <= within:
        raise Refuted(f"{apart:.2g} away from {what}, relatively")
    return apart
