"""Where series come from: files that packages ship, and systems that are integrated; references recomputed."""

import importlib.metadata
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from throughtime.parts import BadInput, Unavailable
from throughtime.tasks import TASKS, lorenz, mackey_glass, make_task, sunspots, sunspots_monthly, traffic
from throughtime.tasks.horizon import MOST_ORIGINS, ahead

FILES = {"sunspots_monthly": sunspots_monthly, "traffic": traffic}


def references(task):
    return {reference.name: reference for reference in task.references()}


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
