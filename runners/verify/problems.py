"""Problems on which algorithms are verified: small networks, noise to learn, and the gradient by the plainest means."""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from throughtime.algorithms import Algorithm, Update, estimate_gradient
from throughtime.forcings import make_forcing
from throughtime.networks import CELLS as EVERY_CELL
from throughtime.networks import Cell, Network, State, make_network
from throughtime.tasks import Batch
from throughtime.tasks.losses import cross_entropy, squared_error

from .refuted import NotPromised

Gradient = dict[str, Tensor]

CELLS = ("rnn", "lstm", "gru")
FORCINGS = ("teacher", "free", "scheduled", "generalized")
MASKS = ("every step", "some steps", "unequal lengths", "the last step")


@dataclass(frozen=True)
class Problem:
    """A network and a batch, and what they are called in a message."""

    name: str
    network: Network
    batch: Batch

    def estimate(self, algorithm: Algorithm, carry: Any = None, *, seed: int = 0) -> Gradient:
        """The algorithm's gradient at frozen parameters."""
        self._soil()
        with self._named():
            return estimate_gradient(algorithm, self.network, self.batch, carry, generator=draws(seed))

    def updates(
        self, algorithm: Algorithm, carry: Any = None, *, seed: int = 0, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """The algorithm's updates, by draws from a seed, or from a generator that goes on."""
        self._soil()
        with self._named():
            yield from algorithm.updates(self.network, self.batch, carry, generator=generator or draws(seed))

    def _soil(self) -> None:
        """What stood in p.grad before is nobody's to build on."""
        for parameter in self.network.parameters():
            parameter.grad = torch.full_like(parameter, 17.0)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """An error says on which problem it arose."""
        try:
            yield
        except Exception as error:
            error.add_note(f"on {self.name}")
            raise

    def warm(self) -> "Problem":
        """The same, but a sequence begins in a state that is not zero, as it may be in the middle of a stream."""
        network = copy.deepcopy(self.network)
        cell, generator = network.cell, draws(3)
        shapes = [part.shape for part in cell.initial_state(1)]
        parts = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]

        def initial_state(batch_size: int) -> State:
            like = next(network.parameters())
            return tuple(part.to(like).expand(batch_size, -1).clone() for part in parts)

        cell.initial_state = initial_state  # type: ignore[method-assign]
        return Problem(f"{self.name}, from a state that is not zero", network, self.batch)

    def part(self, start: int, stop: int) -> "Problem":
        """The same network on the steps start … stop − 1 alone."""
        batch = self.batch
        mask = None if batch.mask is None else batch.mask[start:stop].clone()
        part = Batch(batch.inputs[start:stop].clone(), batch.targets[start:stop].clone(), batch.loss, mask)
        return Problem(f"{self.name}, steps {start} to {stop - 1}", self.network, part)

    def repeated(self, times: int) -> "Problem":
        """The same with so many copies of each sequence, whose mean loss and exact gradient are those of one."""
        batch = self.batch
        inputs, targets = (part.repeat(1, times, *[1] * (part.dim() - 2)) for part in (batch.inputs, batch.targets))
        mask = None if batch.mask is None else batch.mask.repeat(1, times)
        name = f"{self.name}, {times} times each"
        return Problem(name, self.network, Batch(inputs, targets, batch.loss, mask))

    def forgetful(self, share: float = 0.0) -> "Problem | None":
        """The same on a network that hands little on from step to step; None for cells of which it is not known how.

        With a share of the recurrent weights, and open by as much the gate by which an LSTM or a GRU keeps what it had.
        """
        network = copy.deepcopy(self.network)
        cell, n = network.cell, network.cell.hidden_size
        if not isinstance(cell, Cell) or type(cell) not in [EVERY_CELL.get(name) for name in CELLS]:
            return None
        with torch.no_grad():
            cell.weight_hh_l0.mul_(share)
            cell.weight_ih_l0[n : 2 * n] = 0.0
            cell.bias_ih_l0[n : 2 * n] = math.log(share / (1 - share)) if share else -60.0  # its sigmoid is 1e-26
        return Problem(f"{self.name}, {share:g} of its memory", network, self.batch)

    def masked(self, mask: Tensor) -> "Problem":
        """The same with another mask."""
        return replace(self, batch=replace(self.batch, mask=mask))


def draws(seed: int) -> torch.Generator:
    """A source of random numbers."""
    return torch.Generator().manual_seed(seed)


def devices() -> list[str]:
    """Where a part is tried: on the CPU, and on a CUDA GPU where there is one."""
    return ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def make_problem(
    cell: str = "rnn",
    length: int = 7,
    size: int = 3,
    *,
    mask: str = "every step",
    forcing: str = "teacher",
    symbols: bool = False,
    units: int = 4,
    dtype: torch.dtype = torch.float64,
    device: str = "cpu",
) -> Problem:
    """The same numbers every time.

    Args:
        cell: by name.
        length: T.
        size: B.
        mask: which targets count, one of `MASKS`.
        forcing: a spec; the batch is driven by it halfway through training.
        symbols: targets are classes, fed back one-hot; else real values.
        units: n.
        dtype: of network and batch.
        device: where they live.
    """
    outputs, generator = 2, draws(1)
    network = make_network(cell, input_size=3, hidden_size=units, output_size=outputs, seed=0, dtype=torch.float64)
    series = torch.randn(length + 1, size, outputs, generator=generator, dtype=torch.float64)
    beside = torch.randn(length, size, 1, generator=generator, dtype=torch.float64)
    if symbols:
        classes = series.argmax(dim=2)
        series, targets, loss = torch.nn.functional.one_hot(classes, outputs).double(), classes[1:], cross_entropy
    else:
        targets, loss = series[1:], squared_error
    batch = Batch(torch.cat([beside, series[:-1]], dim=2), targets, loss, _mask(mask, length, size))
    forced = make_forcing(forcing)
    network = forced.begin(network, "symbol" if symbols else "real", seed=0)
    batch = forced.drive(batch, network, progress=0.5, generator=generator)
    what = "symbols" if symbols else "values"
    name = f"{cell}, {forcing} forcing of {what}, T={length}, B={size}, targets at {mask}"
    return Problem(name, network.to(device=device, dtype=dtype), batch.to(device=device, dtype=dtype))


def every_problem(algorithm: Algorithm, length: int = 7) -> Iterator[Problem]:
    """Of each cell that the algorithm serves: each forcing, of values and of symbols, and each mask, B = 3 and 1."""
    cells = served(algorithm)
    for cell, forcing, symbols in product(cells, FORCINGS, (False, True)):
        problem = make_problem(cell, length, forcing=forcing, symbols=symbols, mask="some steps")
        if not algorithm.refuses(problem.network):
            yield problem
    for cell, mask, size in product(cells, MASKS, (1, 3)):
        yield make_problem(cell, length, size, mask=mask)


def served(algorithm: Algorithm) -> list[str]:
    """The cells that an algorithm does not refuse: of its own choice or the usual ones, else of all that are known.

    Raises:
        NotPromised: there is none; with the reasons.
    """
    reasons: dict[str, str] = {}
    for cells in (algorithm.shown_on or CELLS, [name for name in EVERY_CELL.names() if name not in CELLS]):
        reasons |= {cell: _refusal(algorithm, cell) for cell in cells}
        if found := [cell for cell in cells if not reasons[cell]]:
            return found
    told = "; ".join(f"{cell}: {reason}" for cell, reason in reasons.items())
    raise NotPromised(f"it serves no cell that is known here ({told}): load the plugin that has its cell beside it")


def _refusal(algorithm: Algorithm, cell: str) -> str:
    """Why it does not serve a cell; one that fails when it is asked may know no such cells, but for the usual ones."""
    problem = make_problem(cell)
    try:
        return algorithm.refuses(problem.network)
    except Exception as error:
        if cell in CELLS:
            raise
        return f"it fails when it is asked: {error}"


def problem_for(algorithm: Algorithm, length: int = 7, size: int = 3, **options: Any) -> Problem:
    """A problem on the first cell that the algorithm serves; options as of `make_problem`."""
    return make_problem(served(algorithm)[0], length, size, **options)


def exact_gradient(problem: Problem) -> Gradient:
    """Of the batch's mean loss: autograd through `network.step`, step by step."""
    network, batch = problem.network, problem.batch
    state, outputs = network.initial_state(batch.size), []
    for x in batch.inputs.unbind():
        state = network.step(x, state)
        outputs.append(network.readout(state[0]))
    names, parameters = zip(*network.named_parameters(), strict=True)
    loss = batch.mean_loss(torch.stack(outputs))
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return {
        name: torch.zeros_like(parameter) if gradient is None else gradient
        for name, parameter, gradient in zip(names, parameters, found, strict=True)
    }


def distance(found: Gradient, expected: Gradient) -> float:
    """‖found − expected‖ / ‖expected‖ over all parameters."""
    difference = sum(float((found[name] - expected[name]).double().square().sum()) for name in expected)
    size = sum(float(gradient.double().square().sum()) for gradient in expected.values())
    return float((difference / size) ** 0.5) if size else float(difference > 0)


def flat(gradient: Gradient) -> Tensor:
    """All its numbers, in the order of the parameters' names."""
    return torch.cat([gradient[name].flatten() for name in sorted(gradient)]).double()


def largest(one: Gradient, other: Gradient) -> float:
    """The largest difference of two numbers."""
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def _mask(name: str, length: int, size: int) -> Tensor | None:
    steps = torch.arange(length)[:, None]
    whole = torch.ones(length, size, dtype=torch.bool)
    if name == "every step":
        return None
    if name == "some steps":
        some = torch.rand(length, size, generator=draws(2)) < 0.6
        some[-1, 0] = True
        return some
    if name == "unequal lengths":
        return whole & (steps < (length - 2 * torch.arange(size)).clamp_min(1))
    return whole & (steps == length - 1)
