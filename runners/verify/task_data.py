"""What a task gives, batches to learn from and to judge on: their form, that they repeat, that they are kept apart.

Repeats are compared to the bit. That judged data is kept apart is held against how often sequences recur by chance:
some tasks have but a few different ones.
"""

import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from throughtime.parts import BadInput
from throughtime.tasks import Batch, Task

from .problems import draws
from .process import seeded, undisturbed
from .refuted import NotPromised, Refuted

SIGMAS = 6.0
"""Beyond so many standard deviations, that a sequence was met before is no chance."""

MANY = 256
"""Training sequences that are looked for in judged data."""

STREAM_SIZES = (32, 4, 1)
"""A stream may refuse sizes: the largest of these that it takes."""

MOST_BATCHES = 60
"""That a stream is followed for."""


def batches_have_their_form(task: Task) -> str:
    """Inputs (T, B, m) and targets (T, B, o), or classes (T, B), float32 and finite, on the CPU; a mask (T, B) of bool.
    Look at: `input_size` and `output_size`; time comes first; a single output keeps its dimension; float64 that NumPy
    left behind; targets must be finite under the mask too, and some target must count.
    """
    forms = []
    for name, batch, size in every_batch(task):
        T, m, o = len(batch.inputs), task.input_size, task.output_size
        real = batch.targets.is_floating_point()
        _check_tensor(f"inputs of {name}", batch.inputs, torch.float32, (T, size or batch.size, m))
        shape = (T, batch.size, o) if real else (T, batch.size)
        _check_tensor(f"targets of {name}", batch.targets, torch.float32 if real else torch.int64, shape)
        if not real and not (int(batch.targets.min()) >= 0 and int(batch.targets.max()) < o):
            found = f"{int(batch.targets.min())} to {int(batch.targets.max())}"
            raise Refuted(f"classes of {name} go from {found}, for outputs 0 to {o - 1}")
        if batch.mask is not None:
            _check_tensor(f"mask of {name}", batch.mask, torch.bool, (T, batch.size))
        if batch.continues and not name.startswith("batches"):
            raise Refuted(f"{name} is marked as continuing a stream")
        if not batch.total:
            raise Refuted(f"no target of {name} counts")
        forms.append(f"{name} {tuple(batch.inputs.shape)}")
    return f"inputs of {', '.join(forms)}; targets are {'values' if real else 'classes'}, o = {o}"


def _check_tensor(what: str, tensor: Tensor, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    if tensor.dtype != dtype or tensor.shape != shape or 0 in shape:
        raise Refuted(f"{what}: {tensor.dtype} {tuple(tensor.shape)} for {dtype} {shape}")
    if tensor.device.type != "cpu" or tensor.requires_grad:
        raise Refuted(f"{what}: on {tensor.device}{', and recorded for a gradient' if tensor.requires_grad else ''}")
    if not tensor.isfinite().all():
        raise Refuted(f"{what}: nan or inf")


def repeats_with_its_generator(task: Task) -> str:
    """`sample` draws from its generator alone: the same seed gives the same batch, another seed another.
    Look at: draws that do not take `generator=generator`, and what an instance keeps from one call to the next.
    """
    with seeded(1):
        first = task.sample(4, generator=draws(5))
    with undisturbed():
        task.sample(3, generator=draws(6))
        task.validation()
        task.test()
    with seeded(2):
        again = task.sample(4, generator=draws(5))
    if differing := _difference(first, again):
        raise Refuted(f"two samples with the same seed differ in their {differing}")
    if _difference(first, task.sample(4, generator=draws(7))):
        return "the same to the bit; another seed gives another batch"
    if _draws_nothing(task):
        return "the same to the bit; nothing is drawn, all sequences are one"
    raise Refuted("another seed gives the same batch")


def judged_data_is_fixed(task: Task) -> str:
    """`validation` and `test` give the same at every call, whatever was drawn before and whatever else is random.
    Look at: a generator that is made once and goes on; draws without a generator; seeds made in the constructor.
    """
    makes: list[Callable[[], Task]] = [lambda: task]
    needed = [p.name for p in inspect.signature(type(task)).parameters.values() if p.default is p.empty]
    if not needed:
        makes.append(lambda: type(task)())
    sizes = []
    for make in makes:
        with seeded(1):
            one = make()
            first = [_copied(one.validation()), _copied(one.test())]
        with seeded(2):
            other = make()
            other.sample(5, generator=draws(1))
            again = [other.test(), other.validation()][::-1]
        for name, before, after in zip(("validation", "test"), first, again, strict=True):
            if differing := _difference(before, after):
                where = "at a second call" if make is makes[0] else "of a second instance"
                raise Refuted(f"{name} {where} differs in its {differing}")
        sizes = [f"{batch.size} × {batch.length}" for batch in first]
    how = "at a second call and of a second instance" if len(makes) == 2 else "at a second call"
    return f"the same to the bit {how}: {' and '.join(sizes)} steps"


def judged_data_is_apart(task: Task) -> str:
    """No sequence of `test` counts in `validation`, and none of either is drawn in training, but by chance.
    Look at: two seeds that are the same, splits by time that overlap, windows that reach into the part after theirs.
    """
    if _draws_nothing(task):
        raise NotPromised("nothing is drawn: all sequences are one")
    validation, test = task.validation(), task.test()
    training = task.sample(MANY, generator=draws(11))
    if not _difference(validation, test):
        raise Refuted("validation and test are the same")
    words = []
    steps = min(batch.length for batch in (training, validation, test))
    for name, batch, into, judged in (
        ("validation", validation, "test", test),
        ("training", training, "validation", validation),
        ("training", training, "test", test),
    ):
        found, of, chance, known = _recurring(batch, judged, steps)
        expected = of * chance
        # The chance itself is known from no more than the judged data's own sequences, or windows.
        deviation = math.sqrt(expected * (1 - chance) * (1 + of / known))
        what = f"{found} of {of} {'sequences' if judged.size > 1 else 'windows'} of {name} in {into}"
        if found > expected + SIGMAS * deviation:
            raise Refuted(f"{what} ({steps} steps), where chance would have {expected:.2g}")
        words.append(what)
    return f"{'; '.join(words)} ({steps} steps)"


def _recurring(batch: Batch, judged: Batch, steps: int) -> tuple[int, int, float, int]:
    """How many sequences of a batch hold a stretch of judged data that counts, of how many, and how likely that is.

    By chance as many do as sequences of the judged data, whose number is the last one, recur within it. Where that is
    one long sequence, stretches are counted in place of sequences.
    """
    (mine, counted), (theirs, counting) = _stretches(batch, steps), _stretches(judged, steps)
    found = torch.isin(mine, theirs[counting]) & counted
    _, place, times = theirs.unique(return_inverse=True, return_counts=True)
    recurs = times[place] > 1
    if judged.size > 1:
        found, counted, recurs = (flags.any(dim=0) for flags in (found, counted, recurs))
    known = recurs.numel()
    return int(found.sum()), int(counted.sum()), (int(recurs.sum()) + 1) / (known + 1), known


def _stretches(batch: Batch, steps: int) -> tuple[Tensor, Tensor]:
    """A number for all that `steps` steps in a row hold, and whether a target of them counts: two (T − steps + 1, B).

    Sums of random multiples of the bits, modulo 2⁶⁴.
    """
    targets = batch.targets if batch.targets.dim() == 3 else batch.targets[..., None]
    values = torch.cat([batch.inputs.float(), targets.float()], dim=2) + 0.0  # which makes 0 of −0
    bits = values.view(torch.int32).long()
    every = torch.randint(-(2**63), 2**63 - 1, (bits.shape[2] + steps,), generator=draws(12)) | 1
    by_feature, by_step = every.split([bits.shape[2], steps])
    step = sum((bits[..., k] ^ (bits[..., k] >> 16)) * factor for k, factor in enumerate(by_feature))
    assert isinstance(step, Tensor)
    mixed = step ^ (step >> 32)
    last = len(mixed) - steps + 1
    numbers = torch.zeros_like(mixed[:last])
    counts = torch.zeros(last, batch.size, dtype=torch.bool)
    for k in range(steps):
        numbers += mixed[k : k + last] * by_step[k]
        counts |= True if batch.mask is None else batch.mask[k : k + last]
    return numbers, counts


def feeds_back_its_targets(task: Task) -> str:
    """With `feedback`, the last o inputs of a step are the target of the step before, wherever that target counts.
    Look at: which features come last and which step they are of; one-hot for "symbol", the scaled value for "real".
    """
    if task.feedback is None:
        raise NotPromised("feedback is None")
    if task.feedback not in ("real", "symbol"):
        raise Refuted(f"feedback is {task.feedback!r}; there are 'real', 'symbol' and None")
    batches = list(every_batch(task))
    steps = sum(_check_fed(task, name, batch, _counted(batch)) for name, batch, _ in batches)
    if not steps:  # no target that counts has a step after it
        steps = sum(_check_fed(task, name, batch, _everywhere(batch)) for name, batch, _ in batches)
    return f"the last {task.output_size} of {task.input_size} inputs, at {steps:,} steps"


def _check_fed(task: Task, name: str, batch: Batch, looked_at: Tensor) -> int:
    """How many targets were looked at, of those that are to be, (T, B)."""
    o, real = task.output_size, batch.targets.is_floating_point()
    if real != (task.feedback == "real"):
        raise Refuted(f"feedback is {task.feedback!r}, and targets of {name} are {'values' if real else 'classes'}")
    if batch.inputs.shape[2] < o:
        raise Refuted(f"{batch.inputs.shape[2]} inputs can't hold {o} that are fed back")
    fed, truth = batch.inputs[1:, :, -o:], _truth(batch, o)[:-1]
    wrong = _unlike(fed, truth) & looked_at[:-1]
    if wrong.any():
        t, b = wrong.nonzero()[0].tolist()
        told = f"{_shown(fed[t, b])}, and targets[{t}, {b}] is {_shown(truth[t, b])}"
        raise Refuted(f"inputs[{t + 1}, {b}, -{o}:] of {name} is {told}")
    return int(looked_at[:-1].sum())


def goes_on_without_end(task: Task) -> str:
    """`batches` never ends and repeats with its generator; one that `continues` begins where the last one ended.
    Look at: `continues`, which must be False for the first batch and wherever a pass begins anew; the order of tracks;
    and draws that do not take `generator=generator`.
    """
    with undisturbed():
        size = _stream_size(task)
        stream, twin = (iter(task.batches(size, generator=draws(3))) for _ in range(2))
        previous, continued = None, 0
        for number in range(1, MOST_BATCHES + 1):
            batch = next(stream, None)
            if batch is None:
                raise Refuted(f"it ends after {number - 1} batches of {size}")
            if number <= 4:
                _check_twin(batch, next(twin, None), f"batch {number}")
            if batch.size != size:
                raise Refuted(f"batch {number} has {batch.size} sequences for {size}")
            if batch.continues:
                continued += 1
                _check_continues(task, previous, batch, f"batch {number}")
            elif number == 2 and previous and not _difference(previous, batch) and not _draws_nothing(task):
                raise Refuted("the second batch is the first again")
            previous = batch
    return f"{number} batches of {size}, of which {continued or 'none'} continue{'' if continued > 1 else 's'} the last"


def _stream_size(task: Task) -> int:
    """The largest of a few sizes that the task takes."""
    for size in STREAM_SIZES[:-1]:
        try:
            next(iter(task.batches(size, generator=draws(0))))
        except (BadInput, ValueError):
            continue
        return size
    return STREAM_SIZES[-1]


def _check_twin(batch: Batch, other: Batch | None, name: str) -> None:
    if other is None:
        raise Refuted(f"{name} is missing at a second pass with the same seed")
    if differing := _difference(batch, other):
        raise Refuted(f"{name} with the same seed differs in its {differing}")


def _check_continues(task: Task, previous: Batch | None, batch: Batch, name: str) -> None:
    if previous is None:
        raise Refuted("the first batch continues another")
    if task.feedback is None:
        return
    fed, given = batch.inputs[0, :, -task.output_size :], _truth(previous, task.output_size)[-1]
    wrong = _unlike(fed, given) & _counted(previous)[-1]
    if wrong.any():
        b = int(wrong.nonzero()[0])
        raise Refuted(
            f"{name} continues the last one, but in sequence {b} it is fed {_shown(fed[b])} where that ended with "
            f"{_shown(given[b])}"
        )


def every_batch(task: Task) -> Iterator[tuple[str, Batch, int]]:
    """Of every kind, with the size that was asked for; 0 where none was."""
    yield "sample(1)", task.sample(1, generator=draws(0)), 1
    yield "sample(3)", task.sample(3, generator=draws(0)), 3
    for batch in islice(task.batches(1, generator=draws(0)), 2):
        yield "batches(1)", batch, 1
    yield "validation", task.validation(), 0
    yield "test", task.test(), 0


def _difference(one: Batch, other: Batch) -> str:
    """Which part of two batches differs; empty where none does."""
    if one.continues != other.continues:
        return "continues"
    pairs = {
        "inputs": (one.inputs, other.inputs),
        "targets": (one.targets, other.targets),
        "mask": (_counted(one), _counted(other)),
    }
    return next((name for name, pair in pairs.items() if not torch.equal(*pair)), "")


def _draws_nothing(task: Task) -> bool:
    """Whether all sequences are one and the same, whatever the seed."""
    batches = [task.sample(2, generator=draws(seed)) for seed in (0, 1, 2)]
    first = batches[0].window(0, batches[0].length)
    alike = all(not _difference(first, batch) for batch in batches[1:])
    return alike and all(bool((part == part[:, :1]).all()) for part in (first.inputs, first.targets))


def _copied(batch: Batch) -> Batch:
    mask = None if batch.mask is None else batch.mask.clone()
    return replace(batch, inputs=batch.inputs.clone(), targets=batch.targets.clone(), mask=mask)


def _truth(batch: Batch, outputs: int) -> Tensor:
    """What each step's target is when it is fed back, (T, B, o)."""
    return batch.targets if batch.targets.is_floating_point() else one_hot(batch.targets, outputs).float()


def _unlike(one: Tensor, other: Tensor) -> Tensor:
    return ~torch.isclose(one, other, rtol=1e-5, atol=1e-6).all(dim=-1)


def _counted(batch: Batch) -> Tensor:
    return _everywhere(batch) if batch.mask is None else batch.mask


def _everywhere(batch: Batch) -> Tensor:
    return torch.ones(batch.length, batch.size, dtype=torch.bool)


def _shown(values: Tensor) -> str:
    return f"({', '.join(f'{value:.4g}' for value in values.tolist()[:3])}{', …' if len(values) > 3 else ''})"
