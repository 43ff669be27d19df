"""Problems on which algorithms are verified: small networks, noise to learn, and the gradient by the plainest means."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from throughtime.algorithms import Algorithm, Update, estimate_gradient
from throughtime.forcings import make_forcing
from throughtime.networks import Network, make_network
from throughtime.tasks import Batch
from throughtime.tasks.losses import cross_entropy, squared_error

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
        return estimate_gradient(algorithm, self.network, self.batch, carry, generator=draws(seed))

    def updates(self, algorithm: Algorithm, carry: Any = None, *, seed: int = 0) -> Iterator[Update]:
        """The algorithm's updates."""
        return algorithm.updates(self.network, self.batch, carry, generator=draws(seed))

    def part(self, start: int, stop: int) -> "Problem":
        """The same network on the steps start … stop − 1 alone."""
        batch = self.batch
        mask = None if batch.mask is None else batch.mask[start:stop].clone()
        part = Batch(batch.inputs[start:stop].clone(), batch.targets[start:stop].clone(), batch.loss, mask)
        return Problem(f"{self.name}, steps {start} to {stop - 1}", self.network, part)

    def masked(self, mask: Tensor) -> "Problem":
        """The same with another mask."""
        return replace(self, batch=replace(self.batch, mask=mask))


def draws(seed: int) -> torch.Generator:
    """A source of random numbers."""
    return torch.Generator().manual_seed(seed)


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


def every_problem(length: int = 7) -> Iterator[Problem]:
    """Each cell with each forcing, of values and of symbols, and with each mask, for three sequences and for one."""
    for cell, forcing, symbols in product(CELLS, FORCINGS, (False, True)):
        yield make_problem(cell, length, forcing=forcing, symbols=symbols, mask="some steps")
    for cell, mask, size in product(CELLS, MASKS, (1, 3)):
        yield make_problem(cell, length, size, mask=mask)


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
