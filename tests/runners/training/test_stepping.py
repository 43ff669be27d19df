"""The flat steppers: torch.optim's results, what they add up, and gradients that are not finite."""

import math

import pytest
import torch

from throughtime.algorithms import Update
from throughtime.algorithms.compiled.choose import available, torch_alone
from throughtime.networks import make_network
from throughtime.runners.training.stepping import TorchStepper, make_stepper

FORMS = ["compiled", "torch"] if available() else ["torch"]


@pytest.fixture(params=FORMS)
def make(request):
    """A network and its stepper, by one of the two forms."""

    def made(config, dtype=torch.float64):
        network = make_network("lstm", input_size=2, hidden_size=5, output_size=3, seed=0, dtype=dtype)
        if request.param == "compiled":
            return network, make_stepper(config, network)
        with torch_alone():
            stepper = make_stepper(config, network)
        assert isinstance(stepper, TorchStepper)
        return network, stepper

    return made


@pytest.mark.parametrize("clip_norm", [None, 10.0])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
def test_a_thousand_updates_equal_torch_optim(make, config, optimizer, clip_norm, dtype, tolerance):
    settings = config.model_copy(update={"optimizer": optimizer, "learning_rate": 0.003, "clip_norm": clip_norm})
    network, stepper = make(settings, dtype)
    twin = make_network("lstm", input_size=2, hidden_size=5, output_size=3, seed=0, dtype=dtype)
    kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer]
    theirs = kind(twin.parameters(), lr=0.003)
    draws = torch.Generator().manual_seed(0)
    clipped = 0
    for _ in range(1000):
        scale = 10 ** float(torch.rand((), generator=draws) * 3 - 2)
        for parameter, other in zip(network.parameters(), twin.parameters(), strict=True):
            # Of the parameter itself as well: an error would grow.
            gradient = scale * torch.randn(parameter.shape, generator=draws).to(dtype)
            parameter.grad, other.grad = gradient + parameter.detach(), gradient + other.detach()
        stepper.step(Update(torch.tensor(1.0, dtype=dtype), 1.0, None))
        if clip_norm is not None:
            clipped += int(torch.nn.utils.clip_grad_norm_(twin.parameters(), clip_norm) > clip_norm)
        theirs.step()
    for parameter, other in zip(network.parameters(), twin.parameters(), strict=True):
        assert torch.allclose(parameter, other, rtol=0, atol=tolerance)
    assert stepper.tally().clipped == clipped
    assert 0 < clipped < 1000 or clip_norm is None


def gradients(network, value):
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, value)


def test_what_is_told_of_the_updates(make, config):
    network, stepper = make(config.model_copy(update={"optimizer": "sgd", "learning_rate": 0.0, "clip_norm": 1.0}))
    size = math.sqrt(sum(parameter.numel() for parameter in network.parameters()))
    for loss, weight, value in ((1.0, 0.5, 1.0), (3.0, 0.25, 0.01), (2.0, 0.25, math.nan)):
        gradients(network, value)
        stepper.step(Update(torch.tensor(loss), weight, None))
    tally = stepper.tally()
    assert (tally.updates, tally.finite, tally.clipped) == (3, 2, 1)
    assert (tally.loss, tally.weight) == pytest.approx((1.75, 1.0))
    assert tally.norm == pytest.approx(1.01 * size)
    assert stepper.tally().updates == 0


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_gradient_that_is_not_finite_is_not_applied(make, config, optimizer, broken):
    settings = config.model_copy(update={"optimizer": optimizer, "learning_rate": 0.1, "clip_norm": 1.0})
    (network, stepper), (twin, other) = make(settings), make(settings)
    for value in (0.5, broken, -0.2):
        gradients(network, value)
        stepper.step(Update(torch.tensor(1.0), 1.0, None))
        if math.isfinite(value):
            gradients(twin, value)
            other.step(Update(torch.tensor(1.0), 1.0, None))
    assert all(torch.equal(one, two) for one, two in zip(network.parameters(), twin.parameters(), strict=True))


def test_a_single_value_that_is_not_finite_is_seen(make, config):
    network, stepper = make(config.model_copy(update={"optimizer": "adam", "learning_rate": 0.1, "clip_norm": None}))
    before = [parameter.detach().clone() for parameter in network.parameters()]
    gradients(network, 1.0)
    network.readout.bias.grad[1] = math.nan
    stepper.step(Update(torch.tensor(1.0), 1.0, None))
    assert all(torch.equal(one, two) for one, two in zip(before, network.parameters(), strict=True))


def test_a_parameter_that_was_moved_is_stepped_all_the_same(make, config):
    network, stepper = make(config.model_copy(update={"optimizer": "sgd", "learning_rate": 1.0, "clip_norm": None}))
    network.readout.bias.data = torch.full((3,), 5.0, dtype=torch.float64)
    gradients(network, 2.0)
    stepper.step(Update(torch.tensor(1.0), 1.0, None))
    assert network.readout.bias.tolist() == [3.0, 3.0, 3.0]


def test_a_parameter_without_gradient_stays(make, config):
    network, stepper = make(config.model_copy(update={"optimizer": "sgd", "learning_rate": 1.0, "clip_norm": None}))
    gradients(network, 2.0)
    before = network.readout.bias.detach().clone()
    network.readout.bias.grad = None
    stepper.step(Update(torch.tensor(1.0), 1.0, None))
    assert torch.equal(network.readout.bias, before)
