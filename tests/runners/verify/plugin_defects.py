"""Plugins with one defect each, of the kinds that authors make, and by which check each has to be caught."""

import math
from dataclasses import replace

import torch
from defects import Sound

from throughtime.algorithms import Update
from throughtime.algorithms.influence import make_influence
from throughtime.algorithms.rtrl import RTRL
from throughtime.algorithms.stepwise import StepGradients
from throughtime.algorithms.uoro import UORO
from throughtime.networks import CELLS
from throughtime.tasks import TASKS, Batch

RNN, GRU = CELLS.get("rnn"), CELLS.get("gru")
Adding, TwoLag, Sunspots = (TASKS.get(name) for name in ("adding", "two_lag", "sunspots"))


class SumsOverItsSteps(Sound):
    """1/T is missing in the gradient; the loss that it tells is the mean."""

    def backward(self, network, loss):
        super().backward(network, loss * self.k)


class KeepsTheStateOfTheLastBatch(Sound):
    """A batch that continues nothing begins where the one before it ended."""

    kept = None

    def start(self, network, batch, carry):
        fits = self.kept is not None and self.kept[0].shape == network.initial_state(batch.size)[0].shape
        return carry or (self.kept if fits and len(self.kept) == len(network.initial_state(1)) else None)

    def carry(self, before, state):
        self.kept = state
        return state


class SharesADefault(Sound):
    """States by size, in a dict that is made once for all instances."""

    def start(self, network, batch, carry, states={}):  # noqa: B006 (which is the defect)
        key = batch.size, *(part.shape for part in network.initial_state(1))
        states[key] = carry or states.get(key) or network.initial_state(batch.size)
        self.states, self.key = states, key
        return states[key]

    def carry(self, before, state):
        self.states[self.key] = state
        return state


class SkipsTheFirstTargetOfLaterWindows(Sound):
    """Off by one wherever a window does not begin in zeros; the loss that it tells is right."""

    def forward(self, network, window, state):
        self.later = state is not None and bool(state[0].any())
        return super().forward(network, window, state)

    def loss(self, window, outputs):
        loss = super().loss(window, outputs)
        if not self.later or window.length == 1:
            return loss
        rest = window.window(1, window.length).mean_loss(outputs[1:])
        return loss.detach() + rest - rest.detach()


class AveragesOverWhatItHasSeen(Sound):
    """Half of each gradient is that of the windows before, which go on in the carry."""

    def updates(self, network, batch, carry=None, *, generator=None):
        state, average = carry or (None, None)
        for update in super().updates(network, batch, state, generator=generator):
            now = [parameter.grad for parameter in network.parameters()]
            mixed = now if average is None else [(a + b) / 2 for a, b in zip(now, average, strict=True)]
            for parameter, gradient in zip(network.parameters(), mixed, strict=True):
                parameter.grad = gradient if update.weight else torch.zeros_like(parameter)
            average = [gradient.clone() for gradient in now]
            yield update._replace(carry=(update.carry, average))


class HalvesLaterCredit(Sound):
    """Recurrent weights learn half as fast in every window that does not begin in zeros."""

    def forward(self, network, window, state):
        self.scale = 0.5 if state is not None and bool(state[0].any()) else 1.0
        return super().forward(network, window, state)

    def backward(self, network, loss):
        super().backward(network, loss)
        network.cell.weight_hh_l0.grad *= self.scale


class MasksByTheFirstSequence(Sound):
    """All sequences are taken to be as long as the first."""

    def loss(self, window, outputs):
        if window.mask is None:
            return super().loss(window, outputs)
        mask = window.mask[:, :1].expand_as(window.mask)
        return Batch(window.inputs, window.targets, window.loss, mask.contiguous()).mean_loss(outputs)


class Box:
    """What a carry is put into."""

    __slots__ = ("state",)

    def __init__(self, state):
        self.state = state


class BoxesAGraph(Sound):
    """The state is detached where a window begins, and not where a batch ends."""

    def start(self, network, batch, carry):
        return None if carry is None else tuple(part.detach() for part in carry.state)

    def detach(self, part):
        return part

    def forward(self, network, window, state):
        state = None if state is None else tuple(part.detach() for part in state)
        return super().forward(network, window, state)

    def carry(self, before, state):
        return Box(state)


class DropsABias(RTRL):
    """Of the two biases that a gate has, by hand, the second is forgotten."""

    def updates(self, network, batch, carry=None, *, generator=None):
        for update in super().updates(network, batch, carry, generator=generator):
            network.cell.bias_hh_l0.grad.zero_()
            yield update


class Turned:
    """A network whose Jacobians have the wrong sign in one place."""

    def __init__(self, network):
        self.network = network

    @property
    def __class__(self):
        return type(self.network)

    def __getattr__(self, name):
        return getattr(self.network, name)

    def linearize(self, input, state):
        local = self.network.linearize(input, state)
        if len(local.state) == 2:
            local.by_gate[1, 1] *= -1
        return local


class TurnsTheForgetGate(RTRL):
    """A wrong sign in one of an LSTM's gates, and for one state part alone."""

    def updates(self, network, batch, carry=None, *, generator=None):
        yield from super().updates(Turned(network), batch, carry, generator=generator)


class TakesTheHiddenStateAfter(RTRL):
    """The immediate Jacobian is h_t's and not h_{t-1}'s."""

    def updates(self, network, batch, carry=None, *, generator=None):
        state, influence = carry or (network.initial_state(batch.size), make_influence(network, batch.size))
        influence = influence.copy()
        for t in range(batch.length):
            steps = StepGradients(network, targets=batch.counts[t])
            local = network.linearize(batch.inputs[t], state)
            influence.advance(local.state, local)
            state = local.state
            if batch.counts[t]:
                steps.add(influence.by_name(influence.gradient(steps.add_readout(batch, t, state[0]))))
            yield steps.update(batch, t, t + 1, carry=(state, influence))


class SkipsWindowsWithoutTargets(Sound):
    """And with them the steps that the state takes there."""

    def updates(self, network, batch, carry=None, *, generator=None):
        state = carry
        for start in range(0, batch.length, self.k):
            window = batch.window(start, min(start + self.k, batch.length))
            if not window.total:
                continue
            outputs, state = network.unroll(window.inputs, state)
            loss = window.mean_loss(outputs)
            self.backward(network, loss)
            state = tuple(part.detach() for part in state)
            yield Update(loss.detach(), self.weight(window, batch, start), state)


class DrawsItsSignsOnce(UORO):
    """Each step's signs are those of the first."""

    def updates(self, network, batch, carry=None, *, generator=None):
        seed = int(torch.randint(2**31, (), generator=generator))
        for t in range(batch.length):
            same = torch.Generator().manual_seed(seed)
            for update in super().updates(network, batch.window(t, t + 1), carry, generator=same):
                carry = update.carry
                yield update._replace(weight=batch.share(t, t + 1))


class HandsOutOneTensorForTwo(Sound):
    """Both biases have the same gradient, and it is one and the same tensor: clipped, it is clipped twice."""

    def backward(self, network, loss):
        super().backward(network, loss)
        cell = network.cell
        if cell.bias_ih_l0.grad.equal(cell.bias_hh_l0.grad):
            cell.bias_hh_l0.grad = cell.bias_ih_l0.grad


class PacksItsWeights(RNN):
    """Weights are laid out once for evaluation, and never again after a step of the optimizer."""

    packed = None

    def unroll(self, inputs, state):
        if torch.is_grad_enabled():
            return super().unroll(inputs, state)
        if self.packed is None:
            self.packed = [weight.T.contiguous() for weight in (self.weight_ih_l0, self.weight_hh_l0)]
        hidden, (ih, hh) = [], self.packed
        for x in inputs.unbind():
            state = ((x @ ih + self.bias_ih_l0 + state[0] @ hh + self.bias_hh_l0).tanh(),)
            hidden.append(state[0])
        return torch.stack(hidden), state


class ReusesABuffer(GRU):
    """Without gradients it writes all windows of one size into the same memory."""

    buffer = None

    def unroll(self, inputs, state):
        hidden, state = super().unroll(inputs, state)
        if torch.is_grad_enabled():
            return hidden, state
        if self.buffer is None or self.buffer.shape != hidden.shape:
            self.buffer = torch.empty_like(hidden)
        return self.buffer.copy_(hidden), state


class LeaksItsTarget(TwoLag):
    """The symbol to be predicted stands among the inputs of its own step."""

    input_size = 2

    def sample(self, batch_size, *, generator):
        batch = super().sample(batch_size, generator=generator)
        inputs = torch.cat([batch.inputs, batch.targets[..., None].float()], dim=-1)
        return Batch(inputs, batch.targets, batch.loss, batch.mask)


class FloorIsARoot(Adding):
    """Its floor is a root of a mean square where the score is the mean square: all that is learned beats it."""

    def references(self):
        return [replace(one, value=math.sqrt(one.value)) for one in super().references()]


class ScoresInPlace(Sunspots):
    """Outputs are cut to the data's range, where they stand."""

    def score(self, outputs, batch):
        outputs.clamp_(-2.0, 2.0)
        return super().score(outputs, batch)


class PredictsThePresent(TwoLag):
    """The symbol to be predicted is the coin that is seen; the references are of another one."""

    def sample(self, batch_size, *, generator):
        batch = super().sample(batch_size, generator=generator)
        return Batch(batch.inputs, batch.inputs[..., 0].long(), batch.loss, batch.mask)


class OneBufferForAllBatches(Adding):
    """Each batch of a stream is written over the one before."""

    def batches(self, batch_size, *, generator):
        inputs = targets = None
        while True:
            batch = self.sample(batch_size, generator=generator)
            if inputs is None:
                inputs, targets = batch.inputs, batch.targets
            inputs.copy_(batch.inputs)
            targets.copy_(batch.targets)
            yield Batch(inputs, targets, batch.loss, batch.mask)


ALGORITHMS = {
    "is_exact_up_to": [SumsOverItsSteps, DropsABias, TurnsTheForgetGate, TakesTheHiddenStateAfter],
    "repeats_with_its_generator": [KeepsTheStateOfTheLastBatch, SharesADefault],
    "is_exact_where_nothing_is_remembered": [
        SkipsTheFirstTargetOfLaterWindows,
        AveragesOverWhatItHasSeen,
        HalvesLaterCredit,
    ],
    "ignores_masked_targets": [MasksByTheFirstSequence],
    "carries_the_state_on": [BoxesAGraph],
    "losses_are_means": [SkipsWindowsWithoutTargets],
    "is_unbiased": [DrawsItsSignsOnce],
    "fills_every_gradient": [HandsOutOneTensorForTwo],
}
CELLS_WITH_DEFECTS = {"unroll_equals_steps": [PacksItsWeights], "leaves_the_rest_alone": [ReusesABuffer]}
TASKS_WITH_DEFECTS = {
    "nothing_simple_beats_its_references": [LeaksItsTarget, PredictsThePresent, FloorIsARoot],
    "scores_the_better_as_better": [ScoresInPlace],
    "goes_on_without_end": [OneBufferForAllBatches],
}
