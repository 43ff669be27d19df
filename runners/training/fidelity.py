"""How faithful an algorithm's gradient is: its bias and variance, and how one draw of it stands to the exact one.

Of draws ĝ with mean μ and covariance Σ, against the exact gradient g:

    E‖ĝ − g‖² = ‖μ − g‖² + tr Σ        mean squared error = bias² + variance

The norm of a mean of N draws is too long by its noise, E‖ĝ_mean − g‖² = ‖μ − g‖² + tr Σ / N, so the bias is told with
that taken off. Its standard error is √(tr Σ / N), the noise of the mean in all directions together: an upper bound.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from throughtime.algorithms import Algorithm, estimate_gradient, make_algorithm
from throughtime.networks import Network
from throughtime.networks.modes import evaluating
from throughtime.tasks import Batch

from .moments import Moments
from .seeds import generator


@dataclass(frozen=True)
class Figure:
    """A number of each group of parameters, (G,), and its standard error: 0 where nothing is drawn."""

    value: Tensor
    error: Tensor


class Fidelity:
    """Draws of an algorithm's gradient, added up in constant memory.

    Args:
        target: what they are to be, (P,).
        groups: by name which parameters are in it, bool (P,).

    Attributes:
        trail: of the first group, after 1, 2, 4, … draws the relative error of their mean.
    """

    def __init__(self, target: Tensor, groups: Mapping[str, Tensor]) -> None:
        self.target, self.names = target.double(), tuple(groups)
        self.members = torch.stack(list(groups.values())).to(self.target)
        self.draws, self.errors = (Moments(len(target), device=target.device) for _ in range(2))
        shape = (len(_OF_ONE_DRAW), len(self.names))
        self.each = Moments(*shape, device=target.device)
        self.pairs = Moments(len(self.names), device=target.device)
        self.trail: list[tuple[int, float]] = []
        self._unpaired: Tensor | None = None
        self.length = self._sum(self.target * self.target).sqrt()

    def add(self, draw: Tensor, exact: Tensor | None = None) -> None:
        """One more draw, (P,); `exact`: the gradient of its own batch, where that is not the target."""
        value = draw.double()
        self.draws.add(value)
        self.errors.add(value - (self.target if exact is None else exact.double()))
        self.each.add(self._of_one(value))
        if self.draws.count.bit_count() == 1:  # 1, 2, 4, …
            self.trail.append((self.draws.count, float((self._sum(self.errors.mean**2).sqrt() / self.length)[0])))
        if self._unpaired is None:
            self._unpaired = value
        else:  # half the squared distance of two draws has the variance as its mean, and pairs are independent
            self.pairs.add(self._sum((value - self._unpaired) ** 2) / 2)
            self._unpaired = None

    def _sum(self, values: Tensor) -> Tensor:
        return self.members @ values

    def _of_one(self, value: Tensor) -> Tensor:
        """The rows of `_OF_ONE_DRAW` of one draw."""
        distance, product = self._sum((value - self.target) ** 2), self._sum(value * self.target)
        size, length = self._sum(value * value).sqrt(), self.length
        known = (self.target != 0).double()
        signs = self._sum(known * (value.sign() == self.target.sign())) / self._sum(known)
        return torch.stack([distance, product / (size * length), signs, size / length, product / length**2])

    def figures(self) -> dict[str, Figure]:
        """Every figure by name; nan where it is not defined, as of a group whose exact gradient is zero."""
        count, length = self.draws.count, self.length
        noise = self._sum(self.errors.variance) / count
        bias = (self._sum(self.errors.mean**2) - noise).clamp(min=0).sqrt()
        variance, unsure = self._sum(self.draws.variance), self.pairs.standard_error
        unsure = torch.where(variance == 0, 0.0, unsure)
        mean = (self._sum(self.draws.mean**2) - variance / count).clamp(min=0).sqrt()
        snr = mean / variance.sqrt()
        snr_error = (1 / count + (snr * unsure / (2 * variance)) ** 2).sqrt()
        found = {
            "bias": Figure(bias, noise.sqrt()),
            "relative bias": Figure(bias / length, noise.sqrt() / length),
            "variance": Figure(variance, unsure),
            "relative variance": Figure(variance / length**2, unsure / length**2),
        }
        rows = zip(_OF_ONE_DRAW, self.each.mean, self._errors, strict=False)
        found |= {name: Figure(mean, error) for name, mean, error in rows}
        return {**found, "signal to noise": Figure(snr, snr_error)}

    @property
    def _errors(self) -> Tensor:
        return self.each.standard_error


_OF_ONE_DRAW = ("mean squared error", "cosine", "sign agreement", "norm ratio", "scale")
"""What each draw by itself has: its mean over the draws is told. `scale` is ĝ·g / ‖g‖²: 1 of what is unbiased."""


def vector(gradient: Mapping[str, Tensor]) -> Tensor:
    """A gradient by names as one vector, (P,), in their order."""
    return torch.cat([part.flatten() for part in gradient.values()])


def of_one_batch(
    algorithm: Algorithm, network: Network, batch: Batch, members: Mapping[str, Tensor], *, draws: int, seed: int = 0
) -> Fidelity:
    """Against the exact gradient of the same batch, at frozen parameters and in evaluation mode.

    Args:
        algorithm: whose gradient.
        network: where.
        batch: of which.
        members: the groups of parameters.
        draws: how often, 2 or more; of an algorithm that draws nothing no more than twice.
        seed: of the draws.
    """
    with evaluating(network):
        found = Fidelity(_exact(network, batch), members)
        for number in range(draws):
            source = generator(seed, f"draw {number}")
            untouched = source.get_state()
            draw = vector(estimate_gradient(algorithm, network, batch, generator=source))
            found.add(draw)
            drew = not torch.equal(source.get_state(), untouched)
            if number == 1 and not drew and not bool(found.draws.deviations.any()):
                break
    return found


def of_many_batches(
    algorithm: Algorithm, network: Network, batches: Sequence[Batch], members: Mapping[str, Tensor], *, seed: int = 0
) -> Fidelity:
    """Against the mean exact gradient of many batches, one draw of each: with the noise of the data.

    Every exact gradient is computed twice, so that one is kept at a time.
    """
    with evaluating(network):
        mean = Moments(sum(p.numel() for p in network.parameters()), device=batches[0].inputs.device)
        for batch in batches:
            mean.add(_exact(network, batch))
        found = Fidelity(mean.mean, members)
        for number, batch in enumerate(batches):
            source = generator(seed, f"batch {number}")
            found.add(vector(estimate_gradient(algorithm, network, batch, generator=source)), _exact(network, batch))
    return found


def _exact(network: Network, batch: Batch) -> Tensor:
    return vector(estimate_gradient(make_algorithm("full"), network, batch))
