"""Add: the odds of one stream against their definition, and its references against predictors that hold them."""

import itertools

import pytest
import torch

from throughtime.parts import BadInput
from throughtime.tasks import make_task


def stream(task, number, size=3, seed=0):
    return list(itertools.islice(task.batches(size, generator=torch.Generator().manual_seed(seed)), number))


@pytest.mark.parametrize(("a", "b"), [(5, 9), (9, 5), (0, 1), (3, 0)])
def test_the_odds_are_those_of_the_coins_past_across_batches(a, b):
    batches = stream(make_task("add", a=a, b=b, length=12), 4)
    coins = torch.cat([batch.inputs for batch in batches])
    told = torch.cat([batch.targets for batch in batches])
    assert bool((coins.sum(dim=-1) == 1).all())
    for t in range(max(a, b), len(coins)):
        odds = 0.5 + 0.5 * coins[t - a, :, 1] - 0.25 * coins[t - b, :, 1]
        assert torch.equal(told[t, :, 1], odds)
        assert torch.equal(told[t].sum(dim=-1), torch.ones(3))


def test_only_what_can_be_known_counts():
    first, second = stream(make_task("add", length=10), 2)
    assert (first.counts, first.continues) == ([0] * 9 + [3], False)
    assert (second.counts, second.continues) == ([3] * 10, True)


def test_coins_differ_from_batch_to_batch_and_lane_to_lane():
    first, second = stream(make_task("add", length=40), 2)
    assert not torch.equal(first.inputs, second.inputs)
    assert not torch.equal(first.inputs[:, 0], first.inputs[:, 1])


@pytest.mark.parametrize(
    ("name", "known"),
    [("neither lag", ()), ("lag 9 alone", (9,)), ("lag 5 alone", (5,)), ("both lags", (5, 9))],
)
def test_references_are_the_scores_of_who_knows_so_much(name, known):
    task = make_task("add")
    batch = task.test()
    coins = batch.inputs[..., 1]
    odds = torch.full(coins.shape, 0.5)
    for lag, weight in ((5, 0.5), (9, -0.25)):
        odds[9:] += weight * (coins[9 - lag : len(coins) - lag] if lag in known else 0.5)
    logits = torch.stack([1 - odds, odds], dim=-1).clamp_min(1e-12).log()
    (reference,) = [one for one in task.references() if one.name == name]
    assert task.score(logits, batch) == pytest.approx(reference.value, abs=1e-3)


def test_the_loss_is_the_entropy_where_the_odds_are_met():
    task = make_task("add")
    batch = task.sample(2, generator=torch.Generator().manual_seed(0))
    losses = batch.losses(batch.targets.clamp_min(1e-12).log())[9:]
    entropy = torch.special.entr(batch.targets[9:]).sum(dim=-1)
    assert torch.allclose(losses, entropy, atol=1e-6)


def test_too_short():
    with pytest.raises(BadInput, match="length must exceed the longer lag, 9; got 9"):
        make_task("add", length=9)
