"""Defects that only time brings to light: between updates, between batches, from a state that is not zero."""

import copy

import torch
from defects import Coin, Sound

from throughtime.algorithms.influence import make_influence
from throughtime.algorithms.online import Online
from throughtime.algorithms.rtrl import RTRL
from throughtime.algorithms.truncated import Past, Truncated


class AddsToWhatStands(Sound):
    def backward(self, network, loss):
        loss.backward()


class ClearsOnceACall(Sound):
    def start(self, network, batch, carry):
        network.zero_grad()
        return carry

    def backward(self, network, loss):
        loss.backward()


class ClearsAllButTheReadout(Sound):
    def backward(self, network, loss):
        for parameter in network.cell.parameters():
            parameter.grad = None
        loss.backward()


class AddsALittleOfTheLast(Sound):
    def backward(self, network, loss):
        last = [parameter.grad for parameter in network.parameters()]
        super().backward(network, loss)
        for parameter, before in zip(network.parameters(), last, strict=True):
            parameter.grad = parameter.grad + (0.01 * before if before is not None else 0)


class View:
    """A network whose Jacobians are those of another one."""

    def __init__(self, network, twin):
        self.network, self.twin = network, twin

    def __getattr__(self, name):
        return getattr(self.network, name)

    def linearize(self, input, state):
        return self.twin.linearize(input, state)


class TakesJacobiansFromACopy(RTRL):
    """Made when it is called: stale as soon as the optimizer steps."""

    def updates(self, network, batch, carry=None, *, generator=None):
        yield from super().updates(View(network, copy.deepcopy(network)), batch, carry, generator=generator)


class KeepsACopyForEver(RTRL):
    """Made when it is first called."""

    twin = None

    def updates(self, network, batch, carry=None, *, generator=None):
        self.twin = self.twin or copy.deepcopy(network)
        yield from super().updates(View(network, self.twin), batch, carry, generator=generator)


class DropsTheInfluence(RTRL):
    """The state goes on, and the influence begins anew."""

    def updates(self, network, batch, carry=None, *, generator=None):
        if carry is not None:
            carry = carry[0], make_influence(network, batch.size)
        yield from super().updates(network, batch, carry, generator=generator)


class HandsTheInfluenceBeforeOn(RTRL):
    def updates(self, network, batch, carry=None, *, generator=None):
        before = make_influence(network, batch.size) if carry is None else carry[1].copy()
        for update in super().updates(network, batch, carry, generator=generator):
            yield update._replace(carry=(update.carry[0], before))
            before = update.carry[1].copy()


class ForgetsTheWindowsStart(Truncated):
    """Its windows do not reach across the cut."""

    def __init__(self):
        super().__init__(k1=2, k2=6)

    def updates(self, network, batch, carry=None, *, generator=None):
        if carry is not None:
            carry = Past.after(carry.states[-1][1], batch.inputs)
        yield from super().updates(network, batch, carry, generator=generator)


class OneStep(Online):
    """Back through one step: from a state of zeros the recurrent weights have no gradient at all."""

    def __init__(self):
        super().__init__(depth=1)

    def updates(self, network, batch, carry=None, *, generator=None):
        for update in super().updates(network, batch, carry, generator=generator):
            self.spoil(network.cell)
            yield update


class TransposesTheRecurrentGradient(OneStep):
    def spoil(self, cell):
        n, gradient = cell.hidden_size, cell.weight_hh_l0.grad
        cell.weight_hh_l0.grad = gradient.view(-1, n, n).mT.reshape(gradient.shape).clone()


class DropsTheRecurrentGradient(OneStep):
    def spoil(self, cell):
        cell.weight_hh_l0.grad.zero_()


class HalvesTheRecurrentGradient(OneStep):
    def spoil(self, cell):
        cell.weight_hh_l0.grad.mul_(0.5)


class SwapsTheGates(OneStep):
    def spoil(self, cell):
        cell.bias_ih_l0.grad = cell.bias_ih_l0.grad.flip(0).clone()


class LearnsFromTheFirstSequence(Sound):
    def loss(self, window, outputs):
        losses = window.losses(outputs)
        return losses[:, 0].sum() * losses.shape[1] / max(window.total, 1)


class LooksAtTheNextTarget(Sound):
    def loss(self, window, outputs):
        return window.loss(outputs, window.targets.roll(1, dims=0)).mean()


class RunsBackwardInTime(Sound):
    k, exact_up_to, online = 1000, float("inf"), False

    def forward(self, network, window, state):
        outputs, state = network.unroll(window.inputs.flip(0), state)
        return outputs.flip(0), state


class LosesTheLastStep(Sound):
    def loss(self, window, outputs):
        steps = max(window.length - 1, 1)
        return window.window(0, steps).mean_loss(outputs[:steps])


class ScalesOneGate(Sound):
    def backward(self, network, loss):
        super().backward(network, loss)
        network.cell.weight_hh_l0.grad[-network.cell.hidden_size :] *= 0.9


class ClipsByItself(Sound):
    def backward(self, network, loss):
        super().backward(network, loss)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 0.05)


class CutsTheFeedback(Sound):
    """In a closed loop the gradient must go through the network's own output."""

    k, exact_up_to, online = 1000, float("inf"), False

    def forward(self, network, window, state):
        state, outputs = state or network.initial_state(window.size), []
        for x in window.inputs.unbind():
            closed = type(network).__name__ == "ClosedLoop"
            state = network.step(x, (state[0].detach(), *state[1:]) if closed else state)
            outputs.append(network.readout(state[0]))
        return torch.stack(outputs), state


class EvaluatesTheNetwork(Sound):
    def start(self, network, batch, carry):
        network.eval()
        return carry


class MovesTheTargets(Sound):
    def loss(self, window, outputs):
        loss = super().loss(window, outputs)
        window.targets.add_(1e-6)
        return loss


class GivesAnUpdateOfNothing(Sound):
    """Of weight 0, with what stood in p.grad."""

    def updates(self, network, batch, carry=None, *, generator=None):
        for update in super().updates(network, batch, carry, generator=generator):
            kept = [parameter.grad.clone() for parameter in network.parameters()]
            yield update
        for parameter, gradient in zip(network.parameters(), kept, strict=True):
            parameter.grad = gradient
        yield update._replace(weight=0.0)


class HalvesABiasOnAverage(Coin):
    def updates(self, network, batch, carry=None, *, generator=None):
        for update in super().updates(network, batch, carry, generator=generator):
            network.readout.bias.grad *= 0.5
            yield update


IN_TIME = {
    "starts_from_clean_gradients": [AddsToWhatStands, ClearsOnceACall, ClearsAllButTheReadout, AddsALittleOfTheLast],
    "goes_on_as_one_sequence": [
        TakesJacobiansFromACopy,
        KeepsACopyForEver,
        DropsTheInfluence,
        HandsTheInfluenceBeforeOn,
        ForgetsTheWindowsStart,
    ],
    "sees_each_step_of_the_optimizer": [KeepsACopyForEver],
    "is_exact_up_to": [
        TransposesTheRecurrentGradient,
        DropsTheRecurrentGradient,
        HalvesTheRecurrentGradient,
        SwapsTheGates,
        LearnsFromTheFirstSequence,
        LooksAtTheNextTarget,
        RunsBackwardInTime,
        LosesTheLastStep,
        ScalesOneGate,
        ClipsByItself,
        CutsTheFeedback,
    ],
    "leaves_the_rest_alone": [EvaluatesTheNetwork, MovesTheTargets],
    "fills_every_gradient": [GivesAnUpdateOfNothing],
    "is_unbiased": [HalvesABiasOnAverage],
}
"""By the check that has to catch them."""
