"""Batches: windows, shares, masks, and moving them."""

from dataclasses import replace

import pytest
import torch

from throughtime.tasks import Batch
from throughtime.tasks.losses import cross_entropy, squared_error


@pytest.fixture
def batch():
    """Five steps of two sequences; the second ends after three steps."""
    mask = torch.tensor([[1, 1], [1, 1], [0, 0], [1, 0], [1, 0]]).bool()
    values = torch.arange(10.0).reshape(5, 2, 1)
    return Batch(values, values + 1, squared_error, mask)


def test_counts_and_shares(batch):
    assert batch.counts == [2, 2, 0, 1, 1]
    assert batch.total == 6
    assert batch.share(0, 2) == pytest.approx(4 / 6)
    assert batch.share(2, 3) == 0
    assert batch.share(0, 5) == 1


def test_without_a_mask_everything_counts(batch):
    whole = Batch(batch.inputs, batch.targets, squared_error)
    assert whole.counts == [2] * 5
    assert whole.share(1, 2) == pytest.approx(0.2)


def test_a_window_is_a_batch(batch):
    window = batch.window(1, 4)
    assert torch.equal(window.inputs, batch.inputs[1:4])
    assert torch.equal(window.targets, batch.targets[1:4])
    assert window.counts == [2, 0, 1]


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_the_shares_of_all_windows_add_up_to_one(batch, k):
    assert sum(batch.share(t, min(t + k, 5)) for t in range(0, 5, k)) == pytest.approx(1)


def test_the_losses_of_windows_weighted_by_share_are_the_batch_loss(batch):
    outputs = batch.targets + torch.arange(10.0).reshape(5, 2, 1)
    parts = [batch.share(t, t + 2) * batch.window(t, t + 2).mean_loss(outputs[t : t + 2]) for t in (0, 2, 4)]
    assert float(sum(parts)) == pytest.approx(float(batch.mean_loss(outputs)))


def test_no_target_has_no_share(batch):
    assert batch.window(2, 3).share(0, 1) == 0


def test_a_window_and_a_moved_batch_still_continue(batch):
    stream = replace(batch, continues=True)
    assert stream.window(0, 2).continues
    assert stream.to(dtype=torch.float64).continues


def test_mean_loss_is_over_the_targets_alone(batch):
    outputs = batch.targets.clone()
    outputs[0, 0] += 3
    outputs[2] += 100
    assert float(batch.mean_loss(outputs)) == pytest.approx(9 / 6)


def test_target_losses_are_in_order_of_time_sequence_after_sequence(batch):
    outputs = batch.targets + torch.arange(10.0).reshape(5, 2, 1).sqrt()
    assert batch.target_losses(outputs).tolist() == pytest.approx([0, 2, 6, 8, 1, 3])
    whole = Batch(batch.inputs, batch.targets, squared_error)
    assert whole.target_losses(outputs).tolist() == pytest.approx([0, 2, 4, 6, 8, 1, 3, 5, 7, 9])


def test_mean_loss_without_targets_is_zero_and_differentiable(batch):
    outputs = torch.ones(1, 2, 1, requires_grad=True)
    loss = batch.window(2, 3).mean_loss(outputs)
    (gradient,) = torch.autograd.grad(loss, outputs)
    assert float(loss.detach()) == 0
    assert not gradient.any()


def test_targets_behind_the_mask_do_not_count(batch):
    outputs = torch.zeros(5, 2, 1)
    before = float(batch.mean_loss(outputs))
    batch.targets[2] = 1e6
    assert float(batch.mean_loss(outputs)) == before


def test_double_precision_keeps_class_numbers():
    classes = Batch(torch.zeros(3, 2, 1), torch.zeros(3, 2, dtype=torch.long), cross_entropy)
    moved = classes.to(dtype=torch.float64)
    assert moved.inputs.dtype == torch.float64
    assert moved.targets.dtype == torch.long


def test_double_precision_takes_real_targets_along(batch):
    assert batch.to(dtype=torch.float64).targets.dtype == torch.float64


def test_everything_moves_to_the_device(batch):
    moved = batch.to("meta")
    assert {part.device.type for part in (moved.inputs, moved.targets, moved.mask)} == {"meta"}
    assert moved.inputs.dtype == torch.float32


def test_squared_error_is_a_mean_over_components():
    outputs = torch.tensor([[[1.0, 3.0]]])
    assert squared_error(outputs, torch.zeros(1, 1, 2)).tolist() == [[5.0]]


def test_cross_entropy_of_each_step():
    logits = torch.tensor([[[0.0, 0.0]], [[0.0, torch.log(torch.tensor(3.0))]]])
    losses = cross_entropy(logits, torch.tensor([[0], [1]]))
    assert losses[:, 0].tolist() == pytest.approx([0.6931472, 0.2876821])
