"""Speech: the split as published, unequal lengths, references recomputed, and what a missing or damaged file says."""

import hashlib
import importlib.metadata
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from throughtime.parts import Unavailable
from throughtime.tasks import TASKS, make_task, speech


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def shipped(file):
    return Path(str(importlib.metadata.distribution("sktime").locate_file(file)))


def lines(file):
    return shipped(file).read_text().split("@data\n")[1].splitlines()


def lengths(batch):
    return (batch.mask.long().argmax(dim=0) + 1).tolist()


def utterances(batch):
    """The frames of each utterance without its padding, as something that can be in a set."""
    return [tuple(batch.inputs[:n, i].flatten().tolist()) for i, n in enumerate(lengths(batch))]


def value(task, name):
    return next(reference.value for reference in task.references() if reference.name == name)


@pytest.fixture
def task():
    return make_task("speech")


class TestData:
    def test_split_is_the_published_one(self):
        assert {name: len(frames) for name, (frames, _) in speech.load().items()} == {
            "learn": 216,
            "validation": 54,
            "test": 370,
        }

    @pytest.mark.parametrize(
        ("part", "expected"),
        [("learn", [24] * 9), ("validation", [6] * 9), ("test", [31, 35, 88, 44, 29, 24, 40, 50, 29])],
    )
    def test_utterances_of_each_speaker(self, part, expected):
        assert torch.bincount(speech.load()[part][1]).tolist() == expected

    def test_lengths_are_7_to_29(self):
        every = [len(utterance) for frames, _ in speech.load().values() for utterance in frames]
        assert (min(every), max(every)) == (7, 29)

    def test_no_utterance_is_in_two_parts(self, task):
        parts = [task._batch("learn"), task.validation(), task.test()]
        assert len({utterance for part in parts for utterance in utterances(part)}) == 640

    def test_frames_are_the_files(self, task):
        """Unscaled by numbers made here from the file, whose every fifth line is left out."""
        learn = [line for i, line in enumerate(lines(speech.TRAIN_FILE)) if i % 5 != 4]
        frames = np.concatenate([np.array([p.split(",") for p in line.split(":")[:-1]], float).T for line in learn])
        first = np.array([p.split(",") for p in lines(speech.TEST_FILE)[0].split(":")[:-1]], float).T
        expected = (first - frames.mean(axis=0)) / frames.std(axis=0)
        assert task.test().inputs[: len(first), 0].numpy() == pytest.approx(expected, abs=1e-5)

    def test_scaled_by_the_utterances_to_learn_from_alone(self):
        frames = torch.cat(speech.load()["learn"][0])
        assert frames.mean(dim=0).tolist() == pytest.approx([0] * 12, abs=1e-12)
        assert frames.std(dim=0, correction=0).tolist() == pytest.approx([1] * 12, abs=1e-12)


class TestBatch:
    def test_one_target_at_each_utterances_last_frame(self, task):
        test = task.test()
        assert lengths(test) == [len(line.split(":")[0].split(",")) for line in lines(speech.TEST_FILE)]
        assert test.mask.sum(dim=0).tolist() == [1] * 370

    def test_padding_is_zero_and_as_short_as_can_be(self, task):
        batch = task.sample(16, generator=generator())
        after = torch.arange(batch.length)[:, None] >= torch.tensor(lengths(batch))
        assert after.any()
        assert not batch.inputs[after].any()
        assert batch.length == max(lengths(batch))

    def test_outputs_in_the_padding_change_no_score_and_no_loss(self, task):
        test = task.test()
        outputs = torch.randn(test.length, test.size, 9, generator=generator())
        after = torch.arange(test.length)[:, None] >= torch.tensor(lengths(test))
        other = torch.where(after[..., None], outputs + 100 * torch.arange(9), outputs)
        assert task.score(outputs, test) == task.score(other, test)
        assert torch.equal(test.mean_loss(outputs), test.mean_loss(other))

    def test_inputs_in_the_padding_change_no_gradient(self, task):
        batch = task.sample(8, generator=generator())
        after = torch.arange(batch.length)[:, None] >= torch.tensor(lengths(batch))
        noisy = replace(batch, inputs=torch.where(after[..., None], 3.0, batch.inputs))
        network = task.make_network("gru", hidden_size=5, seed=0, dtype=torch.float32, device="cpu")
        gradients = []
        for data in (batch, noisy):
            loss = data.mean_loss(network.unroll(data.inputs)[0])
            gradients.append(torch.autograd.grad(loss, list(network.parameters())))
        assert not torch.equal(batch.inputs, noisy.inputs)
        assert all(torch.allclose(one, other, atol=1e-7) for one, other in zip(*gradients, strict=True))

    def test_a_batch_as_large_as_the_part_to_learn_from_is_that_part(self, task):
        batch = task.sample(216, generator=generator())
        assert sorted(utterances(batch)) == sorted(utterances(task._batch("learn")))

    def test_more_utterances_than_there_are(self, task):
        assert task.sample(500, generator=generator()).size == 500


class TestScore:
    def test_share_of_right_answers(self, task):
        test = task.test()
        outputs = torch.nn.functional.one_hot(test.targets, 9).float()
        outputs[:, :37] *= -1
        assert task.score(outputs, test) == pytest.approx(0.9)

    def test_majority_class(self, task):
        test = task.test()
        constant = torch.zeros(test.length, test.size, 9)
        constant[..., 2] = 1
        assert value(task, "majority class") == pytest.approx(88 / 370)
        assert task.score(constant, test) == pytest.approx(88 / 370)

    def test_nearest_neighbour_by_hand(self, task):
        """Distances by torch alone."""
        (learn, known), (test, asked) = speech.load()["learn"], speech.load()["test"]
        summaries = [torch.tensor(np.array([speech.resample(u) for u in part])) for part in (test, learn)]
        nearest = torch.cdist(*summaries).argmin(dim=1)
        right = (known[nearest] == asked).double().mean()
        assert value(task, "nearest neighbour, 7 frames") == pytest.approx(float(right))

    def test_seven_frames_of_seven_are_the_utterance(self):
        utterance = torch.randn(7, 12, generator=generator(), dtype=torch.float64)
        assert speech.resample(utterance) == pytest.approx(utterance.T.flatten().numpy())

    def test_classifiers_of_the_whole_utterance(self, task):
        assert value(task, "logistic regression, mean frame") == pytest.approx(0.951, abs=0.006)
        assert value(task, "logistic regression, 7 frames") == pytest.approx(0.986, abs=0.006)
        assert value(task, "nearest neighbour, 7 frames") == pytest.approx(0.954, abs=0.006)


class TestUnavailable:
    def test_checksum_is_that_of_the_shipped_files(self, task):
        each = [hashlib.sha256(shipped(f).read_bytes()).hexdigest() for f in (speech.TRAIN_FILE, speech.TEST_FILE)]
        assert task.checksum() == hashlib.sha256("".join(each).encode()).hexdigest()

    def test_missing_package(self, monkeypatch):
        def missing(package):
            raise importlib.metadata.PackageNotFoundError(package)

        monkeypatch.setattr(importlib.metadata, "distribution", missing)
        monkeypatch.setattr(speech, "load", speech.load.__wrapped__)
        reason = "the data comes with the package sktime, which is not installed: pip install 'throughtime[real]'"
        assert TASKS.get("speech").available() == (False, reason)
        with pytest.raises(Unavailable) as caught:
            make_task("speech")
        assert str(caught.value) == reason

    @pytest.mark.parametrize("damaged", [speech.TRAIN_FILE, speech.TEST_FILE])
    def test_file_cut_short(self, damaged, monkeypatch, tmp_path):
        content = shipped(damaged).read_bytes()
        (tmp_path / "cut.ts").write_bytes(content[: len(content) // 2])
        paths = {file: shipped(file) for file in speech.SHA256} | {damaged: tmp_path / "cut.ts"}
        other = SimpleNamespace(version="9.9", locate_file=paths.get)
        monkeypatch.setattr(importlib.metadata, "distribution", lambda package: other)
        monkeypatch.setattr(speech, "load", speech.load.__wrapped__)
        message = rf"{damaged} of sktime 9.9 is not the file .* damaged .* pip install 'throughtime\[real\]'"
        with pytest.raises(Unavailable, match=message):
            make_task("speech")

    def test_another_checksum(self, monkeypatch):
        monkeypatch.setitem(speech.SHA256, speech.TEST_FILE, "0" * 64)
        available, reason = TASKS.get("speech").available()
        assert not available
        assert "pip install 'throughtime[real]'" in reason
