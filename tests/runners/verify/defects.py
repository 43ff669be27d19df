"""Algorithms with one defect each, by the check that has to catch it; and the two sound ones that they are made of."""

import copy

import torch

from throughtime.algorithms import Algorithm, Update


class Sound(Algorithm):
    """Truncated BPTT in chunks, plain: every k steps, back through those k steps."""

    unbiased, online = False, True
    k = 3
    exact_up_to = 3

    def updates(self, network, batch, carry=None, *, generator=None):
        state = self.start(network, batch, carry)
        for start in range(0, batch.length, self.k):
            window = batch.window(start, min(start + self.k, batch.length))
            before = state
            outputs, state = self.forward(network, window, state)
            loss = self.loss(window, outputs)
            self.backward(network, loss)
            state = tuple(self.detach(part) for part in state)
            yield Update(
                self.reported(loss, window, batch), self.weight(window, batch, start), self.carry(before, state)
            )

    def start(self, network, batch, carry):
        return carry

    def forward(self, network, window, state):
        return network.unroll(window.inputs, state)

    def loss(self, window, outputs):
        return window.mean_loss(outputs)

    def backward(self, network, loss):
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        loss.backward()

    def detach(self, part):
        return part.detach()

    def reported(self, loss, window, batch):
        return loss.detach()

    def weight(self, window, batch, start):
        return batch.share(start, min(start + self.k, batch.length))

    def carry(self, before, state):
        return state


class Coin(Sound):
    """Full BPTT or nothing, by a coin: twice the gradient half of the time."""

    k = 1000
    exact_up_to, unbiased, online = 0, True, False
    odds, factor = 0.5, 2.0

    def updates(self, network, batch, carry=None, *, generator=None):
        for update in super().updates(network, batch, carry, generator=generator):
            heads = float(torch.rand((), generator=generator)) < self.odds
            for parameter in network.parameters():
                parameter.grad *= self.factor * heads
            yield update


class AssumesAMask(Sound):
    def loss(self, window, outputs):
        return (window.losses(outputs) * window.mask).sum() / window.mask.sum().clamp_min(1)


class AssumesManySequences(Sound):
    def forward(self, network, window, state):
        outputs, state = network.unroll(window.inputs.squeeze(1), state)
        return outputs, state


class AssumesOneGate(Sound):
    def backward(self, network, loss):
        n = network.cell.hidden_size
        network.cell.weight_hh_l0.view(n, n)
        super().backward(network, loss)


class ForgetsABias(Sound):
    def backward(self, network, loss):
        super().backward(network, loss)
        network.readout.bias.grad = None


class DividesByNoTargets(Sound):
    def loss(self, window, outputs):
        return window.mean_loss(outputs / min(window.total, 1))


class LearnsFromNothing(Sound):
    def backward(self, network, loss):
        super().backward(network, loss)
        for parameter in network.parameters():
            parameter.grad += 0.01


class WeighsEachUpdateAlike(Sound):
    def weight(self, window, batch, start):
        return 1.0


class WeighsAgainstAllSteps(Sound):
    def weight(self, window, batch, start):
        return window.total / (batch.length * batch.size)


class WeighsTheLastWindowFully(Sound):
    def weight(self, window, batch, start):
        return self.k / batch.length


class Sums(Sound):
    def loss(self, window, outputs):
        return window.losses(outputs).sum()


class AveragesOverMaskedSteps(Sound):
    def loss(self, window, outputs):
        return window.losses(outputs).mean()


class ReportsTheBatchesLoss(Sound):
    def reported(self, loss, window, batch):
        return 0.5 * loss.detach()


class ForgetsTheMask(Sound):
    def loss(self, window, outputs):
        return window.loss(outputs, window.targets).mean()


class MasksWholeWindowsAlone(Sound):
    def loss(self, window, outputs):
        return window.loss(outputs, window.targets).mean() * bool(window.total)


class CountsEmptyWindows(Sound):
    def weight(self, window, batch, start):
        return super().weight(window, batch, start) if batch.total else 1 / len(range(0, batch.length, self.k))


class ForgetsToDetach(Sound):
    k, exact_up_to = 1000, float("inf")

    def detach(self, part):
        return part


class HandsTheStateBeforeOn(Sound):
    def carry(self, before, state):
        return before


class HandsNothingOn(Sound):
    def carry(self, before, state):
        return None


class ClipsWeights(Sound):
    def backward(self, network, loss):
        super().backward(network, loss)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.clamp_(-0.3, 0.3)


class ScalesInputs(Sound):
    def forward(self, network, window, state):
        window.inputs.mul_(0.999)
        return super().forward(network, window, state)


class SeedsGlobally(Sound):
    def forward(self, network, window, state):
        torch.manual_seed(0)
        return super().forward(network, window, state)


class SetsTheDefaultType(Sound):
    def forward(self, network, window, state):
        torch.set_default_dtype(torch.float64)
        return super().forward(network, window, state)


class FreezesTheReadout(Sound):
    def backward(self, network, loss):
        super().backward(network, loss)
        network.readout.weight.requires_grad_(False)


class DrawsGlobally(Sound):
    def backward(self, network, loss):
        super().backward(network, loss)
        for parameter in network.parameters():
            parameter.grad *= (torch.rand(parameter.shape) < 0.9).to(parameter.dtype)


class KeepsMomentum(Sound):
    def __init__(self):
        self.scale = 1.0

    def backward(self, network, loss):
        super().backward(network, loss * self.scale)
        self.scale *= 0.99


class HasItsOwnGenerator(Sound):
    def __init__(self):
        self.generator = torch.Generator().manual_seed(0)

    def backward(self, network, loss):
        super().backward(network, loss * (0.9 + 0.2 * torch.rand((), generator=self.generator)))


class DeclaresOneStepMore(Sound):
    exact_up_to = 4


class DeclaresOneStepLess(Sound):
    exact_up_to = 2


class DeclaresEveryLength(Sound):
    exact_up_to = float("inf")


class TakesAStaleState(Sound):
    """The readout learns from the state before the step."""

    k, exact_up_to = 1, 1

    def forward(self, network, window, state):
        first = network.initial_state(window.size) if state is None else state
        _, after = network.unroll(window.inputs, state)
        return network.readout(first[0])[None] + 0 * after[0].sum(), after


class Accumulates(Sound):
    k, exact_up_to = 2, 7

    def backward(self, network, loss):
        loss.backward()


class CoinIsLoaded(Coin):
    odds = 0.35


class CoinWeighsTwice(Coin):
    factor = 4.0


class DeclaresTruncationUnbiased(Sound):
    unbiased = True


class Hoards(Sound):
    def start(self, network, batch, carry):
        self.kept = []
        return carry

    def forward(self, network, window, state):
        outputs, state = super().forward(network, window, state)
        self.kept.append(outputs.clone())
        return outputs, state


class DeclaresFullOnline(Sound):
    k, exact_up_to = 1000, float("inf")


class CarriesTheSequenceOn(Sound):
    def start(self, network, batch, carry):
        self.inputs = batch.inputs
        return None if carry is None else carry[0]

    def carry(self, before, state):
        return state, self.inputs


class ComputesAllAtOnce(Sound):
    def updates(self, network, batch, carry=None, *, generator=None):
        done = [
            (update, [parameter.grad.clone() for parameter in network.parameters()])
            for update in super().updates(network, batch, carry, generator=generator)
        ]
        for update, gradients in done:
            for parameter, gradient in zip(network.parameters(), gradients, strict=True):
                parameter.grad = gradient
            yield update


class LearnsOnACopy(Sound):
    def updates(self, network, batch, carry=None, *, generator=None):
        twin = copy.deepcopy(network)
        for update in super().updates(twin, batch, carry, generator=generator):
            for parameter, of_twin in zip(network.parameters(), twin.parameters(), strict=True):
                parameter.grad = of_twin.grad
            yield update


class ReadsLossesAhead(Sound):
    def start(self, network, batch, carry):
        with torch.no_grad():
            self.losses = batch.losses(network.unroll(batch.inputs, carry)[0])
        self.at = 0
        return carry

    def reported(self, loss, window, batch):
        self.at += window.length
        part = self.losses[self.at - window.length : self.at]
        return part.sum() / max(window.total, 1)


class StartsInDouble(Sound):
    def start(self, network, batch, carry):
        state = carry or network.initial_state(batch.size)
        return tuple(part.double() for part in state)


class StartsInSingle(Sound):
    def start(self, network, batch, carry):
        state = carry or network.initial_state(batch.size)
        return tuple(part.float() for part in state)


class LosesDigits(Sound):
    def loss(self, window, outputs):
        return window.mean_loss(outputs + 1e5 * torch.finfo(outputs.dtype).eps)


class ReadsPastUnroll(Sound):
    def forward(self, network, window, state):
        hidden, state = network.hidden(window.inputs, state)
        return network.readout(hidden), state


class CutsTheOutputs(Sound):
    def forward(self, network, window, state):
        outputs, state = network.unroll(window.inputs, state)
        return outputs[..., : network.readout.out_features], state


class StepsByItself(Sound):
    def forward(self, network, window, state):
        state, outputs = state or network.initial_state(window.size), []
        for x in window.inputs.unbind():
            state = network.step(x, state)
            outputs.append(network.readout(state[0]))
        return torch.stack(outputs), state


DEFECTS = {
    "works_everywhere": [AssumesAMask, AssumesManySequences, AssumesOneGate],
    "fills_every_gradient": [ForgetsABias, DividesByNoTargets, LearnsFromNothing],
    "shares_sum_to_one": [WeighsEachUpdateAlike, WeighsAgainstAllSteps, WeighsTheLastWindowFully],
    "losses_are_means": [Sums, AveragesOverMaskedSteps, ReportsTheBatchesLoss],
    "ignores_masked_targets": [ForgetsTheMask, MasksWholeWindowsAlone, CountsEmptyWindows],
    "carries_the_state_on": [ForgetsToDetach, HandsTheStateBeforeOn, HandsNothingOn],
    "leaves_the_rest_alone": [ClipsWeights, ScalesInputs, SeedsGlobally, SetsTheDefaultType, FreezesTheReadout],
    "repeats_with_its_generator": [DrawsGlobally, KeepsMomentum, HasItsOwnGenerator],
    "is_exact_up_to": [
        DeclaresOneStepMore,
        DeclaresOneStepLess,
        DeclaresEveryLength,
        TakesAStaleState,
        Accumulates,
    ],
    "is_unbiased": [CoinIsLoaded, CoinWeighsTwice, DeclaresTruncationUnbiased],
    "is_online": [Hoards, DeclaresFullOnline, CarriesTheSequenceOn],
    "sees_each_step_of_the_optimizer": [ComputesAllAtOnce, LearnsOnACopy, ReadsLossesAhead],
    "serves_each_precision_and_device": [StartsInDouble, StartsInSingle, LosesDigits],
    "differentiates_what_unroll_gives": [ReadsPastUnroll, CutsTheOutputs, StepsByItself],
}
"""At least three for each check."""
