"""The networks that a task makes, held to the identities that algorithms rely on, and left to run free."""

import math
from collections.abc import Sequence

import torch

from throughtime.algorithms import make_algorithm
from throughtime.forcings.base import closed_loop
from throughtime.networks import Network
from throughtime.runners.training.free_run import FreeRun
from throughtime.tasks import Task

from .agreement import agree_exactly
from .learning import learned
from .problems import CELLS, Problem, draws, exact_gradient
from .process import seeded, undisturbed
from .refuted import NotPromised, Refuted

WINDOW = 6
"""Steps over which RTRL is compared."""


def runs_free_over_its_horizon(task: Task) -> str:
    """With `feedback`, a network and at least one floor are scored running free, over `horizon` steps and each of them.
    Look at: `horizon`, which judged data must hold in a row; `tasks.horizon.ahead` and `with_leads`, which score a
    reference's own predictions; without feedback the horizon is 0.
    """
    if (task.feedback is None) != (task.horizon == 0) or task.horizon < 0:
        raise Refuted(f"feedback is {task.feedback}, and horizon {task.horizon}")
    free = [reference for reference in task.references() if reference.free is not None]
    if task.feedback is None:
        if free:
            raise Refuted(f"feedback is None, and {free[0].name} runs free")
        raise NotPromised("feedback is None")
    loop = closed_loop(_network(task, _cells(task)[0], torch.float32), task.feedback)
    for name, judged in (("validation", task.validation()), ("test", task.test())):
        _check_leads(task, f"a network on {name}", *FreeRun(task, judged).scores(loop))
    for reference in free:
        assert reference.free is not None
        _check_leads(task, reference.name, reference.free, reference.by_lead)
    if "floor" not in {reference.kind for reference in free}:
        raise Refuted("no floor runs free")
    return f"{task.horizon} steps: {', '.join(reference.name for reference in free)}, and a network"


def _check_leads(task: Task, who: str, score: float, by_lead: Sequence[float]) -> None:
    if len(by_lead) != task.horizon:
        raise Refuted(f"{who} has scores of {len(by_lead)} leads for a horizon of {task.horizon}")
    if not all(map(math.isfinite, (score, *by_lead))):
        raise Refuted(f"{who} scores {score} free, and by lead {tuple(by_lead)}")


def makes_networks_that_learn(task: Task) -> str:
    """`make_network` gives networks of every cell that serve: full BPTT and RTRL are exact, and learning helps.
    Look at: sizes; parameters made without seed and dtype; where there is a loop of your own, that `unroll`, `step` and
    `linearize` are the same, and that nothing in it is detached.
    """
    words = []
    batch = task.sample(2, generator=draws(0))
    for cell in _cells(task):
        with undisturbed():
            network = _network(task, cell, torch.float64)
        _check_parameters(task, cell, network)
        whole = Problem(f"{cell}, T={batch.length}", network, batch.to(dtype=torch.float64))
        outputs, _ = network.unroll(whole.batch.inputs)
        if outputs.shape != (batch.length, batch.size, task.output_size):
            shape = (batch.length, batch.size, task.output_size)
            raise Refuted(f"outputs are {tuple(outputs.shape)} for {shape} ({cell})")
        last = max(t for t in range(batch.length) if batch.counts[t])
        part = whole.part(max(0, last + 1 - WINDOW), last + 1)
        gradient, of_part = exact_gradient(whole), exact_gradient(part)
        compared = (("full", whole, gradient), ("full", part, of_part), ("rtrl(update_every=None)", part, of_part))
        apart = max(agree_exactly(make_algorithm(spec), problem, exact, spec) for spec, problem, exact in compared)
        words.append(f"{cell} within {apart:.1g}, loss {learned(whole, gradient)}")
    return "; ".join(words)


def _cells(task: Task) -> tuple[str, ...]:
    return (task.own_cell,) if task.own_cell else CELLS


def _network(task: Task, cell: str, dtype: torch.dtype) -> Network:
    return task.make_network(cell, hidden_size=4, seed=0, dtype=dtype, device="cpu")


def _check_parameters(task: Task, cell: str, network: Network) -> None:
    with seeded(1):
        again = dict(_network(task, cell, torch.float64).named_parameters())
    single = dict(_network(task, cell, torch.float32).named_parameters())
    parameters = dict(network.named_parameters())
    if not parameters:
        raise Refuted(f"the network has no parameters ({cell})")
    for name, parameter in parameters.items():
        if (parameter.dtype, single[name].dtype) != (torch.float64, torch.float32):
            raise Refuted(f"{name} is {parameter.dtype} and {single[name].dtype} for float64 and float32 ({cell})")
        if not torch.equal(parameter, again[name]):
            raise Refuted(f"{name} is another one at the same seed ({cell})")
