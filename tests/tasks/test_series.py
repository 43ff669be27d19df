"""Real-valued series: split, scaling, windows and streams, gaps, and references recomputed."""

import itertools

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from throughtime.parts import BadInput, Unavailable
from throughtime.tasks import make_task, sunspots
from throughtime.tasks.classical import Autoregression, last_given, seasonal
from throughtime.tasks.horizon import ahead
from throughtime.tasks.series import Series, Split, complete

SPECS = ["lorenz", "mackey_glass", "sunspots", "sunspots_monthly", "traffic"]


class Counting(Series):
    """The numbers 0 … 39, of which 7, 8 and 25 may be missing."""

    gaps = True
    input_size = 2
    warmup = 3

    def __init__(self, length=2, horizon=2, stream=False, missing=()):
        self.missing = list(missing)
        super().__init__(Split(30, range(30, 34), range(34, 40)), length=length, horizon=horizon, stream=stream)

    def values(self):
        values = torch.arange(40, dtype=torch.float64)
        values[self.missing] = torch.nan
        return values[:, None]

    def references(self):
        return [self.mean_value(), self.persistence()]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def numbers(task, scaled):
    """Scaled values of a task with one output, as they were measured."""
    return (scaled[..., -1].double() * task.data.deviation + task.data.mean).round(decimals=3)


def references(task):
    return {reference.name: reference for reference in task.references()}


@pytest.fixture(params=SPECS)
def task(request):
    return make_task(request.param)


class TestEverySeries:
    def test_the_last_inputs_are_the_target_of_the_step_before(self, task):
        for batch in (task.sample(4, generator=generator()), task.validation(), task.test()):
            assert torch.equal(batch.inputs[1:, :, -task.output_size :], batch.targets[:-1])

    def test_parts_follow_each_other(self, task):
        split = task.split
        assert split.learn <= split.validation.start < split.validation.stop <= split.test.start < split.test.stop
        assert split.test.stop <= len(task.values())

    def test_scaled_by_the_part_to_learn_from_alone(self, task):
        values = task.values().numpy()[: task.split.learn]
        scaled = task.data.inputs[: task.split.learn, -task.output_size :].numpy()
        scaled = np.where(np.isnan(values), np.nan, scaled)
        assert np.nanmean(scaled, axis=0) == pytest.approx(np.zeros(task.output_size), abs=1e-5)
        assert np.nanstd(scaled, axis=0) == pytest.approx(np.ones(task.output_size), abs=1e-5)

    def test_later_values_change_no_training_data(self, task, monkeypatch):
        values = task.values().clone()  # in one place for both: a mean's last bit depends on how its numbers lie
        monkeypatch.setattr(type(task), "values", lambda self: values)
        vars(task).pop("data", None)
        first = task.sample(8, generator=generator())
        values[task.split.learn :] *= 3
        vars(task).pop("data")
        again = task.sample(8, generator=generator())
        assert torch.equal(first.inputs, again.inputs)
        assert torch.equal(first.targets, again.targets)

    @pytest.mark.parametrize("part", ["validation", "test"])
    def test_exactly_the_part_counts(self, task, part):
        batch, judged = getattr(task, part)(), getattr(task.split, part)
        present = task.data.present[judged.start : judged.stop]
        expected = [0] * (batch.length - len(judged)) + present.long().tolist()
        assert batch.counts == expected
        assert torch.equal(batch.targets[-1, 0], task.data.inputs[judged.stop - 1, -task.output_size :])

    def test_a_stream_goes_on_where_it_stopped(self, task):
        task = make_task(type(task).__module__.rpartition(".")[2], stream=True, length=12)
        batches = list(itertools.islice(task.batches(3, generator=generator()), 5))
        assert [batch.continues for batch in batches[:5]] == [False, *[True] * 3, batches[4].continues]
        for before, after in itertools.pairwise(batches[:4]):
            assert torch.equal(after.inputs[0, :, -task.output_size :], before.targets[-1])

    def test_without_a_stream_no_batch_continues_another(self, task):
        task = make_task(type(task).__module__.rpartition(".")[2], stream=False)
        batches = itertools.islice(task.batches(3, generator=generator()), 5)
        assert [batch.continues for batch in batches] == [False] * 5

    def test_free_running_starts_from_the_origins_of_the_test(self, task):
        test = ahead(task.test(), task.horizon)
        first = max(0, task.split.test.start - 1 - (task.warmup or 10**9))
        origins = first + test.steps.numpy()
        assert task.split.test.start - 1 == origins.min()
        assert origins.max() + task.horizon == task.split.test.stop - 1
        last = last_given(task.values().numpy())[origins]
        ahead_values = task.values().numpy()[origins[None] + np.arange(1, task.horizon + 1)[:, None]]
        scaled = (last - ahead_values) / task.data.deviation.numpy()
        errors = (scaled**2).mean(axis=(1, 2))
        unit = task.score(test.batch.targets + 1, test.batch)  # an error of one deviation
        expected = unit * (np.sqrt(errors) if "RMSE" in task.metric.name else errors)
        assert references(task)["persistence"].by_lead == pytest.approx(expected.tolist(), rel=1e-4)

    def test_every_reference_has_every_lead(self, task):
        for reference in task.references():
            assert reference.free is not None
            assert len(reference.by_lead) == task.horizon

    def test_every_reference_has_the_losses_of_its_score(self, task):
        test = task.test()
        unit = task.score(test.targets + 1, test)  # of a mean loss of 1
        for reference in task.references():
            assert len(reference.losses) == test.total
            mean = np.mean(reference.losses)
            assert reference.value == pytest.approx(unit * (np.sqrt(mean) if "RMSE" in task.metric.name else mean))

    def test_persistence_loses_what_the_values_change_by(self, task):
        values = task.values().numpy()
        last = last_given(values)[task.split.test.start - 1 : task.split.test.stop - 1]
        changes = (values[task.split.test.start : task.split.test.stop] - last) / task.data.deviation.numpy()
        expected = (changes**2).mean(axis=1)
        losses = references(task)["persistence"].losses
        assert losses == pytest.approx(expected[~np.isnan(expected)].tolist(), rel=1e-5, abs=1e-9)

    @pytest.mark.parametrize("parameter", ["length", "horizon"])
    @pytest.mark.parametrize("value", [0, 10**6])
    def test_impossible_length_or_horizon(self, task, parameter, value):
        name = type(task).__module__.rpartition(".")[2]
        with pytest.raises(BadInput, match=rf"{parameter} must be from 1 to \d+, .*; got {value}"):
            make_task(name, **{parameter: value})

    def test_the_longest_horizon_has_an_origin(self, task):
        name = type(task).__module__.rpartition(".")[2]
        with pytest.raises(BadInput) as caught:
            make_task(name, horizon=10**6)
        longest = int(str(caught.value).partition("from 1 to ")[2].partition(",")[0])
        longer = make_task(name, horizon=longest)
        assert min(len(ahead(batch, longest).steps) for batch in (longer.validation(), longer.test())) == 1
        with pytest.raises(BadInput, match="horizon"):
            make_task(name, horizon=longest + 1)


class TestStream:
    @pytest.mark.parametrize(("batch_size", "length"), [(1, 4), (3, 4), (4, 7), (5, 1), (29, 1), (1, 29)])
    def test_windows_of_a_pass_are_consecutive_and_tracks_share_no_step(self, batch_size, length):
        task = Counting(stream=True, length=length)
        stream, passes = task.batches(batch_size, generator=generator()), []
        for batch in itertools.islice(stream, 40):
            if not batch.continues:
                passes.append([])
            passes[-1].append(batch)
        assert len(passes) > 1
        for batches in passes:
            shown = numbers(task, torch.cat([batch.inputs for batch in batches]))
            assert bool((shown.diff(dim=0) == 1).all())
            assert shown.unique().numel() == shown.numel()
            assert torch.equal(numbers(task, torch.cat([batch.targets for batch in batches])), shown + 1)

    def test_tracks_begin_anew_on_every_pass(self):
        stream = Counting(stream=True, length=4).batches(2, generator=generator())
        starts = {float(batch.inputs[0, 0, -1]) for batch in itertools.islice(stream, 100) if not batch.continues}
        assert len(starts) > 3

    def test_passes_together_show_all_to_learn_from_and_nothing_else(self):
        task = Counting(stream=True, length=4)
        batches = list(itertools.islice(task.batches(3, generator=generator()), 300))
        assert set(numbers(task, torch.cat([b.inputs for b in batches])).flatten().tolist()) == set(range(29))
        assert set(numbers(task, torch.cat([b.targets for b in batches])).flatten().tolist()) == set(range(1, 30))

    def test_a_seed_decides_the_stream(self):
        def shown(seed):
            stream = Counting(stream=True, length=4).batches(2, generator=generator(seed))
            return torch.stack([batch.inputs for batch in itertools.islice(stream, 10)])

        assert torch.equal(shown(1), shown(1))
        assert not torch.equal(shown(1), shown(2))

    def test_more_tracks_than_there_are_steps(self):
        stream = Counting(stream=True, length=10).batches(3, generator=generator())
        message = "a stream of 3 tracks with windows of 10 steps needs 30 steps to learn from, and there are 29: take a"
        with pytest.raises(BadInput, match=message):
            next(stream)


class TestGaps:
    def test_missing_values_are_masked_flagged_and_given_as_the_mean(self):
        task = Counting(length=29, missing=[7, 8])
        batch = task.sample(1, generator=generator())
        assert [t + 1 for t, count in enumerate(batch.counts) if not count] == [7, 8]
        assert batch.inputs[:, 0, 0].nonzero()[:, 0].tolist() == [7, 8]
        assert batch.inputs[7:9, 0, 1].tolist() == [0, 0]

    def test_missing_values_do_not_count_in_the_mean(self):
        given = [value for value in range(30) if value not in (7, 8)]
        task = Counting(missing=[7, 8])
        assert float(task.data.mean) == pytest.approx(np.mean(given))
        assert float(task.data.deviation) == pytest.approx(np.std(given))

    def test_no_horizon_runs_over_a_gap(self):
        assert Counting(missing=[37], horizon=3).horizon == 3
        with pytest.raises(ValueError, match="horizon must be from 1 to 3, the judged steps in a row; got 4"):
            Counting(missing=[37], horizon=4)

    def test_persistence_repeats_the_last_given_value(self):
        task = Counting(missing=[37])
        errors = np.array([1, 1, 1, 2, 1])  # of 34, 35, 36, 38 after a gap, 39
        expected = np.mean(errors**2) / np.var(np.arange(30))
        assert references(task)["persistence"].value == pytest.approx(expected)

    def test_seasonal_takes_the_last_given_one(self):
        values = np.arange(10.0)[:, None]
        values[6] = np.nan
        assert seasonal(values, 3, np.array([8]), 5)[:, 0, 0].tolist() == [3, 7, 8, 3, 7]

    def test_autoregression_is_fitted_on_whole_rows_and_fills_by_itself(self):
        noise = np.random.default_rng(0).normal(size=200)
        y = np.zeros(200)
        for t in range(2, 200):
            y[t] = 1 + 0.5 * y[t - 1] - 0.3 * y[t - 2] + noise[t]
        y[[50, 120, 198]] = np.nan
        rows = sliding_window_view(y[:150], 3)
        rows = rows[~np.isnan(rows).any(axis=1)]
        c, b, a = np.linalg.lstsq(np.c_[np.ones(len(rows)), rows[:, 1], rows[:, 0]], rows[:, 2], rcond=None)[0]
        own = c + b * y[197] + a * y[196]
        expected = [c + b * y[199] + a * own]
        expected.append(c + b * expected[0] + a * y[199])
        model = Autoregression(y, 2, fitted=150)
        assert model.predict(np.array([199]), 2)[:, 0] == pytest.approx(expected)

    def test_autoregression_without_gaps_is_statsmodels_own(self):
        from statsmodels.tsa.ar_model import AutoReg

        y = sunspots.load().numpy()
        fitted = AutoReg(y[:221], lags=9).fit()
        assert Autoregression(y, 9, fitted=221).predict(np.array([220]), 30)[:, 0] == pytest.approx(
            fitted.predict(221, 250)
        )

    def test_a_value_that_is_no_number(self):
        values = torch.tensor([1.0, torch.nan, 2.0])
        with pytest.raises(Unavailable, match=r"^some\.csv has nan for the year 1701, not a number$"):
            complete(values, "some.csv", lambda number: f"the year {1700 + number}")
