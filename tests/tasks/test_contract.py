"""What every task owes: shapes, repeatable draws, fixed data, a score, and references with a floor."""

import pytest
import torch

from throughtime.networks.registry import snake_case
from throughtime.tasks import TASKS, make_task

SPECS = [*TASKS.names(), 'sunspots(part="1956-1979")', 'digits(view="pixels")', "copy(length=3, symbols=2)"]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def same(one, other):
    return torch.equal(one.inputs, other.inputs) and torch.equal(one.targets, other.targets)


@pytest.fixture(params=SPECS)
def task(request):
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


def test_a_seed_decides_the_batch(task):
    first = task.sample(4, generator=generator(1))
    assert same(first, task.sample(4, generator=generator(1)))
    assert not same(first, task.sample(4, generator=generator(2)))


def test_batches_go_on_without_end_and_differ(task):
    stream = task.batches(4, generator=generator())
    first, second = next(stream), next(stream)
    assert not same(first, second)
    assert not first.continues


@pytest.mark.parametrize("part", ["validation", "test"])
def test_judged_data_is_fixed(task, part):
    first = getattr(task, part)()
    task.sample(5, generator=generator())
    assert same(first, getattr(task, part)())


def test_validation_and_test_differ(task):
    validation, test = task.validation(), task.test()
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


@pytest.mark.parametrize("name", TASKS.names())
def test_a_task_is_found_under_its_file_name(name):
    found = TASKS.get(name)
    assert found.__module__ == f"throughtime.tasks.{name}"
    assert snake_case(found.__name__) == name
    assert found.available() == (True, "")
