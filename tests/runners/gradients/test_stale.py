"""Moving parameters: what is carried is exact while they are still, and the staler the faster they move."""

import pytest
import torch

from throughtime.algorithms import make_algorithm
from throughtime.networks import make_network
from throughtime.runners.gradients.stale import staleness
from throughtime.tasks import Batch
from throughtime.tasks.losses import squared_error

RATES = (0.0, 0.001, 0.01, 0.1)


def problem(length=40):
    network = make_network("rnn", input_size=1, hidden_size=6, output_size=1, seed=0, dtype=torch.float64)
    source = torch.Generator().manual_seed(0)
    inputs, targets = (torch.randn(length, 4, 1, generator=source, dtype=torch.float64) for _ in range(2))
    with torch.no_grad():
        network.cell.weight_hh_l0 *= 2  # what was carried has to matter for long
    return network, Batch(inputs, targets, squared_error)


def cosines(algorithm, config, **options):
    network, batch = problem()
    config = config.model_copy(update={"optimizer": "sgd", "dtype": "float64"})
    return staleness(make_algorithm(algorithm), network, batch, config, RATES, **options)


def test_rtrls_influence_is_exact_at_rest_and_stale_in_motion(config):
    found = cosines("rtrl", config)
    assert [one.learning_rate for one in found] == list(RATES)
    assert found[0].cosine == pytest.approx(1, abs=1e-12)
    values = [one.cosine for one in found]
    assert values == sorted(values, reverse=True)
    assert values[1] < 1 - 1e-9
    assert values[-1] < 0.99
    assert all(one.error == 0 for one in found)


def test_what_carries_a_state_alone_has_its_own_error_at_rest(config):
    at_rest = cosines("full", config)[0]
    assert at_rest.cosine < 1 - 1e-6


def test_random_carries_are_drawn_several_times(config):
    found = cosines("uoro", config, draws=5)
    assert all(0 < one.error < 1 for one in found)


def test_the_network_is_left_as_it_was(config):
    network, batch = problem()
    before = [parameter.detach().clone() for parameter in network.parameters()]
    staleness(make_algorithm("rtrl"), network, batch, config, RATES)
    assert all(torch.equal(one, other) for one, other in zip(before, network.parameters(), strict=True))


def test_without_targets_in_the_second_half_there_is_nothing_to_tell(config):
    network, batch = problem()
    mask = torch.zeros(40, 4, dtype=torch.bool)
    mask[:10] = True
    early = Batch(batch.inputs, batch.targets, batch.loss, mask)
    assert staleness(make_algorithm("rtrl"), network, early, config, RATES) == []
