"""What every task owes: shapes, repeatable draws, fixed data, a score, and references with a floor."""

import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from throughtime.parts.specs import snake_case
from throughtime.tasks import TASKS, make_task

SPECS = [*TASKS.names(), 'sunspots(part="1956-1979")', 'digits(view="pixels")', "copy(length=3, symbols=2)"]
SHORTEST = [
    "adding(length=2)",
    "anbn(length=2, largest=2)",
    "copy(length=1, symbols=1)",
    "first_symbol(length=2)",
    "lorenz(length=1, horizon=1)",
    "mackey_glass(length=1, horizon=1)",
    "influence_balancing(length=1)",
    "pendulum(length=1)",
    "sunspots(length=1)",
    "text(length=1, horizon=1, judged=80)",
    "sunspots_monthly(length=1, horizon=1)",
    "temporal_order(length=10, symbols=3)",
    "traffic(length=1, horizon=1)",
    "two_lag(a=0, b=1, length=2)",
]


NOTHING_DRAWN = ["influence_balancing"]
"""Tasks that are one and the same sequence."""


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def same(one, other):
    masks = one.counts == other.counts
    return masks and torch.equal(one.inputs, other.inputs) and torch.equal(one.targets, other.targets)


@pytest.fixture(params=SPECS)
def task(request):
    return make_task(request.param)


@pytest.fixture(params=[spec for spec in SPECS if spec not in NOTHING_DRAWN])
def drawn_task(request):
    return make_task(request.param)


def test_sample_has_the_shapes_and_types_of_the_contract(task):
    batch = task.sample(3, generator=generator())
    T = batch.length
    assert batch.inputs.shape == (T, 3, task.input_size)
    assert batch.inputs.dtype == torch.float32
    if batch.targets.is_floating_point():
        assert batch.targets.shape == (T, 3, task.output_size)
    else:
        assert batch.targets.shape == (T, 3)
        assert 0 <= int(batch.targets.min()) <= int(batch.targets.max()) < task.output_size
    assert batch.mask is None or (batch.mask.shape == (T, 3) and batch.mask.dtype == torch.bool)
    assert batch.total > 0
    assert bool(torch.isfinite(batch.inputs).all())
    assert bool(torch.isfinite(batch.targets).all())


def test_a_seed_decides_the_batch(drawn_task):
    first = drawn_task.sample(4, generator=generator(1))
    assert same(first, drawn_task.sample(4, generator=generator(1)))
    assert not same(first, drawn_task.sample(4, generator=generator(2)))


def test_batches_go_on_without_end_and_differ(drawn_task):
    stream = drawn_task.batches(4, generator=generator())
    first, second = next(stream), next(stream)
    assert not same(first, second)
    assert not first.continues


@pytest.mark.parametrize("part", ["validation", "test"])
def test_judged_data_is_fixed(task, part):
    first = getattr(task, part)()
    task.sample(5, generator=generator())
    assert same(first, getattr(task, part)())


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("part", ["validation", "test"])
def test_two_instances_are_judged_on_the_same_data(spec, part):
    first = getattr(make_task(spec), part)()
    torch.manual_seed(123)
    assert same(first, getattr(make_task(spec), part)())


def test_validation_and_test_differ(drawn_task):
    validation, test = drawn_task.validation(), drawn_task.test()
    assert validation.inputs.shape != test.inputs.shape or not same(validation, test)


def test_global_random_state_is_untouched(task):
    before = torch.get_rng_state()
    task.sample(3, generator=generator())
    task.validation()
    task.test()
    assert torch.equal(before, torch.get_rng_state())


def test_score_is_a_number_for_any_output(task):
    test = task.test()
    outputs = torch.zeros(test.length, test.size, task.output_size)
    assert isinstance(task.score(outputs, test), float)


def test_references_have_a_floor_and_a_source(task):
    references = task.references()
    assert "floor" in {reference.kind for reference in references}
    assert all(reference.source for reference in references)
    assert len({reference.name for reference in references}) == len(references)
    assert {reference.kind for reference in references} <= {"floor", "baseline", "optimum"}
    assert task.metric.better in {"lower", "higher"}


@pytest.mark.parametrize("spec", [*SPECS, *SHORTEST])
def test_references_are_finite_down_to_the_shortest_sequence(spec):
    references = make_task(spec).references()
    assert [reference for reference in references if not math.isfinite(reference.value)] == []


@pytest.mark.parametrize("spec", SHORTEST)
def test_the_shortest_sequence_holds_a_target(spec):
    batch = make_task(spec).sample(3, generator=generator())
    assert 1 <= batch.total <= 3 * batch.length
    assert batch.share(0, batch.length) == 1


def test_the_optimum_is_better_than_every_floor(task):
    sign = 1 if task.metric.better == "lower" else -1
    by_kind = {kind: [sign * r.value for r in task.references() if r.kind == kind] for kind in ("floor", "optimum")}
    assert all(optimum < floor for optimum in by_kind["optimum"] for floor in by_kind["floor"])


def test_outputs_at_masked_steps_do_not_count(task):
    test = task.test()
    if test.mask is None:
        pytest.skip("every step counts")
    outputs = torch.randn(test.length, test.size, task.output_size, generator=generator())
    other = torch.where(test.mask[..., None], outputs, outputs + 100)
    assert task.score(outputs, test) == pytest.approx(task.score(other, test))
    assert float(test.mean_loss(outputs)) == pytest.approx(float(test.mean_loss(other)))


def test_masked_targets_do_not_count(task):
    test = task.test()
    if test.mask is None:
        pytest.skip("every step counts")
    outputs = torch.randn(test.length, test.size, task.output_size, generator=generator())
    hidden = ~test.mask.expand(test.targets.shape[:2])
    test = replace(test, targets=test.targets.clone())  # which lie as the others do: a sum follows that order
    targets = test.targets.clone()
    if targets.is_floating_point():
        targets[hidden] += 100
    else:
        targets[hidden] = (targets[hidden] + 1) % task.output_size
    other = replace(test, targets=targets)
    assert not same(test, other)
    assert task.score(outputs, test) == task.score(outputs, other)
    assert torch.equal(test.mean_loss(outputs), other.mean_loss(outputs))


def test_constructing_tasks_imports_no_large_package():
    """Reading a packaged file needs neither the package nor what it depends on."""
    code = """
import sys
from throughtime.tasks import TASKS, make_task
for name in TASKS.names():
    make_task(name)
print(*sorted({"pandas", "scipy", "sklearn", "statsmodels"} & set(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


@pytest.mark.parametrize("spec", [spec for spec in SPECS if make_task(spec).feedback])
def test_feedback_is_the_target_of_the_step_before(spec):
    task = make_task(spec)
    for batch in (task.sample(4, generator=generator()), task.test()):
        fed = batch.inputs[1:, :, -task.output_size :]
        targets = batch.targets[:-1]
        expected = targets if task.feedback == "real" else torch.nn.functional.one_hot(targets, task.output_size)
        assert torch.equal(fed, expected.to(fed))


@pytest.mark.parametrize("spec", [spec for spec in SPECS if make_task(spec).feedback])
def test_a_floor_can_run_free_over_the_horizon(spec):
    task = make_task(spec)
    free = [reference for reference in task.references() if reference.free is not None]
    assert "floor" in {reference.kind for reference in free}
    assert {len(reference.by_lead) for reference in free} == {task.horizon}


@pytest.mark.parametrize("name", TASKS.names())
def test_a_task_is_found_under_its_file_name(name):
    found = TASKS.get(name)
    assert found.__module__ == f"throughtime.tasks.{name}"
    assert snake_case(found.__name__) == name
    assert found.available() == (True, "")
