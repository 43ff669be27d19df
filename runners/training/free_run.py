"""Free running: the network is left to its own output, and scored by how far ahead it still holds.

From every origin it is given the truth up to there, then nothing but what it predicts itself. What that scores more
than one step ahead on the same targets is the exposure bias: how much the network has learned to lean on the truth.
"""

import torch
from torch import Tensor

from throughtime.forcings.base import gumbel
from throughtime.networks import ClosedLoop, State, drive
from throughtime.networks.modes import evaluating
from throughtime.tasks import Batch, Task
from throughtime.tasks.horizon import Ahead, ahead, free_scores

from .seeds import generator


class FreeRun:
    """A task's judged data, ready to be run free from all its origins.

    Args:
        task: with feedback.
        judged: its validation or test data, placed where the network is.
    """

    def __init__(self, task: Task, judged: Batch) -> None:
        self.task, self.judged = task, judged
        self.ahead: Ahead = ahead(judged, task.horizon)
        following = self.ahead.batch
        truth = following.inputs.new_zeros(following.length, following.size)
        truth[0] = 1  # an origin's last given input
        noise = None
        if task.feedback == "symbol":
            noise = gumbel(following.length, following.size, task.output_size, generator=generator(0, "free run"))
        self.inputs = drive(following.inputs, truth, noise)

    @torch.no_grad()
    def scores(self, loop: ClosedLoop) -> tuple[float, tuple[float, ...]]:
        """The task's score over all leads, and of each lead by itself; the network in evaluation mode."""
        with evaluating(loop):
            outputs, _ = loop.unroll(self.inputs, self._starts(loop))
        return free_scores(self.task, outputs, self.ahead.batch)

    def score_given_truth(self, outputs: Tensor) -> float:
        """Of the one-step-ahead outputs (T, B, o) on all the judged data, the score on the free run's own targets."""
        return self.task.score(outputs[self.ahead.every, self.ahead.sequences], self.ahead.batch)

    def _starts(self, loop: ClosedLoop) -> State:
        """The states before every origin, given the truth up to there."""
        state, position = loop.initial_state(self.judged.size), 0
        if len(state) == 1:  # and so no more than the hidden states, which one pass over the data has
            hidden, _ = loop.hidden(self.judged.inputs, state)
            before = torch.cat([state[0][None], hidden[:-1]])
            return (before[self.ahead.steps, self.ahead.sequences],)
        found: list[list[Tensor]] = [[] for _ in self.ahead.steps]
        for step in sorted(set(self.ahead.steps.tolist())):
            if step > position:
                _, state = loop.unroll(self.judged.inputs[position:step], state)
                position = step
            for number in (self.ahead.steps == step).nonzero()[:, 0].tolist():
                found[number] = [part[self.ahead.sequences[number]] for part in state]
        return tuple(torch.stack(parts) for parts in zip(*found, strict=True))
