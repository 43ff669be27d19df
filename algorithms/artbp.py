"""ARTBP, anticipated reweighted truncated backpropagation: truncation at random points, made up for and so unbiased.

After step t the walk back will be cut with probability c_t, and the gradient that crosses a point that was not cut is
multiplied by 1 / (1 − c_t). Where a loss and a parameter's use lie k steps apart, k points have to stay uncut: the
factors are the inverse of the probability of that, whatever cut the points before, so the mean is full BPTT's. With

    c_t = (α − 1) / ((α − 2) L0 + δt),     δt the steps since the last cut,

the windows between cuts are L0 steps long on average, with a tail as t^−α that keeps the variance finite. (Tallec &
Ollivier, "Unbiasing truncated backpropagation through time", arXiv 1705.08209, 2017; eqs. 4 and 5, and section 5.)

An update is made at each cut and at the batch's end. Memory is that of the longest window, which no number bounds. Of a
window only its states are kept, and a step is run again where the walk back comes to it.
"""

from collections.abc import Iterator
from typing import Any

import torch

from throughtime.networks import Network, State
from throughtime.tasks.base import Batch

from .base import Algorithm, Update, no_update
from .window import Windows


class ARTBP(Algorithm):
    """Back to a random point, and reweighted.

    Args:
        mean_length: L0, the steps of a window on average, in a sequence without end; more than 1.
        alpha: α, how fast long windows become rare; more than 2.
    """

    exact_up_to = 1
    unbiased = True
    online = False
    random_memory = True
    backward_mode = False  # a forcing that judges a window would be shown single steps

    def __init__(self, mean_length: float, alpha: float = 6.0) -> None:
        if not mean_length > 1:
            raise ValueError(
                f"mean_length must be more than 1 step, got {mean_length}; truncated(k1=1, k2=1) is 1 step"
            )
        if not alpha > 2:
            raise ValueError(f"alpha must be more than 2, or windows have no mean length; got {alpha}")
        self.mean_length, self.alpha = mean_length, alpha

    def cut_probability(self, since: int) -> float:
        """c_t, for a point so many steps after the last cut; from 0 to 1."""
        return (self.alpha - 1) / ((self.alpha - 2) * self.mean_length + since)

    def updates(
        self, network: Network, batch: Batch, carry: Any = None, *, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """One update for each window between two cuts; the batch's end is a cut that nothing makes up for."""
        state = network.initial_state(batch.size) if carry is None else carry
        network.check(batch.inputs, state)
        windows, start = Windows(network, batch), 0
        while start < batch.length:
            states, stop = [state], start + 1
            while stop < batch.length and not self._cuts(stop - start, generator):
                states.append(windows.carried_on(states[-1], stop - 1, stop))
                stop += 1
            if targets := sum(batch.counts[start:stop]):
                loss, state = self._walk_back(windows, states, start, stop, targets)
                yield Update(loss, batch.share(start, stop), state)
            else:
                state = windows.carried_on(states[-1], stop - 1, stop)
                yield no_update(network, state)
            start = stop

    def _cuts(self, since: int, generator: torch.Generator | None) -> bool:
        draw = torch.rand((), generator=generator, device="cpu", dtype=torch.float64)
        return float(draw) < self.cut_probability(since)

    def _walk_back(
        self, windows: Windows, states: list[State], start: int, stop: int, targets: int
    ) -> tuple[torch.Tensor, State]:
        """Through the steps start … stop − 1, from the states before each: the mean loss, and the state after them."""
        arriving = tuple(torch.zeros_like(part) for part in states[0])
        total, last = arriving[0].new_zeros(()), states[0]
        for t in range(stop - 1, start - 1, -1):
            if t < stop - 1:
                arriving = tuple(part / (1 - self.cut_probability(t + 1 - start)) for part in arriving)
            loss, after, arriving = windows.segment(states.pop(), t, t, t + 1, targets, arriving, add=t < stop - 1)
            total, last = total + loss, after if t == stop - 1 else last
        return total, last
