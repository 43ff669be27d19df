"""Tasks with one defect each in their data, by the check that has to catch it."""

import math
import random
from dataclasses import replace
from itertools import islice

import numpy as np
import torch
from torch import nn

from throughtime.networks import Network
from throughtime.tasks import TASKS, Batch

Adding, Anbn, Sunspots, TwoLag = (TASKS.get(name) for name in ("adding", "anbn", "sunspots", "two_lag"))


def changed(parent, **parts):
    """A parent whose batches, of every kind, have parts replaced by functions of the batch."""

    class Changed(parent):
        def sample(self, batch_size, *, generator):
            batch = super().sample(batch_size, generator=generator)
            return replace(batch, **{name: function(batch) for name, function in parts.items()})

    return Changed


class Doubles(changed(Adding, inputs=lambda batch: batch.inputs.double())):
    pass


class DropsADimension(changed(Adding, targets=lambda batch: batch.targets[..., 0])):
    pass


class BatchFirst(changed(Adding, inputs=lambda batch: batch.inputs.transpose(0, 1))):
    pass


class MaskOfNumbers(changed(TwoLag, mask=lambda batch: batch.mask.float())):
    pass


class UnknownIsNan(
    changed(Adding, targets=lambda batch: batch.targets.masked_fill(~batch.mask[..., None], math.nan)),
):
    pass


class CountsClassesFromOne(changed(TwoLag, targets=lambda batch: batch.targets + 1)):
    pass


class NothingCounts(changed(TwoLag, mask=lambda batch: torch.zeros_like(batch.mask))):
    pass


class DeclaresAnotherSize(Adding):
    input_size = 3


class DrawsGlobally(changed(Adding, inputs=lambda batch: batch.inputs + torch.rand(batch.inputs.shape))):
    pass


class DrawsByNumPy(
    changed(Adding, inputs=lambda batch: batch.inputs + float(np.random.rand()))  # noqa: NPY002
):
    pass


class SeedsTheProcess(Adding):
    def sample(self, batch_size, *, generator):
        torch.manual_seed(0)
        return super().sample(batch_size, generator=generator)


class IgnoresItsGenerator(Adding):
    def sample(self, batch_size, *, generator):
        return super().sample(batch_size, generator=torch.Generator().manual_seed(0))


class GetsHarder(Adding):
    calls = 0

    def sample(self, batch_size, *, generator):
        self.calls += 1
        batch = super().sample(batch_size, generator=generator)
        return replace(batch, inputs=batch.inputs * self.calls)


class TestsOnAnything(Adding):
    def test(self):
        return self.sample(100, generator=torch.Generator().manual_seed(random.randrange(10**9)))


class GoesOnDrawing(Adding):
    def __init__(self, length: int = 50):
        super().__init__(length)
        self.draws = torch.Generator().manual_seed(1)

    def validation(self):
        return self.sample(100, generator=self.draws)


class EachInstanceHasItsOwn(Adding):
    def __init__(self, length: int = 50):
        super().__init__(length)
        self.seed = random.randrange(10**9)

    def test(self):
        return self.sample(100, generator=torch.Generator().manual_seed(self.seed))


class JudgesWhatItDrewLast(Adding):
    def sample(self, batch_size, *, generator):
        self.last = super().sample(batch_size, generator=generator)
        return self.last

    def validation(self):
        return getattr(self, "last", None) or super().validation()


class ValidatesOnTheTest(Adding):
    def validation(self):
        return self.test()


class ValidatesOnAPartOfTheTest(Adding):
    def validation(self):
        mine, test = super().validation(), self.test()
        size = mine.size // 10
        inputs, targets = mine.inputs.clone(), mine.targets.clone()
        inputs[:, :size], targets[:, :size] = test.inputs[:, :size], test.targets[:, :size]
        return replace(mine, inputs=inputs, targets=targets)


class LearnsFromTheTest(TwoLag):
    def test(self):
        return TwoLag.sample(self, 200, generator=torch.Generator().manual_seed(2))

    def sample(self, batch_size, *, generator):
        test = self.test()
        chosen = torch.randint(test.size, (batch_size,), generator=generator)
        return Batch(test.inputs[:, chosen], test.targets[:, chosen], test.loss, test.mask[:, chosen])


class LearnsFromTheWholeSeries(Sunspots):
    def sample(self, batch_size, *, generator):
        last = len(self.data.scaled) - self.length
        return self._windows(torch.randint(last, (batch_size,), generator=generator))


class SplitsOverlap(Sunspots):
    def __init__(self):
        super().__init__()
        self.split = replace(self.split, test=range(self.split.test.start - 10, self.split.test.stop))


class Ends(Adding):
    def batches(self, batch_size, *, generator):
        yield from islice(super().batches(batch_size, generator=generator), 5)


class FirstContinues(Adding):
    def batches(self, batch_size, *, generator):
        for batch in super().batches(batch_size, generator=generator):
            yield replace(batch, continues=True)


class ContinuesAnywhere(Sunspots):
    def batches(self, batch_size, *, generator):
        for number, batch in enumerate(super().batches(batch_size, generator=generator)):
            yield replace(batch, continues=number > 0)


class RepeatsItself(Adding):
    def batches(self, batch_size, *, generator):
        batch = self.sample(batch_size, generator=generator)
        while True:
            yield batch


class StreamsGlobally(Adding):
    def batches(self, batch_size, *, generator):
        yield from super().batches(batch_size, generator=torch.default_generator)


class StreamsWhatIsLeft(Adding):
    def batches(self, batch_size, *, generator):
        yield self.sample(batch_size, generator=generator)
        while True:
            yield self.sample(max(1, batch_size // 2), generator=generator)


class FeedsTheValueBefore(
    changed(Sunspots, inputs=lambda batch: torch.cat([batch.inputs[:1], batch.inputs[:-1]])),
):
    pass


class ValueComesFirst(
    changed(Sunspots, inputs=lambda batch: torch.cat([batch.inputs, torch.ones_like(batch.inputs)], dim=2)),
):
    input_size = 2


class ScalesItsTargets(changed(Sunspots, targets=lambda batch: 2 * batch.targets)):
    pass


class NumbersItsSymbolsOtherwise(changed(Anbn, inputs=lambda batch: batch.inputs.roll(1, dims=2))):
    pass


class SaysSymbol(Sunspots):
    feedback = "symbol"


class FeedsNothingBack(Adding):
    feedback = "real"
    horizon = 1


class RunsWithoutFeedback(Adding):
    horizon = 5


class HasNoHorizon(Sunspots):
    def __init__(self):
        super().__init__()
        self.horizon = 0


class LooksBeyondItsData(Sunspots):
    def __init__(self):
        super().__init__()
        self.horizon = 60


class NoFloorRunsFree(Sunspots):
    def references(self):
        return [replace(reference, free=None, by_lead=()) for reference in super().references()]


class ScoresFewerLeads(Sunspots):
    def references(self):
        return [replace(reference, by_lead=reference.by_lead[:-1]) for reference in super().references()]


class FoldsLearnWhatTheyAreJudgedOn(Sunspots):
    def fold(self, number):
        other = super().fold(number)
        other.split = replace(other.split, learn=self.split.learn)
        vars(other).pop("data", None)
        return other


class ReadsOutTwice(Sunspots):
    def make_network(self, cell, *, hidden_size, seed, dtype, device):
        network = super().make_network(cell, hidden_size=hidden_size, seed=seed, dtype=dtype, device=device)
        return Network(network.cell, nn.Sequential(network.readout, nn.Tanh()))


DEFECTS = {
    "batches_have_their_form": [
        Doubles,
        DropsADimension,
        BatchFirst,
        MaskOfNumbers,
        UnknownIsNan,
        CountsClassesFromOne,
        NothingCounts,
        DeclaresAnotherSize,
    ],
    "repeats_with_its_generator": [DrawsGlobally, DrawsByNumPy, SeedsTheProcess, IgnoresItsGenerator, GetsHarder],
    "judged_data_is_fixed": [TestsOnAnything, GoesOnDrawing, EachInstanceHasItsOwn, JudgesWhatItDrewLast],
    "judged_data_is_apart": [
        ValidatesOnTheTest,
        ValidatesOnAPartOfTheTest,
        LearnsFromTheTest,
        LearnsFromTheWholeSeries,
        SplitsOverlap,
        FoldsLearnWhatTheyAreJudgedOn,
    ],
    "goes_on_without_end": [
        Ends,
        FirstContinues,
        ContinuesAnywhere,
        RepeatsItself,
        StreamsGlobally,
        StreamsWhatIsLeft,
    ],
    "feeds_back_its_targets": [
        FeedsTheValueBefore,
        ValueComesFirst,
        ScalesItsTargets,
        NumbersItsSymbolsOtherwise,
        SaysSymbol,
        FeedsNothingBack,
    ],
    "runs_free_over_its_horizon": [
        RunsWithoutFeedback,
        HasNoHorizon,
        LooksBeyondItsData,
        NoFloorRunsFree,
        ScoresFewerLeads,
        ReadsOutTwice,
    ],
}
