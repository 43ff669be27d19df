"""Sunspots: the years of each part and of each fold, and the published numbers recomputed."""

import importlib.metadata
from pathlib import Path

import numpy as np
import pytest
import torch

from throughtime.parts import BadInput
from throughtime.tasks import make_task, sunspots


def value(task, name):
    return next(reference.value for reference in task.references() if reference.name == name)


class TestSunspots:
    @pytest.mark.parametrize(
        ("part", "name", "expected"),
        [
            ("1921-1955", "persistence", 0.427),
            ("1921-1955", "AR(2)", 0.189),
            ("1921-1955", "AR(9)", 0.126),
            ("1956-1979", "persistence", 0.965),
            ("1956-1979", "AR(2)", 0.451),
            ("1956-1979", "AR(9)", 0.351),
        ],
    )
    def test_published_baselines(self, part, name, expected):
        assert value(make_task("sunspots", part=part), name) == pytest.approx(expected, abs=6e-4)

    @pytest.mark.parametrize(("part", "first", "last"), [("1921-1955", 1921, 1955), ("1956-1979", 1956, 1979)])
    @pytest.mark.parametrize("order", [2, 9])
    def test_autoregression_by_least_squares(self, part, first, last, order):
        """AR(p) by numpy alone."""
        y = sunspots.load().numpy()
        rows = lambda years: np.array([[1, *y[t - order : t][::-1]] for t in years - 1700])  # noqa: E731
        fitted, judged = np.arange(1700 + order, 1921), np.arange(first, last + 1)
        weights = np.linalg.lstsq(rows(fitted), y[fitted - 1700], rcond=None)[0]
        error = np.mean((rows(judged) @ weights - y[judged - 1700]) ** 2) / y[:280].var()
        assert value(make_task("sunspots", part=part), f"AR({order})") == pytest.approx(error, rel=1e-6)

    def test_score_is_divided_by_the_variance_of_1700_to_1979(self):
        task = make_task("sunspots")
        assert task.variance == pytest.approx(1495.59, abs=0.01)
        test = task.test()
        off_by_ten = test.targets + 10 / task.deviation
        assert task.score(off_by_ten, test) == pytest.approx(100 / 1495.59, rel=1e-4)

    @pytest.mark.parametrize("part", ["1921-1955", "1956-1979"])
    def test_score_of_the_mean_is_its_reference(self, part):
        task = make_task("sunspots", part=part)
        test = task.test()
        constant = (float(sunspots.load()[:221].mean()) - task.mean) / task.deviation
        outputs = torch.full(test.targets.shape, constant)
        assert task.score(outputs, test) == pytest.approx(value(task, "mean of 1700-1920"), rel=1e-5)

    def test_history_is_the_files_from_1700_on(self):
        task = make_task("sunspots")
        test = task.test()
        assert (test.length, test.size) == (255, 1)
        lines = Path(str(importlib.metadata.distribution("statsmodels").locate_file(sunspots.FILE))).read_text().split()
        numbers = [float(line.split(",")[1]) for line in lines[1:257]]
        shown = (test.inputs[:, 0, 0].double() * task.deviation + task.mean).tolist()
        wanted = (test.targets[:, 0, 0].double() * task.deviation + task.mean).tolist()
        assert shown == pytest.approx(numbers[:-1], abs=1e-4)
        assert wanted == pytest.approx(numbers[1:], abs=1e-4)

    def test_years_to_learn_from_to_choose_on_and_to_test_on_are_disjoint(self):
        task = make_task("sunspots", length=1)
        windows = task.sample(5000, generator=torch.Generator().manual_seed(0))
        pairs = {tuple(pair) for pair in torch.cat([windows.inputs, windows.targets], dim=-1)[0].tolist()}
        learned = {tuple(task.scaled[t : t + 2].tolist()) for t in range(180)}
        assert pairs == learned
        judged = [
            {1701 + t for t, count in enumerate(batch.counts) if count}
            for batch in (task.validation(), task.test(), make_task("sunspots", part="1956-1979").test())
        ]
        assert min(judged[0]) == 1881  # learning ends with 1880, scaled[180]
        assert len(set().union(*judged)) == sum(len(years) for years in judged)

    def test_score_of_persistence_is_its_reference(self):
        task = make_task("sunspots")
        test = task.test()
        assert task.score(test.inputs, test) == pytest.approx(value(task, "persistence"), rel=1e-5)

    def test_perfect_prediction_scores_zero(self):
        task = make_task("sunspots")
        assert task.score(task.test().targets, task.test()) == 0

    @pytest.mark.parametrize(("part", "first", "last"), [("1921-1955", 1921, 1955), ("1956-1979", 1956, 1979)])
    def test_exactly_the_test_years_count(self, part, first, last):
        test = make_task("sunspots", part=part).test()
        years = [1701 + t for t, count in enumerate(test.counts) if count]
        assert years == list(range(first, last + 1))

    def test_validation_years_lie_between(self):
        validation = make_task("sunspots").validation()
        assert [1701 + t for t, count in enumerate(validation.counts) if count] == list(range(1881, 1921))

    @pytest.mark.parametrize(("number", "year"), [(0, 1880), (1, 1840), (2, 1800), (3, 1880)])
    def test_each_tuning_seed_is_judged_on_the_forty_years_after_its_origin(self, number, year):
        task = make_task("sunspots", length=12)
        fold = task.fold(number)
        validation = fold.validation()
        assert [1701 + t for t, count in enumerate(validation.counts) if count] == list(range(year + 1, year + 41))
        shown = validation.inputs[:, 0, 0].double() * fold.deviation + fold.mean
        assert shown.tolist() == pytest.approx(sunspots.load()[: year + 40 - 1700].tolist(), abs=1e-4)
        assert fold.score(validation.targets + 1, validation) == pytest.approx(fold.deviation**2 / task.variance)

    @pytest.mark.parametrize(("number", "year"), [(0, 1880), (1, 1840), (2, 1800)])
    def test_a_fold_learns_and_is_scaled_by_the_years_up_to_its_origin(self, number, year):
        task = make_task("sunspots", length=12)
        fold, learned = task.fold(number), sunspots.load()[: year - 1699]
        assert fold.mean == pytest.approx(float(learned.mean()))
        windows = fold.sample(5000, generator=torch.Generator().manual_seed(0)).targets[:, :, 0]
        last = ((learned[-12:] - learned.mean()) / learned.std(correction=0)).tolist()
        assert any(window == pytest.approx(last, abs=1e-4) for window in windows.T.tolist())
        assert len({tuple(window) for window in windows.T.tolist()}) == len(learned) - 12

    def test_folds_leave_the_task_as_it_was(self):
        task = make_task("sunspots")
        before = task.validation().inputs, task.mean
        assert task.fold(1).mean != task.mean
        assert torch.equal(task.validation().inputs, before[0])
        assert task.mean == before[1]

    @pytest.mark.parametrize(("length", "years"), [(100, {1880, 1840, 1800}), (101, {1880, 1840}), (150, {1880})])
    def test_long_windows_have_the_origins_that_leave_enough(self, length, years):
        folds = [make_task("sunspots", length=length).fold(number) for number in range(3)]
        assert {1699 + fold.split.learn for fold in folds} == years
        for fold in folds:
            fold.sample(2, generator=torch.Generator().manual_seed(0))

    def test_a_stream_is_tuned_on_the_last_origin(self):
        assert {make_task("sunspots", stream=True).fold(number).split.learn for number in range(3)} == {181}

    def test_no_training_window_sees_later_years(self):
        task = make_task("sunspots", length=180)
        batch = task.sample(64, generator=torch.Generator().manual_seed(0))
        assert float(batch.targets.max()) <= float(task.scaled[:181].max())
        assert torch.equal(batch.targets[:, 0, 0], task.scaled[1:181])

    def test_training_windows_reach_the_last_year_to_learn_from(self):
        task = make_task("sunspots", length=5)
        batch = task.sample(5000, generator=torch.Generator().manual_seed(0))
        windows = {tuple(column.tolist()) for column in batch.targets[:, :, 0].T}
        assert tuple(task.scaled[176:181].tolist()) in windows
        assert tuple(task.scaled[1:6].tolist()) in windows
        assert tuple(task.scaled[177:182].tolist()) not in windows

    def test_targets_are_one_year_ahead(self):
        batch = make_task("sunspots").sample(8, generator=torch.Generator().manual_seed(0))
        assert torch.equal(batch.inputs[1:], batch.targets[:-1])

    def test_scaled_by_training_years_alone(self):
        task = make_task("sunspots")
        learned = sunspots.load()[:181]
        assert task.mean == pytest.approx(float(learned.mean()))
        assert float(task.scaled[:181].mean()) == pytest.approx(0, abs=1e-6)
        assert float(task.scaled[:181].std(correction=0)) == pytest.approx(1, abs=1e-6)

    @pytest.mark.parametrize("length", [0, -3, 181])
    def test_impossible_length(self, length):
        with pytest.raises(BadInput, match=f"length must be from 1 to 180, .* got {length}"):
            make_task("sunspots", length=length)

    def test_unknown_part(self):
        with pytest.raises(BadInput, match=r"part='1980-2008' is not allowed: .*'1921-1955' or '1956-1979'"):
            make_task("sunspots", part="1980-2008")
