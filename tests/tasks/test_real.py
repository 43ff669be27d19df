"""The real series: where they come from, how they are split, and the published numbers recomputed."""

import hashlib
import importlib.metadata
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from throughtime.parts import Unavailable
from throughtime.tasks import TASKS, digits, make_task, sunspots
from throughtime.tasks.packaged import locate


def value(task, name):
    return next(reference.value for reference in task.references() if reference.name == name)


def images(batch):
    """The images of a batch with their classes, as a multiset."""
    rows = zip(batch.inputs.transpose(0, 1).flatten(1).tolist(), batch.targets[-1].tolist(), strict=True)
    return Counter((tuple(image), digit) for image, digit in rows)


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

    def test_split_is_fixed(self):
        """Scores of different versions of scikit-learn are comparable only while it splits alike."""
        split = np.concatenate([part.numpy() for part in digits.split().values()]).astype("<i8")
        assert hashlib.sha256(split.tobytes()).hexdigest()[:16] == "5508811e5da3fe1d"

    @pytest.mark.parametrize("name", ["learn", "validation", "test"])
    def test_every_part_has_the_classes_in_their_shares(self, name):
        classes, part = digits.load()[1], digits.split()[name]
        expected = torch.bincount(classes) * len(part) / len(classes)
        assert torch.bincount(classes[part], minlength=10).tolist() == pytest.approx(expected.tolist(), abs=1.5)

    @pytest.mark.parametrize("view", ["rows", "pixels"])
    def test_pixels_fill_zero_to_one(self, view):
        inputs = make_task("digits", view=view).test().inputs
        assert (float(inputs.min()), float(inputs.max())) == (0, 1)

    def test_a_batch_as_large_as_the_part_to_learn_from_is_that_part(self):
        """So no image comes twice, and none from another part."""
        task = make_task("digits")
        batch = task.sample(1077, generator=torch.Generator().manual_seed(0))
        assert images(batch) == images(task._batch(digits.split()["learn"]))

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
        test = task.test()
        digit = int(torch.bincount(digits.load()[1][digits.split()["learn"]]).argmax())
        constant = torch.nn.functional.one_hot(torch.full_like(test.targets, digit), 10).float()
        assert value(task, "majority class") == pytest.approx(task.score(constant, test))
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

    @pytest.mark.parametrize("module", [sunspots, digits])
    def test_checksum_is_that_of_the_shipped_file(self, module):
        package = {sunspots: "statsmodels", digits: "scikit-learn"}[module]
        content = Path(str(importlib.metadata.distribution(package).locate_file(module.FILE))).read_bytes()
        task = make_task(module.__name__.rpartition(".")[2])
        assert task.checksum() == hashlib.sha256(content).hexdigest()

    @pytest.mark.parametrize(
        "damage",
        [
            lambda text: text[: len(text) // 2],
            lambda text: text.replace(b"1750,83.4", b"1750,nan"),
            lambda text: text.replace(b"1750,83.4", b"1750,"),
            lambda text: b"",
        ],
        ids=["cut short", "NaN", "a number missing", "empty"],
    )
    def test_damage_is_seen_before_the_file_is_read(self, damage, monkeypatch, tmp_path):
        whole = Path(str(importlib.metadata.distribution("statsmodels").locate_file(sunspots.FILE))).read_bytes()
        assert damage(whole) != whole
        (tmp_path / "sunspots.csv").write_bytes(damage(whole))
        shipped = SimpleNamespace(version="9.9", locate_file=lambda file: tmp_path / "sunspots.csv")
        monkeypatch.setattr(importlib.metadata, "distribution", lambda package: shipped)
        monkeypatch.setattr(sunspots, "load", sunspots.load.__wrapped__)
        message = r"sunspots.csv of statsmodels 9.9 is not the file .* expected f67889b1d900.*; pip install statsmodels"
        with pytest.raises(Unavailable, match=message):
            make_task("sunspots")

    @pytest.mark.parametrize(("module", "package"), [(sunspots, "statsmodels"), (digits, "scikit-learn")])
    def test_without_the_package_the_task_says_what_to_install(self, module, package, monkeypatch):
        def missing(package):
            raise importlib.metadata.PackageNotFoundError(package)

        monkeypatch.setattr(importlib.metadata, "distribution", missing)
        monkeypatch.setattr(module, "load", module.load.__wrapped__)
        name = module.__name__.rpartition(".")[2]
        reason = f"the data comes with the package {package}, which is not installed: pip install {package}"
        assert TASKS.get(name).available() == (False, reason)
        with pytest.raises(Unavailable, match=f"^{reason}$"):
            make_task(name)
