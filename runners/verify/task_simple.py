"""What the simplest predictors reach beside a task's references: a constant, and a linear look at a step's input."""

import torch
from torch import Tensor, nn

from throughtime.tasks import Batch, Reference, Task

from .problems import draws
from .refuted import NotPromised, Refuted

MANY = 64
"""Training sequences that a predictor is fitted to."""

SLACK = 0.05
"""By how much, relatively, a predictor may be better by chance, beside what halves of the test data differ by."""


def nothing_simple_beats_its_references(task: Task) -> str:
    """No constant beats every floor, and no linear look at a step's own input every reference: scores above them need
    more than that.
    Look at: targets that stand among the inputs; floors in another unit than the score's, or of other data than `test`;
    and add a memoryless floor, where so much can be had without memory.
    """
    if task.own_cell or type(task).make_network is not Task.make_network:
        raise NotPromised("it makes networks of its own, which no constant and no linear readout can stand for")
    references = task.references()
    floors = [one for one in references if one.kind == "floor"]
    words = []
    for what, of_inputs, beaten in (("a constant", False, floors), ("a linear look", True, references)):
        if not beaten:
            raise NotPromised("there is no floor")
        score, spread = _scores(task, of_inputs=of_inputs)
        best = _best(task, beaten)
        better = score - best.value if task.metric.better == "higher" else best.value - score
        told = f"{what} scores {score:.4g}, the {best.kind} {best.name} {best.value:.4g}"
        if better > SLACK * abs(best.value) + spread:
            raise Refuted(f"{told}, and {task.metric.better} is better")
        words.append(told)
    return "; ".join(words)


def _best(task: Task, references: list[Reference]) -> Reference:
    turn = -1 if task.metric.better == "higher" else 1
    return min(references, key=lambda one: turn * one.value)


def _scores(task: Task, *, of_inputs: bool) -> tuple[float, float]:
    """Of a linear predictor fitted to training data the score on the test data, and by how much two halves differ."""
    batch = task.sample(MANY, generator=draws(0)).to(dtype=torch.float64)
    predictor = nn.Linear(task.input_size, task.output_size, dtype=torch.float64)
    nn.init.zeros_(predictor.weight)
    nn.init.zeros_(predictor.bias)
    predictor.weight.requires_grad_(of_inputs)
    fitted = [parameter for parameter in predictor.parameters() if parameter.requires_grad]
    optimizer = torch.optim.LBFGS(fitted, max_iter=20, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = batch.mean_loss(predictor(batch.inputs))
        value.backward()
        return value

    optimizer.step(loss)
    test = task.test()
    with torch.no_grad():
        outputs = predictor(test.inputs.double()).float()
    halves = [_part(test, outputs, half) for half in (0, 1)]
    scores = [task.score(out.clone(), part) for part, out in halves]
    return task.score(outputs.clone(), test), abs(scores[0] - scores[1])


def _part(batch: Batch, outputs: Tensor, half: int) -> tuple[Batch, Tensor]:
    """Half of a batch's sequences, or of the steps where it is one sequence."""
    if batch.size == 1:
        middle = batch.length // 2
        steps = (0, middle) if half == 0 else (middle, batch.length)
        return batch.window(*steps), outputs[slice(*steps)]
    mine = slice(half, None, 2)
    mask = None if batch.mask is None else batch.mask[:, mine]
    return Batch(batch.inputs[:, mine], batch.targets[:, mine], batch.loss, mask), outputs[:, mine]
