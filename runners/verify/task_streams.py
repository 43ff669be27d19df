"""What a task gives from step to step and from batch to batch: its own targets fed back, and a stream that goes on."""

from torch import Tensor

from throughtime.parts import BadInput
from throughtime.tasks import Batch, Task

from .batches import counted, difference, draws_nothing, every_batch, everywhere, fed_back, shown, unlike
from .problems import draws
from .process import undisturbed
from .refuted import NotPromised, Refuted

STREAM_SIZES = (32, 4, 1)
"""A stream may refuse sizes: the largest of these that it takes."""

MOST_BATCHES = 60
"""That a stream is followed for."""


def feeds_back_its_targets(task: Task) -> str:
    """With `feedback`, the last o inputs of a step are the target of the step before, wherever that target counts.
    Look at: which features come last and which step they are of; one-hot for "symbol", the scaled value for "real".
    """
    if task.feedback is None:
        raise NotPromised("feedback is None")
    if task.feedback not in ("real", "symbol"):
        raise Refuted(f"feedback is {task.feedback!r}; there are 'real', 'symbol' and None")
    batches = list(every_batch(task))
    steps = sum(_check_fed(task, name, batch, counted(batch)) for name, batch, _ in batches)
    if not steps:  # no target that counts has a step after it
        steps = sum(_check_fed(task, name, batch, everywhere(batch)) for name, batch, _ in batches)
    return f"the last {task.output_size} of {task.input_size} inputs, at {steps:,} steps"


def _check_fed(task: Task, name: str, batch: Batch, looked_at: Tensor) -> int:
    """How many targets were looked at, of those that are to be, (T, B)."""
    o, real = task.output_size, batch.targets.is_floating_point()
    if real != (task.feedback == "real"):
        raise Refuted(f"feedback is {task.feedback!r}, and targets of {name} are {'values' if real else 'classes'}")
    if batch.inputs.shape[2] < o:
        raise Refuted(f"{batch.inputs.shape[2]} inputs can't hold {o} that are fed back")
    fed, truth = batch.inputs[1:, :, -o:], fed_back(batch, o)[:-1]
    wrong = unlike(fed, truth) & looked_at[:-1]
    if wrong.any():
        t, b = wrong.nonzero()[0].tolist()
        told = f"{shown(fed[t, b])}, and targets[{t}, {b}] is {shown(truth[t, b])}"
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
            elif number == 2 and previous and not difference(previous, batch) and not draws_nothing(task):
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
    if differing := difference(batch, other):
        raise Refuted(f"{name} with the same seed differs in its {differing}")


def _check_continues(task: Task, previous: Batch | None, batch: Batch, name: str) -> None:
    if previous is None:
        raise Refuted("the first batch continues another")
    if task.feedback is None:
        return
    fed, given = batch.inputs[0, :, -task.output_size :], fed_back(previous, task.output_size)[-1]
    wrong = unlike(fed, given) & counted(previous)[-1]
    if wrong.any():
        b = int(wrong.nonzero()[0])
        raise Refuted(
            f"{name} continues the last one, but in sequence {b} it is fed {shown(fed[b])} where that ended with "
            f"{shown(given[b])}"
        )
