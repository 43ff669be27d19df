"""How far back a network's gradient reaches: the derivative of each step's loss by the states before it.

    v_t^(0) = ∂ℓ_t/∂s_t,     v_t^(k+1) = v_t^(k) ∂s_{t−k}/∂s_{t−k−1},     G_k = Σ_t v_t^(k) ∂s_{t−k}/∂θ

‖v_t^(k)‖ against the lag k is vanishing and exploding made visible (Bengio, Simard & Frasconi 1994; Pascanu, Mikolov &
Bengio 2013). The G_k sum up to the whole gradient, and those up to lag k − 1 to that of truncated BPTT with k1 = 1 and
k2 = k, so how much of it is missing beyond a lag is that algorithm's relative bias. s is the whole state: what an
LSTM remembers is in its c. All losses are walked back side by side, a lag at a time.
"""

import copy
import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.networks import Network
from throughtime.networks.modes import evaluating
from throughtime.tasks import Batch

QUANTILES = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Lag:
    """All losses at one lag, each of one step of one sequence.

    Attributes:
        mean: of ‖∂ℓ_t/∂s_{t−k}‖.
        quantiles: likewise, those of `QUANTILES`.
        gain: ‖∂ℓ_t/∂s_{t−k}‖ / ‖∂ℓ_t/∂s_t‖, the geometric mean.
        beyond: ‖G − Σ_{j≤k} G_j‖ / ‖G‖, of the parameters of the cell: the share that lies beyond this lag.
    """

    mean: float
    quantiles: tuple[float, ...]
    gain: float
    beyond: float


@dataclass(frozen=True)
class Reach:
    """What every lag has, from lag 0 on."""

    lags: tuple[Lag, ...]

    @property
    def rate(self) -> float:
        """The slope of log gain against the lag, by least squares: log |a| of h_t = a h_{t−1} + x_t; nan without two
        lags.
        """
        points = [(lag, math.log(at.gain)) for lag, at in enumerate(self.lags) if at.gain > 0]
        if len(points) < 2:
            return math.nan
        x, y = torch.tensor(points, dtype=torch.float64).T
        x = x - x.mean()
        return float(x @ y / (x @ x))

    def lag_of(self, share: float) -> int | None:
        """The smallest lag such that no more than 1 − `share` of the gradient lies beyond it, nor beyond any further.

        Truncated BPTT with k1 = 1 has so much where its k2 is one more. None: not even the last lag has, or the
        gradient is zero.
        """
        found = None
        for lag in reversed(range(len(self.lags))):
            if not self.lags[lag].beyond <= 1 - share:
                break
            found = lag
        return found


def reach(
    network: Network,
    batch: Batch,
    *,
    lags: int | None = None,
    sequences: int | None = None,
    dtype: torch.dtype | None = None,
) -> Reach:
    """The reach of a network's gradient on a batch, at frozen parameters and in evaluation mode.

    Args:
        network: with any cell, in an open or a closed loop.
        batch: from its first step; a zero state is before it. The loss of each step is its own output's alone.
        lags: the largest; None: as far as the batch goes.
        sequences: how many of the batch's; None: all.
        dtype: to compute in; None: the network's own, in which what is below 1e-45 may be nothing.
    """
    batch = _first(batch, sequences)
    if dtype is not None:
        network, batch = copy.deepcopy(network).to(dtype), batch.to(dtype=dtype)
    with evaluating(network), torch.enable_grad():
        return _reach(network, batch, batch.length - 1 if lags is None else min(lags, batch.length - 1))


def _first(batch: Batch, sequences: int | None) -> Batch:
    mask = None if batch.mask is None else batch.mask[:, :sequences]
    return replace(batch, inputs=batch.inputs[:, :sequences], targets=batch.targets[:, :sequences], mask=mask)


def _reach(network: Network, batch: Batch, longest: int) -> Reach:
    parameters = {name: p for name, p in network.named_parameters() if not name.startswith("readout.")}
    exact = estimate_gradient(make_algorithm("full"), network, batch)
    missing = {name: exact[name].clone() for name in parameters}
    whole = _norm(missing)
    states, by_hidden = _states_and_slopes(network, batch)
    steps = torch.tensor([t for t, count in enumerate(batch.counts) if count])
    back = [torch.zeros_like(part[steps]) for part in states]
    back[0] = by_hidden[steps]
    first = _lengths(back)
    found: list[Lag] = []
    for lag in range(longest + 1):
        inside = steps >= lag
        steps, back, first = steps[inside], [part[inside] for part in back], first[inside]
        if not len(steps):
            break
        lengths = _lengths(back)
        back, gradients = _one_lag(network, batch, states, steps - lag, back, list(parameters.values()))
        for name, gradient in zip(parameters, gradients, strict=True):
            missing[name] -= gradient / max(batch.total, 1)
        found.append(_told(lengths, first, _norm(missing) / whole if whole else math.nan))
    return Reach(tuple(found))


def _states_and_slopes(network: Network, batch: Batch) -> tuple[list[Tensor], Tensor]:
    """The state before each step, parts (T, B, …), and ∂ℓ_t/∂h_t, (T, B, n)."""
    state, before, hidden = network.initial_state(batch.size), [], []
    with torch.no_grad():
        for x in batch.inputs:
            before.append(state)
            state = network.step(x, state)
            hidden.append(state[0])
    h = torch.stack(hidden).requires_grad_()
    (slopes,) = torch.autograd.grad(batch.losses(network.readout(h)).sum(), h)
    return [torch.stack(parts) for parts in zip(*before, strict=True)], slopes


def _one_lag(
    network: Network, batch: Batch, states: list[Tensor], places: Tensor, back: list[Tensor], parameters: list[Tensor]
) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    """Through the steps at some places, which are taken side by side: the derivatives by the states before them, and
    by the parameters there.
    """
    old = [part[places].flatten(0, 1).requires_grad_() for part in states]
    new = network.step(batch.inputs[places].flatten(0, 1), tuple(old))
    slopes = [part.flatten(0, 1) for part in back]
    reached = [(part, slope) for part, slope in zip(new, slopes, strict=True) if part.requires_grad]
    outputs, cotangents = zip(*reached, strict=True)
    by_old = torch.autograd.grad(outputs, [*old, *parameters], cotangents, allow_unused=True, materialize_grads=True)
    shape = back[0].shape[:2]
    return [part.unflatten(0, shape) for part in by_old[: len(old)]], by_old[len(old) :]


def _lengths(parts: list[Tensor]) -> Tensor:
    """Of the vectors of the whole state, (steps, B)."""
    lengths: Tensor = torch.cat([part.flatten(2) for part in parts], dim=2).double().norm(dim=2)
    return lengths


def _norm(gradient: dict[str, Tensor]) -> float:
    return float(torch.cat([part.flatten() for part in gradient.values()]).double().norm())


def _told(lengths: Tensor, first: Tensor, beyond: float) -> Lag:
    counts = first > 0  # a step of a sequence without a target has no loss to be walked back
    if not counts.any():
        return Lag(math.nan, (math.nan,) * len(QUANTILES), math.nan, beyond)
    lengths, first = lengths[counts], first[counts]
    quantiles = torch.quantile(lengths, lengths.new_tensor(QUANTILES))
    gain = float((lengths / first).log().mean().exp())
    return Lag(float(lengths.mean()), tuple(quantiles.tolist()), gain, beyond)
