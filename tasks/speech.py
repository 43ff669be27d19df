"""Speech: who of nine men says a Japanese vowel (Kudo, Toyama & Shimbo, Pattern Recognition Letters 20, 1999).

An utterance of /ae/ is 7 to 29 frames of 12 LPC cepstrum coefficients; the speaker is asked for at its last frame. The
data set "Japanese Vowels" ships with sktime. It is split as published: 270 utterances, 30 of each speaker, of which
every fifth is kept to choose hyperparameters on, and 370 to test. Frames are scaled by the mean and deviation of each
coefficient in the 216 utterances to learn from.
"""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from throughtime.parts import Unavailable

from .base import Batch, Metric, Reference, Task
from .losses import cross_entropy
from .packaged import locate

TRAIN_FILE = "sktime/datasets/data/JapaneseVowels/JapaneseVowels_TRAIN.ts"
TEST_FILE = "sktime/datasets/data/JapaneseVowels/JapaneseVowels_TEST.ts"
SHA256 = {
    TRAIN_FILE: "68a430eabd919cc77f40b1f5f3bc0dcafacc1486bca9260785aeb7d262cc78cd",
    TEST_FILE: "b3d41d6a0ca3bcad3afb9ca7d4365382aa51341e2e58bae2a574babdda5b9462",
}
COEFFICIENTS, SPEAKERS = 12, 9
VALIDATION_EVERY = 5
RESAMPLED = 7
"""Frames that the classifiers see of an utterance: the length of the shortest utterance."""

Utterances = tuple[list[Tensor], Tensor]
"""The frames of each utterance, (its length, 12), float64, and the speakers (utterances,) from 0 to 8."""


def find() -> list[Path]:
    """The two files, to learn from and to test on; `Unavailable` says what to install."""
    return [locate("sktime", file, sha256, extra="real") for file, sha256 in SHA256.items()]


def parse(text: str) -> Utterances:
    r"""The utterances of a file in the format ".ts": a line each, its coefficients and its class separated by colons.

    >>> frames, speakers = parse("@data\n1,2,3:4,5,6:9\n")
    >>> frames[0].tolist(), speakers.tolist()
    ([[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]], [8])
    """
    rows = [line.split(":") for line in text.splitlines() if line and line[0] not in "#@"]
    values = [[[float(value) for value in coefficient.split(",")] for coefficient in row[:-1]] for row in rows]
    frames = [torch.tensor(utterance, dtype=torch.float64).T for utterance in values]
    return frames, torch.tensor([int(row[-1]) - 1 for row in rows])


@functools.cache
def load() -> dict[str, Utterances]:
    """The utterances to learn from, to choose on and to test on, scaled."""
    (frames, speakers), (test_frames, test_speakers) = (parse(path.read_text(encoding="utf-8")) for path in find())
    kept = torch.arange(len(frames)) % VALIDATION_EVERY == VALIDATION_EVERY - 1
    learn, validation = ([frames[i] for i in part.nonzero()[:, 0].tolist()] for part in (~kept, kept))
    every = torch.cat(learn)
    mean, deviation = every.mean(dim=0), every.std(dim=0, correction=0)

    def scaled(utterances: list[Tensor]) -> list[Tensor]:
        return [(utterance - mean) / deviation for utterance in utterances]

    return {
        "learn": (scaled(learn), speakers[~kept]),
        "validation": (scaled(validation), speakers[kept]),
        "test": (scaled(test_frames), test_speakers),
    }


def resample(utterance: Tensor) -> np.ndarray:
    """`RESAMPLED` frames evenly over the utterance's duration, one after the other: (84,), linearly interpolated."""
    frames = utterance.numpy()
    moments = np.linspace(0, len(frames) - 1, RESAMPLED)
    return np.concatenate([np.interp(moments, np.arange(len(frames)), coefficient) for coefficient in frames.T])


class Speech(Task):
    """Recognise the speaker of a short utterance; sequences of unequal length, padded with zeros at the end."""

    metric = Metric("accuracy", better="higher")
    input_size = COEFFICIENTS
    output_size = SPEAKERS

    def __init__(self) -> None:
        load()

    def sample(self, batch_size: int, *, generator: torch.Generator) -> Batch:
        """Utterances drawn without replacement while there are enough.

        Inputs (T, B, 12), T the frames of the longest; targets (T, B), of which each utterance's last frame counts.
        """
        many = len(load()["learn"][0])
        rounds = [torch.randperm(many, generator=generator) for _ in range(-(-batch_size // many))]
        return self._batch("learn", torch.cat(rounds)[:batch_size])

    def validation(self) -> Batch:
        """54 utterances, 6 of each speaker."""
        return self._batch("validation")

    def test(self) -> Batch:
        """370 utterances, 24 to 88 of a speaker."""
        return self._batch("test")

    def score(self, outputs: Tensor, batch: Batch) -> float:
        """The share of utterances whose speaker has the largest output at the utterance's own last frame."""
        right = outputs.argmax(dim=-1) == batch.targets
        return float(right[batch.mask].double().mean())

    def references(self) -> list[Reference]:
        """The most frequent speaker, and classifiers that see a summary of the whole utterance at once."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.neighbors import KNeighborsClassifier

        (learn, learn_speakers), (test, test_speakers) = load()["learn"], load()["test"]
        known, asked = learn_speakers.numpy(), test_speakers.numpy()
        majority = np.bincount(asked).argmax()  # there is none in what is learned from: as many of each

        def accuracy(
            model: LogisticRegression | KNeighborsClassifier, summary: Callable[[Tensor], np.ndarray]
        ) -> float:
            fitted = model.fit([summary(utterance) for utterance in learn], known)
            return float(fitted.score([summary(utterance) for utterance in test], asked))

        def mean_frame(utterance: Tensor) -> np.ndarray:
            return utterance.mean(dim=0).numpy()

        mean = accuracy(LogisticRegression(max_iter=1000), mean_frame)
        whole = accuracy(LogisticRegression(max_iter=1000), resample)
        nearest = accuracy(KNeighborsClassifier(1), resample)
        source = "scikit-learn, on the 216 utterances to learn from"
        return [
            Reference("majority class", float((asked == majority).mean()), "floor", "count, of the test data"),
            Reference("logistic regression, mean frame", mean, "baseline", source),
            Reference(f"logistic regression, {RESAMPLED} frames", whole, "baseline", source),
            Reference(f"nearest neighbour, {RESAMPLED} frames", nearest, "baseline", source),
        ]

    def checksum(self) -> str:
        """The sha256 of both files' sha256, in hexadecimal digits one after the other."""
        return hashlib.sha256("".join(SHA256.values()).encode()).hexdigest()

    @classmethod
    def available(cls) -> tuple[bool, str]:
        try:
            find()
        except Unavailable as error:
            return False, str(error)
        return True, ""

    def _batch(self, part: str, chosen: Tensor | None = None) -> Batch:
        """The chosen utterances of a part, all of them where None."""
        utterances, speakers = load()[part]
        chosen = torch.arange(len(utterances)) if chosen is None else chosen
        inputs = pad_sequence([utterances[i].float() for i in chosen.tolist()])
        steps = len(inputs)
        last = torch.tensor([len(utterances[i]) - 1 for i in chosen.tolist()])
        mask = torch.arange(steps)[:, None] == last
        return Batch(inputs, speakers[chosen].expand(steps, -1), cross_entropy, mask)
