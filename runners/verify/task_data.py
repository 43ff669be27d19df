"""What a task gives, batches to learn from and to judge on: their form, that they repeat, that they are kept apart.

Repeats are compared to the bit. That judged data is kept apart is held against how often sequences recur by chance:
some tasks have but a few different ones.
"""

import inspect
import math
from collections.abc import Callable

import torch
from torch import Tensor

from throughtime.runners.suite.ladder import LEAST_SEEDS
from throughtime.tasks import Batch, Task

from .batches import copied, difference, draws_nothing, every_batch
from .problems import draws
from .process import seeded, undisturbed
from .refuted import NotPromised, Refuted

SIGMAS = 6.0
"""Beyond so many standard deviations, that a sequence was met before is no chance."""

MANY = 256
"""Training sequences that are looked for in judged data."""


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
    if differing := difference(first, again):
        raise Refuted(f"two samples with the same seed differ in their {differing}")
    if difference(first, task.sample(4, generator=draws(7))):
        return "the same to the bit; another seed gives another batch"
    if draws_nothing(task):
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
            first = [copied(one.validation()), copied(one.test())]
        with seeded(2):
            other = make()
            other.sample(5, generator=draws(1))
            again = [other.test(), other.validation()][::-1]
        for name, before, after in zip(("validation", "test"), first, again, strict=True):
            if differing := difference(before, after):
                where = "at a second call" if make is makes[0] else "of a second instance"
                raise Refuted(f"{name} {where} differs in its {differing}")
        sizes = [f"{batch.size} × {batch.length}" for batch in first]
    how = "at a second call and of a second instance" if len(makes) == 2 else "at a second call"
    return f"the same to the bit {how}: {' and '.join(sizes)} steps"


def judged_data_is_apart(task: Task) -> str:
    """No sequence of `test` counts in `validation`, and none of either is drawn in training, but by chance.
    So it is in each fold. Look at: two seeds that are the same, splits by time that overlap, windows that reach into
    the part after theirs; in `fold`, what is still known of the whole task.
    """
    if draws_nothing(task):
        raise NotPromised("nothing is drawn: all sequences are one")
    folds = {id(one): one for one in (task.fold(number) for number in range(LEAST_SEEDS)) if one is not task}
    return "; ".join([_apart(task), *(f"in a fold {_apart(one)}" for one in folds.values())])


def _apart(task: Task) -> str:
    validation, test = task.validation(), task.test()
    training = task.sample(MANY, generator=draws(11))
    if not difference(validation, test):
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
