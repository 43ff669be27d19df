"""Real-valued series: split, scaling, windows and streams, gaps, references recomputed, and how they are integrated."""

import importlib.metadata
import itertools
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from throughtime.parts import BadInput, Unavailable
from throughtime.tasks import TASKS, lorenz, mackey_glass, make_task, sunspots, sunspots_monthly, traffic
from throughtime.tasks.classical import Autoregression, last_given, seasonal
from throughtime.tasks.horizon import MOST_ORIGINS, ahead
from throughtime.tasks.series import Series, Split, complete

SPECS = ["lorenz", "mackey_glass", "sunspots", "sunspots_monthly", "traffic"]
FILES = {"sunspots_monthly": sunspots_monthly, "traffic": traffic}


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


class TestFiles:
    @pytest.mark.parametrize("name", FILES)
    def test_truncated_file(self, name, monkeypatch, tmp_path):
        module, package = FILES[name], {"sunspots_monthly": "statsmodels", "traffic": "autots"}[name]
        whole = importlib.metadata.distribution(package).locate_file(module.FILE).read_bytes()
        (tmp_path / "data").write_bytes(whole[: len(whole) // 2])
        self.ship(tmp_path / "data", module, monkeypatch)
        with pytest.raises(Unavailable, match=r"of .* 9\.9 is not the file .* damaged or another version; pip install"):
            make_task(name)
        assert not TASKS.get(name).available()[0]

    def test_without_the_package_traffic_names_the_extra(self, monkeypatch):
        monkeypatch.setattr(importlib.metadata, "distribution", self.missing)
        reason = (
            False,
            "the data comes with the package autots, which is not installed: pip install 'throughtime[real]'",
        )
        assert TASKS.get("traffic").available() == reason

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("1750,83.4", "1750,nan", "has nan for the year 1750, not a number"),
            ("1750,83.4", "1751,83.4", "has the year 1751 where 1750 is expected"),
            ("1700,5", "1699,5", "has the year 1699 where 1700 is expected"),
        ],
    )
    def test_another_file_of_yearly_sunspots(self, old, new, message, monkeypatch, tmp_path):
        whole = importlib.metadata.distribution("statsmodels").locate_file(sunspots.FILE).read_text()
        assert old in whole
        (tmp_path / "data").write_text(whole.replace(old, new))
        monkeypatch.setattr(sunspots, "locate", lambda *args: tmp_path / "data")
        with pytest.raises(Unavailable, match=f"^{sunspots.FILE} {message}$"):
            sunspots.load.__wrapped__()

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("58.0", " nan", "has nan for month 1 of 1749, not a number"),
            ("\n1750", "\n1752", "has the year 1752 where 1750 is expected"),
        ],
    )
    def test_another_file_of_monthly_sunspots(self, old, new, message, monkeypatch, tmp_path):
        whole = importlib.metadata.distribution("statsmodels").locate_file(sunspots_monthly.FILE).read_text()
        assert old in whole
        (tmp_path / "data").write_text(whole.replace(old, new, 1))
        monkeypatch.setattr(sunspots_monthly, "locate", lambda *args: tmp_path / "data")
        with pytest.raises(Unavailable, match=f"^{sunspots_monthly.FILE} {message}$"):
            sunspots_monthly.load.__wrapped__()

    def test_another_file_of_traffic(self, monkeypatch, tmp_path):
        with zipfile.ZipFile(tmp_path / "data", "w") as archive:
            columns = "datetime,clouds_all,rain_1h,temp,traffic_volume"
            archive.writestr("any.csv", f"{columns}\n2016-10-01 00:00:00,1,2,3,4\n2016-10-01 02:00:00,1,2,3,4\n")
        monkeypatch.setattr(traffic, "locate", lambda *args, **options: tmp_path / "data")
        with pytest.raises(
            Unavailable, match=r"has the hour 2016-10-01 02:00:00 where 2016-10-01 01:00:00 is expected"
        ):
            traffic.load.__wrapped__()

    @staticmethod
    def ship(path, module, monkeypatch):
        shipped = SimpleNamespace(version="9.9", locate_file=lambda file: path)
        monkeypatch.setattr(importlib.metadata, "distribution", lambda package: shipped)
        monkeypatch.setattr(module, "load", module.load.__wrapped__)

    @staticmethod
    def missing(package):
        raise importlib.metadata.PackageNotFoundError(package)


class TestSunspotsMonthly:
    def test_the_files_first_and_last_months(self):
        values = sunspots_monthly.load()
        assert len(values) == 3126
        assert values[:3].tolist() == [58.0, 62.6, 70.0]
        assert values[-3:].tolist() == [1.2, 2.9, 2.6]

    def test_references_by_numpy(self):
        y = sunspots_monthly.load().numpy()
        variance, judged = y[:2188].var(), np.arange(2500, 3126)
        rows = sliding_window_view(y, 133)
        X = np.c_[np.ones(len(rows)), rows[:, :-1]]
        weights = np.linalg.lstsq(X[: 2500 - 132], rows[: 2500 - 132, -1], rcond=None)[0]
        predicted = {
            "mean of the first 80 %": np.full(626, y[:2500].mean()),
            "persistence": y[judged - 1],
            "AR(132)": X[judged - 132] @ weights,
        }
        expected = {name: np.mean((y[judged] - values) ** 2) / variance for name, values in predicted.items()}
        found = {name: reference.value for name, reference in references(make_task("sunspots_monthly")).items()}
        assert found == pytest.approx(expected, rel=1e-6)


class TestTraffic:
    @pytest.fixture
    def hourly(self):
        return make_task("traffic")

    def test_numbers_are_those_of_autots(self):
        import pandas as pd

        path = importlib.metadata.distribution("autots").locate_file(traffic.FILE)
        there = pd.read_csv(path, index_col=0, parse_dates=True, compression="zip")
        record = traffic.load()
        assert np.array_equal(record.volume.numpy(), there["traffic_volume"].to_numpy(), equal_nan=True)
        assert np.allclose(record.weather.numpy(), there[list(traffic.WEATHER)].to_numpy(), rtol=1e-12, equal_nan=True)
        assert there.index[0] == traffic.FIRST_HOUR
        assert (len(record.volume), int(record.volume.isnan().sum())) == (17520, 104)

    def test_what_is_left_out_is_snow_that_never_fell(self):
        import pandas as pd

        path = importlib.metadata.distribution("autots").locate_file(traffic.FILE)
        assert (pd.read_csv(path, compression="zip")["snow_1h"].dropna() == 0).all()

    def test_calendar(self, hourly):
        """1 October 2016 was a Saturday, the sixth day."""
        hour, day = hourly.external()[:, 3:5], hourly.external()[:, 5:7]
        for number, (of_day, of_week) in {0: (0, 5), 6: (6, 5), 24: (0, 6), 48 + 13: (13, 0)}.items():
            turn = 2 * np.pi * of_day / 24, 2 * np.pi * of_week / 7
            assert hour[number].tolist() == pytest.approx([np.sin(turn[0]), np.cos(turn[0])])
            assert day[number].tolist() == pytest.approx([np.sin(turn[1]), np.cos(turn[1])])

    def test_weather_is_scaled_by_the_part_to_learn_from(self, hourly):
        learned = hourly.external()[: hourly.split.learn, :3].numpy()
        assert np.nanmean(learned, axis=0) == pytest.approx(np.zeros(3), abs=1e-9)
        assert np.nanstd(learned, axis=0) == pytest.approx(np.ones(3))

    def test_published_baselines(self):
        """With a value or a lag missing, the hour was left out; the autoregression of 24 hours is one of its own."""
        y = traffic.load().volume.numpy()
        judged = np.arange(14016, 17520)

        def rmse(predicted):
            return round(float(np.sqrt(np.nanmean((y[judged] - predicted) ** 2))))

        def regression(lead):
            rows = sliding_window_view(y, 167 + 1 + lead)  # ends with the hour that is predicted
            X = np.c_[np.ones(len(rows)), rows[:, :168]]
            whole = ~np.isnan(X).any(axis=1) & ~np.isnan(rows[:, -1])
            whole[14016 - 167 - lead :] = False
            return X[judged - 167 - lead] @ np.linalg.lstsq(X[whole], rows[whole, -1], rcond=None)[0]

        assert [rmse(y[judged - 1]), rmse(y[judged - 168]), rmse(regression(1))] == [809, 544, 288]
        assert [rmse(y[judged - 24]), rmse(y[judged - 168]), rmse(regression(24))] == [981, 544, 495]

    def test_references_on_all_judged_hours(self, hourly):
        found = {name: reference.value for name, reference in references(hourly).items()}
        expected = {"persistence": 808.60, "weekly naive": 544.25, "AR(168)": 280.08}
        assert {name: found[name] for name in expected} == pytest.approx(expected, abs=0.01)

    def test_an_error_of_100_vehicles_scores_100(self, hourly):
        test = hourly.test()
        outputs = test.targets + 100 / float(hourly.data.deviation)
        assert hourly.score(outputs, test) == pytest.approx(100, rel=1e-5)

    def test_at_most_so_many_origins(self, hourly):
        assert len(ahead(hourly.test(), hourly.horizon).steps) == MOST_ORIGINS


class TestMackeyGlass:
    def test_persistence_by_the_sampling(self):
        x = mackey_glass.integrate(17.0, 1.0).numpy()
        found = [np.mean((x[step:] - x[:-step]) ** 2) / x.var() for step in (1, 2, 6)]
        assert found == pytest.approx([0.021, 0.084, 0.67], rel=0.03)
        reference = references(make_task("mackey_glass"))["persistence"]
        expected = np.mean((x[2400:] - x[2399:-1]) ** 2) / x[:2100].var()
        assert reference.value == pytest.approx(expected, rel=1e-6)

    def test_halved_tolerances_change_little(self):
        once, twice = (mackey_glass.integrate(17.0, 1.0, 100, tolerance) for tolerance in (1e-8, 5e-9))
        assert 0 < float((once - twice).abs().max()) < 1e-4

    def test_the_start_by_runge_kutta(self, monkeypatch):
        """Four delays in steps of 0.1: every stage's delayed value lies on the grid, or halfway between two points."""
        monkeypatch.setattr(mackey_glass, "WASHOUT", 0.0)
        half = 0.05  # on a grid of half steps every stage of a whole step has its delayed value
        x = [1.2]
        past = lambda i: 1.2 if i <= 200 else x_half[i - 200]  # noqa: E731
        x_half = {0: 1.2}
        for i in range(0, 800, 2):
            now, d = x[-1], [past(i), past(i + 1), past(i + 2)]
            k1 = mackey_glass.slope(now, d[0])
            k2 = mackey_glass.slope(now + half * k1, d[1])
            k3 = mackey_glass.slope(now + half * k2, d[1])
            k4 = mackey_glass.slope(now + 2 * half * k3, d[2])
            x.append(now + half / 3 * (k1 + 2 * k2 + 2 * k3 + k4))
            x_half[i + 2] = x[-1]
            slopes = k1, mackey_glass.slope(x[-1], d[2])  # the middle by cubic Hermite interpolation
            x_half[i + 1] = (now + x[-1]) / 2 + 2 * half * (slopes[0] - slopes[1]) / 8
        found = mackey_glass.integrate.__wrapped__(10.0, 0.1, 401)
        assert np.ptp(x) > 0.3
        assert found.numpy() == pytest.approx(np.array(x), abs=1e-5)

    @pytest.mark.parametrize(("name", "value"), [("tau", 0.5), ("tau", 101), ("every", 0.0), ("every", float("nan"))])
    def test_impossible_parameters(self, name, value):
        with pytest.raises(BadInput, match=f"{name} must be from .* time units, got {value}"):
            make_task("mackey_glass", **{name: value})

    def test_delay_and_sampling_are_the_tasks(self):
        task = make_task("mackey_glass(tau=20, every=0.25, length=4)")
        assert torch.equal(task.values()[:, 0], mackey_glass.integrate(20.0, 0.25))


class TestLorenz:
    def test_persistence_by_the_sampling(self):
        s = lorenz.integrate(0.02).numpy()
        errors = np.mean((s[4000:] - s[3999:-1]) ** 2, axis=0) / s[:3500].var(axis=0)
        assert references(make_task("lorenz"))["persistence"].value == pytest.approx(errors.mean(), rel=1e-6)
        everywhere = np.mean(np.diff(s, axis=0) ** 2, axis=0) / s.var(axis=0)
        # Another rounding is another trajectory from t ≈ 40 on, and a hundred time units are a short sample.
        assert [everywhere.mean(), everywhere[0]] == pytest.approx([0.023, 0.012], rel=0.15)

    def test_halved_tolerances_change_little(self):
        once, twice = (lorenz.integrate(0.02, 100, tolerance) for tolerance in (1e-12, 5e-13))
        assert 0 < float((once - twice).abs().max()) < 1e-4

    def test_a_sample_follows_from_the_one_before_by_runge_kutta(self):
        def slope(s):
            x, y, z = s.T
            return np.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z], axis=1)

        series = lorenz.integrate(0.02).numpy()
        s, h = series[:-1], 0.02 / 20
        for _ in range(20):
            k1 = slope(s)
            k2 = slope(s + h / 2 * k1)
            k3 = slope(s + h / 2 * k2)
            k4 = slope(s + h * k3)
            s = s + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        assert s == pytest.approx(series[1:], abs=1e-5)

    def test_impossible_sampling(self):
        with pytest.raises(BadInput, match=r"every must be from 0.001 to 0.1 time units, got 0.5"):
            make_task("lorenz", every=0.5)
