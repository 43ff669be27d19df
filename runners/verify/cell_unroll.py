"""A cell over time: a window is its steps one after the other, wherever it is cut and whoever runs beside it."""

from collections.abc import Callable

import torch
from torch import Tensor

from throughtime.networks import AnyCell, State

from .cell_data import SEQUENCES, Make, agree, flat, linearized, make_cell, make_data, slopes_of
from .refuted import Refuted

Run = Callable[[Tensor, State], tuple[Tensor, State]]


def unroll_equals_steps(cls: Make) -> str:
    """`unroll` gives what `step` gives one after the other, with the same gradients by parameters, inputs and state,
    also once the parameters have changed.
    Look at: kernels of your own and their backward, which bias and which gate they use, and what is detached; weights
    that are kept in another form, and are as they were before the optimizer's last step.
    """
    worst, cell = 0.0, make_cell(cls)
    for length, size in ((6, SEQUENCES), (6, 1), (1, SEQUENCES)):
        where = f"T={length}, B={size}"
        with torch.no_grad():
            for parameter in cell.parameters():
                parameter.add_(0.1)
        data = make_data(cell, length, size)
        expected = flat(step_by_step(cell)(*data))
        with torch.no_grad():
            unrecorded = flat(cell.unroll(*data))
        worst = max(
            worst,
            agree(flat(cell.unroll(*data)), expected, f"its steps' ({where})"),
            agree(unrecorded, expected, f"its steps' (without gradients, {where})"),
            *(
                agree(
                    gradients_of(cell, cell.unroll, data, ends),
                    gradients_of(cell, step_by_step(cell), data, ends),
                    f"its steps' gradient by parameters, inputs and state (of {ends}, {where})",
                )
                for ends in ("hidden states", "the last state", "both")
            ),
        )
    return f"equal within {worst:.1g}, values and gradients"


def step_by_step(cell: AnyCell) -> Run:
    """A window by `step`, in place of `unroll`."""

    def run(inputs: Tensor, state: State) -> tuple[Tensor, State]:
        hidden = []
        for x in inputs.unbind():
            state = cell.step(x, state)
            hidden.append(state[0])
        return torch.stack(hidden), state

    return run


def gradients_of(cell: AnyCell, run: Run, data: tuple[Tensor, State], ends: str) -> list[Tensor]:
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


def two_windows_are_one(cls: Make) -> str:
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


def sequences_do_not_mix(cls: Make) -> str:
    """Each sequence of a batch gives what it gives alone, by `unroll`, `step` and `linearize`.
    Look at: means over the batch, and values that depend on a sequence's place in it.
    """
    cell = make_cell(cls)
    inputs, state = make_data(cell, 6, SEQUENCES)
    turned = inputs.flip(1), tuple(part.flip(0) for part in state)
    worst = max(_mixing(cell, inputs, state), _mixing(cell, *turned))
    return f"equal within {worst:.1g}, B = {SEQUENCES}, in two orders"


def _mixing(cell: AnyCell, inputs: Tensor, state: State) -> float:
    worst = 0.0
    together, stepped = cell.unroll(inputs, state), cell.step(inputs[0], state)
    slopes = slopes_of(linearized(cell, inputs[0], state))
    for b in range(inputs.shape[1]):
        own = slice(b, b + 1)
        x, mine = inputs[:, own], tuple(part[own] for part in state)
        found = [together[0][:, own], *(part[own] for part in together[1])]
        worst = max(worst, agree(found, flat(cell.unroll(x, mine)), f"sequence {b}'s alone, by unroll"))
        found = [part[own] for part in stepped]
        worst = max(worst, agree(found, cell.step(x[0], mine), f"sequence {b}'s alone, by step"))
        alone = list(slopes_of(linearized(cell, x[0], mine)).values())
        found = [slope[own] for slope in slopes.values()]
        worst = max(worst, agree(found, alone, f"sequence {b}'s alone, by linearize"))
    return worst
