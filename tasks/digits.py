"""Digits: scikit-learn's 1,797 handwritten digits read as sequences, by rows or by pixels.

The small sibling of sequential MNIST (Le, Jaitly & Hinton 2015): an 8 × 8 image is 8 steps of 8 pixels, or 64 steps of
one; the class is asked for at the last step. 1,347 images to learn from, a fifth of which is kept to choose
hyperparameters on, and 450 to test.
"""

import functools
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from throughtime.parts import Unavailable

from .base import Batch, Metric, Reference, Task
from .generated import accuracy_at_last_step, at_last_step
from .losses import cross_entropy
from .packaged import locate

FILE = "sklearn/datasets/data/digits.csv.gz"
SHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
TEST_SIZE, VALIDATION_SIZE = 450, 270


@functools.cache
def load() -> tuple[Tensor, Tensor]:
    """The images (1797, 64) with pixels from 0 to 1, and their classes (1797,)."""
    table = np.loadtxt(locate("scikit-learn", FILE, SHA256), delimiter=",")
    return torch.from_numpy(table[:, :-1] / 16).float(), torch.from_numpy(table[:, -1]).long()


@functools.cache
def split() -> dict[str, Tensor]:
    """The numbers of the images to learn from, to choose on and to test on: fixed, and alike in their classes."""
    from sklearn.model_selection import train_test_split

    classes = load()[1].numpy()
    every = np.arange(len(classes))
    rest, test = train_test_split(every, test_size=TEST_SIZE, random_state=0, stratify=classes)
    learn, validation = train_test_split(rest, test_size=VALIDATION_SIZE, random_state=0, stratify=classes[rest])
    return {
        name: torch.from_numpy(part) for name, part in (("learn", learn), ("validation", validation), ("test", test))
    }


class Digits(Task):
    """Classify a handwritten digit that is read row by row or pixel by pixel.

    Args:
        view: "rows": 8 steps of 8 pixels; "pixels": 64 steps of one.
    """

    metric = Metric("accuracy", better="higher")
    output_size = 10

    def __init__(self, view: Literal["rows", "pixels"] = "rows") -> None:
        self.view = view
        self.input_size = 8 if view == "rows" else 1
        load()

    def sample(self, batch_size: int, *, generator: torch.Generator) -> Batch:
        """Images drawn without replacement while there are enough: inputs (T, B, 8 or 1), targets (T, B)."""
        learn = split()["learn"]
        rounds = [torch.randperm(len(learn), generator=generator) for _ in range(-(-batch_size // len(learn)))]
        return self._batch(learn[torch.cat(rounds)[:batch_size]])

    def validation(self) -> Batch:
        """270 images."""
        return self._batch(split()["validation"])

    def test(self) -> Batch:
        """450 images."""
        return self._batch(split()["test"])

    def score(self, outputs: Tensor, batch: Batch) -> float:
        """The share of images whose class has the largest output at the last step."""
        return accuracy_at_last_step(outputs, batch)

    def references(self) -> list[Reference]:
        """The most frequent class, and two classifiers that see the whole image at once."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.neighbors import KNeighborsClassifier

        images, classes = (part.numpy() for part in load())
        learn, test = (split()[name].numpy() for name in ("learn", "test"))
        majority = np.bincount(classes[learn]).argmax()

        def accuracy(model: LogisticRegression | KNeighborsClassifier) -> float:
            return float(model.fit(images[learn], classes[learn]).score(images[test], classes[test]))

        whole = "scikit-learn, on the whole image at once"
        return [
            Reference("majority class", float((classes[test] == majority).mean()), "floor", "count"),
            Reference("logistic regression", accuracy(LogisticRegression(max_iter=1000)), "baseline", whole),
            Reference("3 nearest neighbours", accuracy(KNeighborsClassifier(3)), "baseline", whole),
        ]

    def checksum(self) -> str:
        return SHA256

    @classmethod
    def available(cls) -> tuple[bool, str]:
        try:
            locate("scikit-learn", FILE, SHA256)
        except Unavailable as error:
            return False, str(error)
        return True, ""

    def _batch(self, chosen: Tensor) -> Batch:
        images, classes = load()
        inputs = images[chosen].unflatten(1, (-1, self.input_size)).transpose(0, 1).contiguous()
        steps = len(inputs)
        mask = at_last_step(steps, len(chosen))
        return Batch(inputs, classes[chosen].expand(steps, -1), cross_entropy, mask)
