"""Chaotic lanes: the systems step by step, and that a stream goes on without end."""

import itertools

import pytest
import torch

from throughtime.parts import BadInput
from throughtime.tasks import make_task
from throughtime.tasks.chaotic_lanes import SYSTEMS, scale


def stream(task, batches, size=2):
    drawn = task.batches(size, generator=torch.Generator().manual_seed(0))
    return list(itertools.islice(drawn, batches))


def series(system, lanes=3, steps=60):
    drawn = SYSTEMS[system](lanes, torch.Generator().manual_seed(1))
    return [values.copy() for values in itertools.islice(drawn, steps)]


def test_mackey_glass_by_hand():
    x = series("mackey_glass")
    for t in range(16, 59):
        for lane in range(3):
            delayed = x[t - 16][lane]
            expected = x[t][lane] + 0.2 * delayed / (1 + delayed**10) - 0.1 * x[t][lane]
            assert x[t + 1][lane] == pytest.approx(expected, rel=1e-12)


def test_lorenz_by_hand():
    start = 1 + 0.1 * torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = series("lorenz", steps=5)
    for lane in range(3):
        x, y, z = start[:, lane].tolist()
        for t in range(10):
            x, y, z = (
                x + 0.01 * 10 * (y - x),
                y + 0.01 * (x * (28 - z) - y),
                z + 0.01 * (x * y - 8 / 3 * z),
            )
            if t % 2:
                assert found[t // 2][lane] == pytest.approx(x, rel=1e-12)


@pytest.mark.parametrize("system", SYSTEMS)
def test_targets_are_the_next_inputs_from_batch_to_batch(system):
    batches = stream(make_task("chaotic_lanes", system=system, length=7), 5)
    inputs = torch.cat([batch.inputs for batch in batches])
    targets = torch.cat([batch.targets for batch in batches])
    assert torch.equal(inputs[1:], targets[:-1])
    assert not any(batch.continues for batch in batches)  # the state is reset
    assert not torch.equal(inputs[:, 0], inputs[:, 1])


@pytest.mark.parametrize(("system", "persistence"), [("mackey_glass", 0.0235), ("lorenz", 0.0105)])
def test_persistence_is_the_published_one(system, persistence):
    task = make_task("chaotic_lanes", system=system)
    mean, repeated = task.references()
    assert mean.value == pytest.approx(1.0, abs=0.01)
    assert repeated.value == pytest.approx(persistence, rel=0.02)
    deviation = scale(system)[1]
    assert deviation == pytest.approx({"mackey_glass": 0.22, "lorenz": 7.9}[system], rel=0.1)


def test_lanes_of_another_generator_are_other_lanes():
    task = make_task("chaotic_lanes", length=5)
    one, other = (task.sample(2, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert not torch.equal(one.inputs, other.inputs)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"length": 0}, "length must be at least 1"), ({"system": "henon"}, "'mackey_glass' or 'lorenz'")],
)
def test_bad_parameters_are_told(parameters, message):
    with pytest.raises(BadInput, match=message):
        make_task("chaotic_lanes", **parameters)
