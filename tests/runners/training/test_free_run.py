"""A free run starts from the truth up to its origin and goes on with nothing but the network's own output."""

import pytest
import torch

from throughtime.forcings.base import closed_loop
from throughtime.runners.training.free_run import FreeRun
from throughtime.tasks import make_task

SUNSPOTS = "sunspots(horizon=4)"


def loop_of(task, cell):
    made = task.make_network(cell, hidden_size=5, seed=0, dtype=torch.float64, device="cpu")
    return closed_loop(made, task.feedback)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@torch.no_grad()
def test_scores_are_those_of_a_run_by_hand(cell):
    task = make_task(SUNSPOTS)
    test = task.test().to(dtype=torch.float64)
    loop = loop_of(task, cell)
    origins = [t for t in range(test.length - 3) if all(test.counts[t : t + 4])]
    errors = torch.zeros(4, len(origins), dtype=torch.float64)
    for number, origin in enumerate(origins):
        state = loop.initial_state(1)
        for t in range(origin + 1):
            state = loop.cell.step(test.inputs[t], state)
        for lead in range(4):
            predicted = loop.readout(state[0])
            errors[lead, number] = float((predicted - test.targets[origin + lead]) ** 2)
            state = loop.cell.step(predicted, state)
    scale = task.deviation**2 / task.variance
    free, by_lead = FreeRun(task, test).scores(loop)
    assert by_lead == pytest.approx((errors.mean(dim=1) * scale).tolist(), rel=1e-9)
    assert free == pytest.approx(float(errors.mean()) * scale, rel=1e-9)


def test_first_lead_is_one_step_ahead():
    task = make_task("sunspots(horizon=1)")
    test = task.test().to(dtype=torch.float64)
    loop = loop_of(task, "gru")
    with torch.no_grad():
        one_step = task.score(loop.unroll(test.inputs)[0], test)
    assert FreeRun(task, test).scores(loop)[0] == pytest.approx(one_step, rel=1e-9)


@torch.no_grad()
def test_truth_is_scored_on_the_same_targets():
    task = make_task(SUNSPOTS)
    test = task.test().to(dtype=torch.float64)
    outputs = loop_of(task, "gru").unroll(test.inputs)[0]
    origins = [t for t in range(test.length - 3) if all(test.counts[t : t + 4])]
    errors = [float((outputs[t] - test.targets[t]) ** 2) for origin in origins for t in range(origin, origin + 4)]
    expected = sum(errors) / len(errors) * task.deviation**2 / task.variance
    assert FreeRun(task, test).score_given_truth(outputs) == pytest.approx(expected, rel=1e-9)
    assert task.score(outputs, test) != pytest.approx(expected, rel=1e-3)


def test_symbols_are_drawn_alike_every_time():
    task = make_task("anbn(length=10, largest=3, horizon=5)")
    test = task.test().to(dtype=torch.float64)
    loop = loop_of(task, "rnn")
    assert FreeRun(task, test).scores(loop) == FreeRun(task, test).scores(loop)


@torch.no_grad()
def test_every_sequence_starts_from_its_own_state():
    task = make_task("sunspots(length=6, horizon=2)")
    judged = task.sample(3, generator=torch.Generator().manual_seed(0)).to(dtype=torch.float64)
    loop, errors = loop_of(task, "gru"), []
    for b in range(3):
        for origin in range(5):
            state = loop.initial_state(1)
            for t in range(origin + 1):
                state = loop.cell.step(judged.inputs[t, b : b + 1], state)
            for lead in range(2):
                predicted = loop.readout(state[0])
                errors.append(float((predicted - judged.targets[origin + lead, b]) ** 2))
                state = loop.cell.step(predicted, state)
    expected = sum(errors) / len(errors) * task.deviation**2 / task.variance
    assert FreeRun(task, judged).scores(loop)[0] == pytest.approx(expected, rel=1e-9)
