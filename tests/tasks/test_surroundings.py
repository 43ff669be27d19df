"""What a task draws, and what is made to learn it, never depends on torch's or NumPy's global settings."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.forcings import FORCINGS, make_forcing
from throughtime.forcings.base import gumbel
from throughtime.networks import CELLS, make_network
from throughtime.parts import BadInput
from throughtime.runners.training.free_run import FreeRun
from throughtime.tasks import TASKS, Batch, Task, digits, make_task, speech
from throughtime.tasks.horizon import ahead
from throughtime.tasks.losses import squared_error


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def threads(number):
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def numpy_seed(seed):
    before = np.random.get_state()  # noqa: NPY002 (the global one is meant)
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


SURROUNDINGS = {
    "float64": lambda: default_dtype(torch.float64),
    "float16": lambda: default_dtype(torch.float16),
    "meta": lambda: torch.device("meta"),
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "three threads": lambda: threads(3),
    "numpy's seed": lambda: numpy_seed(5),
}
ALGORITHMS = ["full", "truncated(k1=2, k2=3)", "stochastic(length=4)", "uoro", "rtrl", "readout_only"]
each_surrounding = pytest.mark.parametrize("around", SURROUNDINGS.values(), ids=SURROUNDINGS.keys())


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn(spec):
    """Everything that a fresh task gives."""
    task = make_task(spec)
    stream = task.batches(2, generator=draws(1))
    batches = [task.sample(3, generator=draws()), task.validation(), task.test(), next(stream), next(stream)]
    made = task.make_network(task.own_cell or "rnn", hidden_size=3, seed=0, dtype=torch.float32, device="cpu")
    tensors = [tensor for batch in batches for tensor in (batch.inputs, batch.targets)]
    return [*tensors, *(batch.mask for batch in batches if batch.mask is not None), *made.parameters()]


def assert_same(found, expected):
    assert [(tensor.dtype, tensor.device, tensor.shape) for tensor in found] == [
        (tensor.dtype, tensor.device, tensor.shape) for tensor in expected
    ]
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert not any(tensor.is_inference() for tensor in found)


@pytest.fixture(scope="module")
def usual():
    return {name: drawn(name) for name in TASKS.names()}


@each_surrounding
@pytest.mark.parametrize("name", TASKS.names())
def test_a_tasks_data_and_network_are_the_same(usual, name, around):
    for module in (digits, speech):  # what is read once must not be kept as it was read here
        module.load.cache_clear()
    with around():
        found = drawn(name)
    for module in (digits, speech):
        module.load.cache_clear()
    assert_same(found, usual[name])


@each_surrounding
def test_the_settings_are_put_back(around):
    def settings():
        grad = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        return torch.get_default_dtype(), torch.get_default_device(), *grad

    with around():
        before = settings()
        stream = make_task("text").batches(2, generator=draws())
        next(stream)
        assert settings() == before
        next(stream)
        assert settings() == before


class Foreign(Task):
    """A plugin's task, written without a thought of dtypes."""

    input_size = output_size = 1

    def __init__(self, scale: float = 2.0):
        self.scale = torch.tensor(scale)

    def sample(self, batch_size, *, generator):
        values = self.scale * torch.rand(4, batch_size, 1, generator=generator)
        return Batch(values, values, squared_error)

    def validation(self):
        return self.sample(2, generator=draws(1))

    test = validation
    score = references = None


Foreign.__abstractmethods__ = frozenset()


@each_surrounding
def test_a_plugins_task_needs_no_thought_of_it(around):
    expected = [Foreign().sample(3, generator=draws()).inputs, Foreign().test().inputs]
    with around():
        found = [Foreign().sample(3, generator=draws()).inputs, Foreign().test().inputs]
    assert_same(found, expected)


def driven(name):
    """What a forcing shows, and what it draws once."""
    tensors = []
    for spec in ("sunspots", "anbn(length=20)"):
        task = make_task(spec)
        made = task.make_network("gru", hidden_size=3, seed=0, dtype=torch.float32, device="cpu")
        forcing = make_forcing(name)
        network = forcing.begin(made, task.feedback, seed=0)
        batch = task.sample(3, generator=draws())
        tensors.append(forcing.drive(batch, network, progress=0.5, generator=draws(1)).inputs)
        modules = [value for value in vars(forcing).values() if isinstance(value, nn.Module)]
        tensors += [parameter.detach() for module in modules for parameter in module.parameters()]
    return tensors


@each_surrounding
@pytest.mark.parametrize("name", FORCINGS.names())
def test_a_forcings_draws_are_the_same(name, around):
    expected = driven(name)
    with around():
        found = driven(name)
    assert_same(found, expected)


@each_surrounding
def test_noise_and_coins_asked_for_by_themselves_are_the_same(around):
    def numbers():
        coins = make_forcing("scheduled").truth(50, 4, progress=0.5, generator=draws())
        return [gumbel(5, 3, generator=draws()), coins]

    expected = numbers()
    with around():
        found = numbers()
    assert_same(found, expected)


@each_surrounding
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_initial_parameters_are_the_same(cell, around):
    def parameters():
        made = make_network(cell, input_size=2, hidden_size=3, output_size=1, seed=0)
        alone = CELLS.get(cell)(2, 3, generator=draws())
        return [*made.parameters(), *(parameter.detach().clone() for parameter in alone.parameters())]

    expected = parameters()
    with around():
        found = parameters()
    assert [found[0].dtype, found[0].device] == [torch.float32, torch.device("cpu")]
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@each_surrounding
def test_a_free_run_starts_at_the_same_origins(around):
    task = make_task("text(judged=800, horizon=4)")
    judged = task.test()

    def found():
        run = FreeRun(task, judged)
        return [run.inputs, run.ahead.steps, run.ahead.sequences, run.ahead.every, ahead(judged, 3).batch.inputs]

    expected = found()
    with around():
        again = found()
    assert all(torch.equal(one, other) for one, other in zip(again, expected, strict=True))


@each_surrounding
@pytest.mark.parametrize("spec", ALGORITHMS)
def test_an_estimate_is_the_same(spec, around):
    batch = make_task("anbn(length=12)").sample(3, generator=draws())
    network = make_network("gru", input_size=3, hidden_size=3, output_size=3, seed=0)
    expected = estimate_gradient(make_algorithm(spec), network, batch, generator=draws(2))
    assert any(bool(gradient.any()) for gradient in expected.values())
    with around():
        found = estimate_gradient(make_algorithm(spec), network, batch, generator=draws(2))
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("spec", ["full", "truncated(k1=2, k2=3)", "stochastic(length=4)"])
def test_updates_pulled_where_nothing_is_recorded_are_refused(spec, around):
    """They were zero."""
    batch = make_task("anbn(length=12)").sample(3, generator=draws())
    network = make_network("rnn", input_size=3, hidden_size=3, output_size=3, seed=0)
    with around(), pytest.raises(BadInput, match=r"would be zero: pull them outside of torch\.no_grad"):
        list(make_algorithm(spec).updates(network, batch, generator=draws()))
