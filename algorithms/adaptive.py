"""Adaptive truncation: as many steps back as keep the gradient's relative bias below a bound.

A probe walks back from one loss ℓ_s and takes φ_k, the mean over the sequences of ‖∂ℓ_s/∂s_{s−k}‖, k = 0 … k_max − 1.
Beyond a lag τ it is taken to fall geometrically, φ_k ≈ e^{a + bk}, fitted by least squares to log φ_k. A gradient that
is cut after K steps lacks at most E(K), and has at least what is left of its own norm:

    E(K) = Σ_{K ≤ k < τ} φ_k + Σ_{k ≥ max(K, τ)} e^{a + bk},     g_K = ‖mean Σ_{k < K} ∂ℓ_s/∂s_{s−k}‖,
    K* = the least K with E(K) < δ (g_K − E(K)).

The bound on ‖∂s_t/∂θ‖ that would multiply both cancels. Then TBPTT(K, 2K − 1), by which every loss sees K steps or
more. (Aicher, Foti & Fox, "Adaptively truncating backpropagation through time to control gradient bias", UAI 2019.)

They probe once an epoch, we once in `PROBE_EVERY` · k_max steps of a stream, when the last k_max of them were seen and
the last one has a target; until then, and where no K is good enough, K is k_max.
"""

import math
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from throughtime.networks import Network, State
from throughtime.tasks.base import Batch

from .base import Algorithm, Update, no_update
from .truncated import Past
from .window import Windows

PROBE_EVERY = 8
"""Of k_max steps; a probe's, each run twice and walked back by itself, are then a small part of the work."""


class Seen(NamedTuple):
    """The carry.

    Attributes:
        past: what windows to come reach back into.
        k: K now.
        rest: steps until the next probe.
    """

    past: Past
    k: int
    rest: int


class Adaptive(Algorithm):
    """TBPTT(K, 2K − 1), K chosen along the way by a bound on the gradient's relative bias.

    Args:
        delta: δ, the relative bias that is allowed; 0: K is k_max.
        k_max: the largest K, 3 or more: three lags are the least that a decay can be fitted to.
    """

    unbiased = False
    online = True
    backward_mode = False  # the probe reads a loss from a hidden state, by the readout

    def __init__(self, delta: float, k_max: int) -> None:
        if not delta >= 0:
            raise ValueError(f"delta must be 0 or more, a relative bias; got {delta}")
        if k_max < 3:
            raise ValueError(f"k_max must be at least 3, for a decay to be fitted; got {k_max}")
        self.delta, self.k_max = delta, k_max
        self.exact_up_to: float = k_max if delta else 2 * k_max - 1

    def updates(
        self, network: Network, batch: Batch, carry: Seen | None = None, *, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """One update every K steps; the last one may be shorter."""
        if carry is None:
            carry = Seen(Past.after(network.initial_state(batch.size), batch.inputs), self.k_max, self.k_max)
        past, k, rest = carry.past.settled(), carry.k, carry.rest
        network.check(batch.inputs, past.states[0][1])
        before, windows, start = past.stop, Windows(network, batch, past.inputs), 0
        states = deque((position - before, state) for position, state in past.states)
        while start < batch.length:
            stop = min(start + k, batch.length)
            first, rest = max(stop - 2 * k + 1, -before), rest - (stop - start)
            while len(states) > 1 and states[1][0] <= min(first, stop - self.k_max):
                states.popleft()
            origin, old = next(found for found in reversed(states) if found[0] <= first or found is states[0])
            if rest <= 0 and batch.counts[stop - 1] and stop + before >= self.k_max and self.delta:
                k, rest = self._choose(windows, states[0], stop), PROBE_EVERY * self.k_max
            if any(batch.counts[start:stop]):
                loss, state = windows.gradient(windows.carried_on(old, origin, first), first, start, stop)
                update = Update(loss, batch.share(start, stop), None)
            else:
                state = windows.carried_on(states[-1][1], states[-1][0], stop)
                update = no_update(network, None)
            states.append((stop, state))
            now = Past(past.inputs, batch.inputs, stop, tuple(states))
            # What goes on must not keep the whole batch's inputs alive.
            yield update._replace(carry=Seen(now.settled() if stop == batch.length else now, k, rest))
            start = stop

    def _choose(self, windows: Windows, oldest: tuple[int, State], stop: int) -> int:
        """K*, by a walk back from the loss of step stop − 1 through k_max steps."""
        position, state = oldest
        states = [windows.carried_on(state, position, stop - self.k_max)]
        for t in range(stop - self.k_max, stop - 1):
            states.append(windows.carried_on(states[-1], t, t + 1))
        arriving = self._by_state(windows, windows.carried_on(states[-1], stop - 1, stop), stop)
        sizes, norms, total = [], [], torch.zeros_like(torch.cat(arriving, dim=1)[0])
        for t in range(stop - 1, stop - self.k_max - 1, -1):
            slopes = torch.cat(arriving, dim=1)
            total = total + slopes.mean(dim=0)
            sizes.append(slopes.norm(dim=1).mean())
            norms.append(total.norm())
            *_, arriving = windows.segment(states.pop(), t, t + 1, t + 1, 1, arriving)
        read = torch.stack([*sizes, *norms]).double().cpu().numpy()  # once: a device has to be waited for
        return least_steps(read[: self.k_max], read[self.k_max :], self.delta)

    def _by_state(self, windows: Windows, state: State, stop: int) -> State:
        """∂ℓ_s/∂s_s of each sequence by itself, s = stop − 1, from the state after that step."""
        hidden = state[0].clone().requires_grad_()
        with torch.enable_grad():
            outputs = windows.network.readout(hidden)[None]
            loss = windows.batch.window(stop - 1, stop).losses(outputs).sum()
        (slope,) = torch.autograd.grad(loss, hidden)
        return (slope, *(torch.zeros_like(part) for part in state[1:]))


def least_steps(sizes: np.ndarray, norms: np.ndarray, delta: float) -> int:
    """K* from φ_k and g_{k+1}, k = 0 … k_max − 1; k_max where no K is good enough.

    >>> least_steps(0.5 ** np.arange(8), np.full(8, 1.0), delta=0.5)
    3
    """
    k_max = len(sizes)
    tau = min(k_max // 2, k_max - 3)
    lags = np.arange(tau, k_max)
    if not (np.isfinite(sizes).all() and (sizes[tau:] > 0).all()):
        return k_max
    slope, level = np.polyfit(lags, np.log(sizes[tau:]), 1)
    if slope >= 0:
        return k_max
    for steps in range(1, k_max):
        tail = math.exp(level + slope * max(steps, tau)) / -math.expm1(slope)
        bias = sizes[steps:tau].sum() + tail
        if bias < delta * (norms[steps - 1] - bias):
            return steps
    return k_max
