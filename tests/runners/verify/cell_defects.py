"""Cells with one defect each, by the check that has to catch it."""

import torch
from sound_cells import Plain
from torch import nn

from throughtime.networks import CELLS

RNN, LSTM, GRU, LRU, ELSTM = (CELLS.get(name) for name in ("rnn", "lstm", "gru", "lru", "elstm"))


class StartsFromOnes(GRU):
    def initial_state(self, batch_size):
        return tuple(part + 1 for part in super().initial_state(batch_size))


class ForgetsACellState(LSTM):
    def initial_state(self, batch_size):
        return super().initial_state(batch_size)[:1]


class StateIsAList(RNN):
    def initial_state(self, batch_size):
        return list(super().initial_state(batch_size))


class StateOfOneSequence(GRU):
    def initial_state(self, batch_size):
        return tuple(part[0] for part in super().initial_state(batch_size))


class BatchFirst(RNN):
    def unroll(self, inputs, state):
        hidden, state = super().unroll(inputs, state)
        return hidden.transpose(0, 1), state


class CellStateFirst(LSTM):
    def unroll(self, inputs, state):
        hidden, (h, c) = super().unroll(inputs, state)
        return hidden, (c, h)


class MadeByLayers(RNN):
    def __init__(self, input_size, hidden_size, *, generator=None, dtype=torch.float32):
        super().__init__(input_size, hidden_size, generator=generator, dtype=dtype)
        self.weight_hh_l0 = nn.Linear(hidden_size, hidden_size, dtype=dtype).weight


class DrawsInItsPrecision(RNN):
    def __init__(self, input_size, hidden_size, *, generator=None, dtype=torch.float32):
        super().__init__(input_size, hidden_size, generator=generator, dtype=dtype)
        with torch.no_grad():
            self.weight_hh_l0.normal_(0, 0.5, generator=generator)


class SeedsItself(RNN):
    def __init__(self, input_size, hidden_size, *, generator=None, dtype=torch.float32):
        super().__init__(input_size, hidden_size, generator=torch.Generator().manual_seed(0), dtype=dtype)


class SeedsTheProcess(RNN):
    def __init__(self, input_size, hidden_size, *, generator=None, dtype=torch.float32):
        torch.manual_seed(0)
        super().__init__(input_size, hidden_size, generator=generator, dtype=dtype)


class AlwaysSingle(RNN):
    def __init__(self, input_size, hidden_size, *, generator=None, dtype=torch.float32):
        super().__init__(input_size, hidden_size, generator=generator, dtype=torch.float32)


class UnrollsWithoutABias(RNN):
    def unroll(self, inputs, state):
        hidden = []
        for x in inputs.unbind():
            h = (x @ self.weight_ih_l0.T + state[0] @ self.weight_hh_l0.T + self.bias_hh_l0).tanh()
            state = (h,)
            hidden.append(h)
        return torch.stack(hidden), state


class UnrollCutsTheGradient(GRU):
    def unroll(self, inputs, state):
        hidden = []
        for x in inputs.unbind():
            state = self.step(x, tuple(part.detach() for part in state))
            hidden.append(state[0])
        return torch.stack(hidden), state


class LastStateIsDetached(LSTM):
    def unroll(self, inputs, state):
        hidden, state = super().unroll(inputs, state)
        return hidden, tuple(part.detach() for part in state)


class UnrollsFasterWithoutGradients(RNN):
    def unroll(self, inputs, state):
        hidden, state = super().unroll(inputs, state)
        return (hidden if torch.is_grad_enabled() else hidden.half().to(hidden)), state


class ResetsBefore(GRU):
    def step(self, input, state):
        z = self.preactivations(input, state[0])
        z[3] = super().preactivations(input, z[0].sigmoid() * state[0])[3]
        return self.activate(state, [z[0] + 50, *z[1:]])

    unroll = GRU.unroll


class BeginsAnew(RNN):
    def unroll(self, inputs, state):
        return super().unroll(inputs, self.initial_state(inputs.shape[1]))


class HandsOnTheStateBefore(GRU):
    def unroll(self, inputs, state):
        hidden, end = super().unroll(inputs, state)
        return hidden, (hidden[-2],) if len(hidden) > 1 else end


class CentresOverTime(RNN):
    def unroll(self, inputs, state):
        return super().unroll(inputs - inputs.mean(dim=0), state)


class CountsItsSteps(Plain):
    steps = 0

    def activate(self, state, z):
        type(self).steps += 1
        return (z[0].sin() / type(self).steps,)


class CentresOverTheBatch(Plain):
    def preactivations(self, input, hidden):
        return [z - z.mean(dim=0) for z in super().preactivations(input, hidden)]


class KnowsItsPlace(Plain):
    def step(self, input, state):
        (h,) = super().step(input, state)
        return (h * torch.linspace(1, 2, len(h)).to(h)[:, None],)


class SortsTheBatch(RNN):
    def unroll(self, inputs, state):
        order = inputs[0, :, 0].argsort()
        hidden, end = super().unroll(inputs[:, order], tuple(part[order] for part in state))
        return hidden, end


class LinearizesTheBatchAtItsMean(GRU):
    def linearize(self, input, state):
        mean = tuple(part.mean(dim=0, keepdim=True).expand_as(part) for part in state)
        return super().linearize(input, mean)


class SlopeWithoutASquare(RNN):
    def derivatives(self, state, z):
        new, by_state, _ = super().derivatives(state, z)
        return new, by_state, 1 - new[0].abs()[None, None]


class ForgetsTheDirectPath(GRU):
    def derivatives(self, state, z):
        new, by_state, by_gate = super().derivatives(state, z)
        return new, torch.zeros_like(by_state), by_gate


class SwapsTwoGates(LSTM):
    def derivatives(self, state, z):
        new, by_state, by_gate = super().derivatives(state, z)
        return new, by_state, by_gate[:, [1, 0, 2, 3]]


class SwapsPartsAndGates(LSTM):
    def derivatives(self, state, z):
        new, by_state, by_gate = super().derivatives(state, z)
        return new, by_state.transpose(0, 1), by_gate


class HasAGain(Plain):
    """A parameter that the structure has no place for."""

    def __init__(self, input_size, hidden_size, *, generator=None, dtype=torch.float32):
        super().__init__(input_size, hidden_size, generator=generator, dtype=dtype)
        gain = torch.empty(hidden_size, dtype=torch.float64).uniform_(0.5, 1, generator=generator)
        self.gain = nn.Parameter(gain.to(dtype))

    def activate(self, state, z):
        return ((self.gain * z[0]).sin(),)


class TurnsTheOtherWay(LRU):
    def derivatives(self, state, z, own):
        new, by_state, by_gate, by_unit = super().derivatives(state, z, own)
        return new, by_state.transpose(0, 1), by_gate, by_unit


class ForgetsWhatItsOwnParameterDoes(LRU):
    def derivatives(self, state, z, own):
        new, by_state, by_gate, by_unit = super().derivatives(state, z, own)
        return new, by_state, by_gate, torch.cat([0 * by_unit[:, :1], by_unit[:, 1:]], dim=1)


class ForgetsTheGatesPath(ELSTM):
    def derivatives(self, state, z, own):
        new, _, by_gate, by_unit = super().derivatives(state, z, own)
        return new, (z[0] + own[0] * state[0]).sigmoid()[None, None], by_gate, by_unit


class UpdatesInPlace(GRU):
    def step(self, input, state):
        (new,) = super().step(input, state)
        state[0].copy_(new.detach())
        return (new,)


class NormalisesItsWeights(RNN):
    def unroll(self, inputs, state):
        with torch.no_grad():
            self.weight_hh_l0.div_(self.weight_hh_l0.norm())
        return super().unroll(inputs, state)


class ScalesItsInputs(LSTM):
    def unroll(self, inputs, state):
        return super().unroll(inputs.mul_(0.5), state)


class DropsOut(Plain):
    def activate(self, state, z):
        return (torch.dropout(z[0].sin(), 0.5, train=True),)


class TurnsGradientsOff(RNN):
    def linearize(self, input, state):
        torch.set_grad_enabled(False)
        return super().linearize(input, state)


class MakesDoubles(Plain):
    def activate(self, state, z):
        return ((z[0] * torch.ones(z[0].shape[1], dtype=torch.float64)).sin(),)


class HalfPrecisionInside(Plain):
    def activate(self, state, z):
        return ((z[0].half() if z[0].dtype == torch.float32 else z[0]).sin().to(z[0]),)


class KeepsAConstantBeside(Plain):
    def __init__(self, input_size, hidden_size, *, generator=None, dtype=torch.float32):
        super().__init__(input_size, hidden_size, generator=generator, dtype=dtype)
        self.mixing = torch.eye(hidden_size, dtype=dtype)

    def step(self, input, state):
        return super().step(input, (state[0] @ self.mixing,))


class LearnsNothing(RNN):
    def unroll(self, inputs, state):
        hidden, state = super().unroll(inputs, state)
        return hidden.detach(), state


DEFECTS = {
    "states_have_their_form": [
        StartsFromOnes,
        ForgetsACellState,
        StateIsAList,
        StateOfOneSequence,
        BatchFirst,
        CellStateFirst,
    ],
    "starts_from_its_generator": [MadeByLayers, DrawsInItsPrecision, SeedsItself, SeedsTheProcess, AlwaysSingle],
    "unroll_equals_steps": [
        UnrollsWithoutABias,
        UnrollCutsTheGradient,
        LastStateIsDetached,
        UnrollsFasterWithoutGradients,
        ResetsBefore,
    ],
    "two_windows_are_one": [BeginsAnew, HandsOnTheStateBefore, CentresOverTime, CountsItsSteps],
    "sequences_do_not_mix": [CentresOverTheBatch, KnowsItsPlace, SortsTheBatch, LinearizesTheBatchAtItsMean],
    "linearize_equals_autograd": [
        SlopeWithoutASquare,
        ForgetsTheDirectPath,
        SwapsTwoGates,
        SwapsPartsAndGates,
        HasAGain,
        TurnsTheOtherWay,
        ForgetsWhatItsOwnParameterDoes,
        ForgetsTheGatesPath,
    ],
    "leaves_the_rest_alone": [UpdatesInPlace, NormalisesItsWeights, ScalesItsInputs, DropsOut, TurnsGradientsOff],
    "serves_each_precision_and_device": [MakesDoubles, HalfPrecisionInside, KeepsAConstantBeside],
    "trains_backward_and_forward_alike": [LearnsNothing, UnrollCutsTheGradient, SlopeWithoutASquare, HasAGain],
}
