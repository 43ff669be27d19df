"""The real series: where they come from, how they are split, and the published numbers recomputed."""

import numpy as np
import pytest
import torch

from throughtime.networks import BadInput, Unavailable
from throughtime.tasks import digits, make_task, sunspots
from throughtime.tasks.packaged import locate


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

    def test_autoregression_by_least_squares(self):
        """AR(9) by numpy alone."""
        y = sunspots.load().numpy()
        rows = lambda years: np.array([[1, *y[t - 9 : t][::-1]] for t in years - 1700])  # noqa: E731
        fitted, judged = np.arange(1709, 1921), np.arange(1921, 1956)
        weights = np.linalg.lstsq(rows(fitted), y[fitted - 1700], rcond=None)[0]
        error = np.mean((rows(judged) @ weights - y[judged - 1700]) ** 2) / y[:280].var()
        assert value(make_task("sunspots"), "AR(9)") == pytest.approx(error, rel=1e-6)

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


class TestDigits:
    def test_split_is_the_published_one(self):
        parts = digits.split()
        assert {name: len(part) for name, part in parts.items()} == {"learn": 1077, "validation": 270, "test": 450}

    def test_no_image_is_in_two_parts(self):
        assert len({int(i) for part in digits.split().values() for i in part}) == 1797

    def test_rows_and_pixels_are_the_same_image(self):
        rows, pixels = make_task("digits").test(), make_task("digits", view="pixels").test()
        assert rows.inputs.shape == (8, 450, 8)
        assert pixels.inputs.shape == (64, 450, 1)
        assert torch.equal(rows.inputs.transpose(0, 1).flatten(1), pixels.inputs[:, :, 0].T)

    def test_images_are_scikit_learns(self):
        from sklearn.datasets import load_digits

        there = load_digits()
        assert np.array_equal(digits.load()[0].numpy() * 16, there.data)
        assert np.array_equal(digits.load()[1].numpy(), there.target)

    def test_first_row_comes_first(self):
        test = make_task("digits").test()
        image = digits.load()[0][digits.split()["test"][0]].reshape(8, 8)
        assert torch.equal(test.inputs[:, 0], image)

    def test_only_the_last_step_counts(self):
        assert make_task("digits").test().counts == [0] * 7 + [450]

    def test_a_batch_has_no_image_twice(self):
        batch = make_task("digits").sample(1077, generator=torch.Generator().manual_seed(0))
        assert len({tuple(image.flatten().tolist()) for image in batch.inputs.transpose(0, 1)}) > 1070

    def test_more_images_than_there_are(self):
        assert make_task("digits").sample(2000, generator=torch.Generator().manual_seed(0)).size == 2000

    def test_score_is_the_share_of_right_answers(self):
        task = make_task("digits")
        test = task.test()
        outputs = torch.nn.functional.one_hot(test.targets, 10).float()
        outputs[-1, :45] = -outputs[-1, :45]
        assert task.score(outputs, test) == pytest.approx(0.9, abs=1e-9)

    def test_classifiers_of_the_whole_image(self):
        task = make_task("digits")
        assert 0.09 < value(task, "majority class") < 0.11
        assert 0.94 < value(task, "logistic regression") < 0.98
        assert 0.97 < value(task, "3 nearest neighbours") <= 1


class TestPackaged:
    def test_missing_package_says_what_to_install(self):
        with pytest.raises(Unavailable, match=r"package nosuchthing, which is not installed: pip install nosuchthing"):
            locate("nosuchthing", "data.csv", "0" * 64)

    def test_missing_package_of_an_extra(self):
        with pytest.raises(Unavailable, match=r"pip install 'throughtime\[real\]'"):
            locate("nosuchthing", "data.csv", "0" * 64, extra="real")

    def test_missing_file(self):
        with pytest.raises(Unavailable, match=r"statsmodels .* ships no file nowhere.csv"):
            locate("statsmodels", "nowhere.csv", "0" * 64)

    def test_damaged_file(self):
        with pytest.raises(Unavailable, match=r"is not the file that this task was made for .* expected 000000000000"):
            locate("statsmodels", sunspots.FILE, "0" * 64)

    @pytest.mark.parametrize("module", [sunspots, digits])
    def test_task_with_a_damaged_file_is_unavailable(self, module, monkeypatch):
        monkeypatch.setattr(module, "SHA256", "0" * 64)
        name = module.__name__.rpartition(".")[2]
        kind = {"sunspots": sunspots.Sunspots, "digits": digits.Digits}[name]
        available, reason = kind.available()
        assert not available
        assert "damaged" in reason
