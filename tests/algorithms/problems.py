"""The problems that the tests share: every cell, with every kind of mask, for one sequence and for three."""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import pytest
import torch
from naive import Gradient, Naive
from torch import Tensor, nn

from throughtime.algorithms import Update, estimate_gradient, make_algorithm
from throughtime.networks import ClosedLoop, Network, drive, make_network
from throughtime.tasks import Batch
from throughtime.tasks.losses import cross_entropy, squared_error

CELLS = ["rnn", "lstm", "gru"]
MASKS = ["unmasked", "masked", "lengths", "gap", "last"]
LOSSES = ["regression", "classification"]
FORCINGS = ["free", "coins", "mixed"]


@dataclass(frozen=True)
class Case:
    """One problem's name; the problem follows from it.

    Attributes:
        mask: unmasked; masked: at random; lengths: unequal; gap: no target at steps 3 … 5; last: a target at the
            last step only; empty: no target at all.
        forcing: teacher: an open loop; free: its own output; coins: its own or the truth; mixed: between them. Real
            outputs are fed back as they are, and of classes the sampled one for coins, else the likeliest.
    """

    cell: str
    mask: str = "unmasked"
    batch: int = 3
    loss: str = "regression"
    T: int = 7
    m: int = 2
    n: int = 3
    o: int = 2
    forcing: str = "teacher"

    def __str__(self) -> str:
        name = f"{self.cell}-{self.mask}-batch{self.batch}-{self.loss}"
        return name if self.forcing == "teacher" else f"{name}-{self.forcing}"


# A cell meets every mask, every mask every loss, and so on: each pair of values, not each combination of four or five,
# of which most tests of the tests' minutes would be made.
OPEN = [
    Case(cell, mask, size, LOSSES[(i + j + size // 2) % 2])
    for i, cell in enumerate(CELLS)
    for j, mask in enumerate(MASKS)
    for size in (1, 3)
]
CLOSED = [
    Case(cell, mask, size, LOSSES[(i + j + k) % 2], m=3, forcing=forcing)
    for i, cell in enumerate(CELLS)
    for j, (mask, size) in enumerate([("masked", 1), ("masked", 3), ("lengths", 3), ("gap", 3)])
    for k, forcing in enumerate(FORCINGS)
]
CASES = OPEN + CLOSED


def in_turn(turn: int, masks: Sequence[str] = ("masked",)) -> list[Case]:
    """Cases in which each cell and each mask is met, in another pairing at another turn."""
    return [Case(CELLS[(turn + i) % len(CELLS)], masks[i % len(masks)]) for i in range(max(len(CELLS), len(masks)))]


def every(_turn: int, masks: Sequence[str] = ("masked",)) -> list[Case]:
    """Each cell with each mask: for the long tests, in the place of `in_turn`."""
    return [Case(cell, mask) for cell in CELLS for mask in masks]


def third(values: Sequence[Any], number: int, of: int = 3) -> Sequence[Any]:
    """Every third of them, others for the next number and again for the third after it: three in a row have all."""
    return values[(number + number // of) % of :: of]


thirds = pytest.mark.parametrize("of", [3, pytest.param(1, marks=pytest.mark.long)], ids=["thirds", "all"])
"""Of what is many times many each takes a third of the other in turn; all of it where it is asked for."""

fifths = pytest.mark.parametrize("of", [5, pytest.param(1, marks=pytest.mark.long)], ids=["fifths", "all"])
"""The same of twenty and more: each still meets every mask, loss and forcing."""


def together(name: str, values: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """One test of all values of an argument: to deal a test out takes longer than most of these take to be run."""
    all_values = list(values)

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def over_all(**given: Any) -> None:
            for value in all_values:
                try:
                    test(**given, **{name: value})
                except BaseException as error:
                    error.add_note(f"{name}: {value}")
                    raise

        signature = inspect.signature(test)
        others = [parameter for parameter in signature.parameters.values() if parameter.name != name]
        over_all.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
        del over_all.__wrapped__  # type: ignore[attr-defined]
        return over_all

    return decorate


@dataclass(frozen=True)
class Problem:
    """A network, a batch, and how to do the same naively."""

    case: Case
    network: Network
    batch: Batch

    @cached_property
    def twin(self) -> Naive:
        """A naive twin that remembers what it computed: of a problem whose parameters stay."""
        return self.naive()

    def naive(self) -> Naive:
        """A fresh naive twin."""
        batch, parameters = self.batch, dict(self.network.named_parameters())
        return Naive(self.case.cell, self.case.loss, parameters, batch.inputs, batch.targets, batch.mask)

    def estimate(self, spec: str, seed: int = 0) -> Gradient:
        """An algorithm's estimate of the batch's gradient."""
        generator = torch.Generator().manual_seed(seed)
        return estimate_gradient(make_algorithm(spec), self.network, self.batch, generator=generator)

    def updates(self, spec: str, carry: Any = None, seed: int = 0) -> Iterator[Update]:
        """An algorithm's updates."""
        generator = torch.Generator().manual_seed(seed)
        return make_algorithm(spec).updates(self.network, self.batch, carry, generator=generator)

    def part(self, start: int, stop: int) -> "Problem":
        """The same network on the steps start … stop − 1 alone."""
        batch = self.batch
        mask = None if batch.mask is None else batch.mask[start:stop].clone()
        part = Batch(batch.inputs[start:stop].clone(), batch.targets[start:stop].clone(), batch.loss, mask)
        return Problem(self.case, self.network, part)


def make_mask(case: Case, generator: torch.Generator) -> Tensor | None:
    """(T, B), or None."""
    mask = torch.ones(case.T, case.batch, dtype=torch.bool)
    t = torch.arange(case.T)[:, None]
    match case.mask:
        case "unmasked":
            return None
        case "masked":
            return torch.rand(case.T, case.batch, generator=generator) < 0.6
        case "lengths":
            return t < case.T - 1 - 2 * torch.arange(case.batch)
        case "gap":
            return mask & ((t < 3) | (t > 5))
        case "last":
            return mask & (t == case.T - 1)
        case "empty":
            return ~mask
    raise AssertionError(case.mask)


def make_problem(case: Case, seed: int = 0, mask: Tensor | None = None) -> Problem:
    """A fresh problem in float64; a mask that is given replaces the case's own."""
    network = make_network(
        case.cell, input_size=case.m, hidden_size=case.n, output_size=case.o, seed=seed, dtype=torch.float64
    )
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(case.T, case.batch, case.m, generator=generator, dtype=torch.float64)
    if case.loss == "regression":
        targets = torch.randn(case.T, case.batch, case.o, generator=generator, dtype=torch.float64)
        loss = squared_error
    else:
        targets = torch.randint(case.o, (case.T, case.batch), generator=generator)
        loss = cross_entropy
    mask = make_mask(case, generator) if mask is None else mask
    if case.forcing != "teacher":
        network = ClosedLoop(network.cell, network.readout, symbolic=case.loss == "classification")
        inputs = make_driven(case, inputs, generator)
    return Problem(case, network, Batch(inputs, targets, loss, mask))


def make_driven(case: Case, inputs: Tensor, generator: torch.Generator) -> Tensor:
    """The inputs with what a closed loop needs to know; the first step is given the truth."""
    shape = (case.T, case.batch)
    match case.forcing:
        case "free":
            truth = torch.zeros(shape)
        case "coins":
            truth = (torch.rand(shape, generator=generator) < 0.5).double()
        case "mixed":
            truth = torch.rand(shape, generator=generator)
        case _:
            raise AssertionError(case.forcing)
    truth[0] = 1
    noise = None
    if case.loss == "classification" and case.forcing == "coins":
        noise = -(-torch.rand(*shape, case.o, generator=generator).log()).log()
    return drive(inputs, truth, noise)


@cache
def shared_problem(case: Case) -> Problem:
    """The same problem for all tests that leave it as it is."""
    return make_problem(case)


@cache
def full_gradient(case: Case) -> Gradient:
    """The naive full gradient of the shared problem."""
    return shared_problem(case).twin.full()


@cache
def estimate(case: Case, spec: str) -> Gradient:
    """An algorithm's estimate of the shared problem's gradient."""
    return shared_problem(case).estimate(spec)


def record(updates: Iterator[Update], network: Network) -> list[tuple[float, float, Gradient]]:
    """All updates' losses, weights and gradients."""
    return [
        (float(update.loss), update.weight, {name: p.grad.clone() for name, p in network.named_parameters()})
        for update in updates
    ]


def train(updates: Iterator[Update], network: Network, rate: float) -> list[float]:
    """A step of gradient descent after each update; the updates' losses."""
    losses = []
    for update in updates:
        losses.append(float(update.loss))
        if update.weight:
            with torch.no_grad():
                for parameter in network.parameters():
                    parameter -= rate * parameter.grad
    return losses


def tensors_in(value: Any) -> Iterator[Tensor]:
    """All tensors inside a carry, however deep; a module's parameters belong to the network and not to the carry."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from tensors_in(inner)
    elif isinstance(value, (str, bytes, int, float, type(None), nn.Module)):
        return
    elif hasattr(value, "__iter__"):
        for inner in value:
            yield from tensors_in(inner)
    else:
        yield from tensors_in(vars(value))
