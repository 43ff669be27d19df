"""Tasks with one defect each in how they judge, losses, scores and references, or in the networks that they make."""

import math
from dataclasses import replace

import torch
from task_defects import Adding, Sunspots, TwoLag, changed
from torch import nn

from throughtime.networks import Network
from throughtime.tasks import Metric


def over_sequences(outputs, targets):
    return (outputs - targets).square().mean(dim=(1, 2))[:, None].expand(outputs.shape[:2])


def over_time(outputs, targets):
    return (outputs - targets).square().mean(dim=2).cumsum(dim=0)


def logarithm(outputs, targets):
    return -(outputs * targets).mean(dim=2).log()


def errors(outputs, targets):
    return (outputs.argmax(dim=2) != targets).float()


def components(outputs, targets):
    return (outputs - targets).square()


def half(outputs, targets):
    return ((outputs - targets) * (outputs - targets).detach()).mean(dim=2)


class AveragesOverSequences(changed(Adding, loss=lambda batch: over_sequences)):
    pass


class SumsOverTime(changed(Adding, loss=lambda batch: over_time)):
    pass


class TakesLogarithms(changed(Adding, loss=lambda batch: logarithm)):
    pass


class CountsErrors(changed(TwoLag, loss=lambda batch: errors)):
    pass


class LosesByComponent(changed(Adding, loss=lambda batch: components)):
    pass


class HalfIsDetached(changed(Adding, loss=lambda batch: half)):
    pass


class SaysHigherIsBetter(TwoLag):
    metric = Metric("cross-entropy (nats)", better="higher")


class ScoresItsNegative(Adding):
    def score(self, outputs, batch):
        return -super().score(outputs, batch)


class ScoresMaskedSteps(Adding):
    def score(self, outputs, batch):
        return float((outputs - batch.targets).square().mean())


class ScoresNan(Adding):
    def score(self, outputs, batch):
        return math.nan


class ScoresATensor(Adding):
    def score(self, outputs, batch):
        return batch.mean_loss(outputs)


class ScoresNothing(Adding):
    def score(self, outputs, batch):
        return 0.5


def referring(parent, function):
    """A parent whose references are what a function makes of each of them."""

    class Referring(parent):
        def references(self):
            return [new for one in super().references() for new in function(one)]

    return Referring


class HasNoFloor(referring(Adding, lambda one: [one] if one.kind != "floor" else [])):
    pass


class ScoresInfinity(referring(Adding, lambda one: [replace(one, value=math.inf)])):
    pass


class NamesTwoAlike(referring(Adding, lambda one: [one, one])):
    pass


class HasNoSource(referring(Adding, lambda one: [replace(one, source="")])):
    pass


class OptimumInBits(
    referring(TwoLag, lambda one: [replace(one, value=one.value / math.log(2)) if one.kind == "optimum" else one])
):
    pass


class AnotherKind(referring(Adding, lambda one: [replace(one, kind="ceiling")] if one.kind == "optimum" else [one])):
    pass


def made(parent, function):
    """A parent whose networks are what a function makes of them."""

    class Made(parent):
        def make_network(self, cell, *, hidden_size, seed, dtype, device):
            sizes = {"hidden_size": hidden_size, "seed": seed, "dtype": dtype, "device": device}
            return function(super().make_network(cell, **sizes))

    return Made


class CutLoop(Network):
    def hidden(self, inputs, state=None):
        state, parts = state or self.initial_state(inputs.shape[1]), []
        for x in inputs.unbind():
            state = self.step(x, tuple(part.detach() for part in state))
            parts.append(state[0])
        return torch.stack(parts), state


class StepsOtherwise(Network):
    def step(self, input, state):
        return super().step(2 * input, state)

    hidden = Network.hidden


class LosesATarget(Sunspots):
    def references(self):
        return [replace(reference, losses=reference.losses[1:]) for reference in super().references()]


class LinearizesOtherwise(Network):
    def linearize(self, input, state):
        local = super().linearize(input, state)
        return replace(local, transition=0.5 * local.transition)


class CutsItsLoop(made(Adding, lambda network: CutLoop(network.cell, network.readout))):
    pass


class UnrollsAnotherStep(made(Adding, lambda network: StepsOtherwise(network.cell, network.readout))):
    pass


class HalvesItsJacobian(made(Adding, lambda network: LinearizesOtherwise(network.cell, network.readout))):
    pass


class AlwaysSingle(made(Adding, lambda network: network.float())):
    pass


class DrawsItsReadout(
    made(Adding, lambda network: Network(network.cell, nn.Linear(4, 1, dtype=network.readout.weight.dtype)))
):
    pass


class HasAnOutputMore(Adding):
    def make_network(self, cell, **sizes):
        self.output_size = 2
        network = super().make_network(cell, **sizes)
        self.output_size = 1
        return network


DEFECTS = {
    "losses_are_each_steps_own": [
        AveragesOverSequences,
        SumsOverTime,
        TakesLogarithms,
        CountsErrors,
        LosesByComponent,
        HalfIsDetached,
    ],
    "scores_the_better_as_better": [
        SaysHigherIsBetter,
        ScoresItsNegative,
        ScoresMaskedSteps,
        ScoresNan,
        ScoresATensor,
        ScoresNothing,
    ],
    "references_give_a_meaning": [
        HasNoFloor,
        ScoresInfinity,
        NamesTwoAlike,
        HasNoSource,
        OptimumInBits,
        AnotherKind,
        LosesATarget,
    ],
    "makes_networks_that_learn": [
        CutsItsLoop,
        UnrollsAnotherStep,
        HalvesItsJacobian,
        AlwaysSingle,
        DrawsItsReadout,
        HasAnOutputMore,
    ],
}
