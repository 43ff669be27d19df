"""How stale a carried estimate is when parameters move: RTRL's influence, UORO's, a truncated window's stored states.

The first half of a batch is learned from, an optimizer step after every update; then the parameters are held still. The
estimate of the second half's gradient, which is made with what was carried out of the first, is compared with the exact
one at today's parameters, for which the whole past is replayed under them. At a learning rate of 0 what is left is the
algorithm's own error; what a larger one adds to it is staleness.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from throughtime.algorithms import Algorithm, estimate_gradient, make_algorithm
from throughtime.networks import Network
from throughtime.networks.modes import evaluating, training
from throughtime.runners.suite.config import RunConfig
from throughtime.runners.training.fidelity import vector
from throughtime.runners.training.measure import gradient_quality
from throughtime.runners.training.moments import Moments
from throughtime.runners.training.seeds import generator
from throughtime.runners.training.stepping import make_stepper
from throughtime.tasks import Batch


@dataclass(frozen=True)
class Stale:
    """At one learning rate the cosine to the exact gradient at today's parameters, the mean over draws."""

    learning_rate: float
    cosine: float
    error: float


def staleness(
    algorithm: Algorithm,
    network: Network,
    batch: Batch,
    config: RunConfig,
    rates: Sequence[float],
    *,
    draws: int = 8,
    seed: int = 0,
) -> list[Stale]:
    """The cosine at each learning rate; none where the second half of the batch has no target.

    Args:
        algorithm: whose carry.
        network: where; it is left as it was.
        batch: of two steps or more.
        config: whose optimizer and clip norm are used.
        rates: learning rates; 0: the parameters don't move.
        draws: how often; of an algorithm that draws nothing once.
        seed: of the draws.
    """
    half = batch.length // 2
    if not half or not sum(batch.counts[half:]):
        return []
    found = []
    for rate in rates:
        cosines = Moments(1)
        for number in range(draws):
            source = generator(seed, f"stale {number}")
            untouched = source.get_state()
            cosines.add(torch.tensor([_cosine(algorithm, network, batch, half, config, rate, source)]))
            if torch.equal(source.get_state(), untouched):
                break
        error = float(cosines.standard_error) if cosines.count > 1 else 0.0
        found.append(Stale(rate, float(cosines.mean), error))
    return found


def _cosine(
    algorithm: Algorithm,
    network: Network,
    batch: Batch,
    half: int,
    config: RunConfig,
    rate: float,
    source: torch.Generator,
) -> float:
    moving = copy.deepcopy(network)
    stepper = make_stepper(config.model_copy(update={"learning_rate": rate}), moving) if rate else None
    carry: Any = None
    with training(moving):
        for update in algorithm.updates(moving, batch.window(0, half), None, generator=source):
            carry = update.carry
            if stepper and update.weight:
                stepper.step(update)
    rest = replace(batch.window(half, batch.length), continues=True)
    with evaluating(moving):
        estimate = estimate_gradient(algorithm, moving, rest, carry, generator=source)
        exact = estimate_gradient(make_algorithm("full"), moving, _second_half(batch, half))
    if not bool(vector(estimate).isfinite().all()):
        return float("nan")
    return gradient_quality(estimate, exact).cosine


def _second_half(batch: Batch, half: int) -> Batch:
    """The whole batch, of which the targets from a step on count alone."""
    mask = torch.ones(batch.inputs.shape[:2], dtype=torch.bool, device=batch.inputs.device)
    mask = mask if batch.mask is None else batch.mask.clone()
    mask[:half] = False
    return replace(batch, mask=mask)
