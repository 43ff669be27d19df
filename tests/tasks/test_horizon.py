"""From which moments a network is left alone, and what it is held against then."""

import pytest
import torch

from throughtime.tasks import Batch, make_task
from throughtime.tasks.horizon import MOST_ORIGINS, ahead, free_scores, longest_stretch
from throughtime.tasks.losses import squared_error


def counting(T, B, mask=None):
    """Inputs say which step they are of which sequence; the target is the next step."""
    t, b = torch.arange(T)[:, None, None], torch.arange(B)[:, None]
    return Batch((100.0 * b + t), 100.0 * b + t + 1, squared_error, mask)


def judged(*rows):
    return torch.tensor([[mark == "x" for mark in row] for row in rows]).T


def test_every_origin_has_its_whole_horizon_judged():
    found = ahead(counting(6, 2, judged("..xxx.", "xx.xxx")), 2)
    origins = list(zip(found.sequences.tolist(), found.steps.tolist(), strict=True))
    assert origins == [(0, 2), (0, 3), (1, 0), (1, 3), (1, 4)]


def test_following_steps_are_the_origins_own():
    found = ahead(counting(6, 2), 3)
    first = found.steps + 100 * found.sequences
    assert torch.equal(found.batch.inputs[:, :, 0], first + torch.arange(3.0)[:, None])
    assert torch.equal(found.batch.targets[:, :, 0], first + torch.arange(3.0)[:, None] + 1)


def test_many_origins_are_thinned_out_from_end_to_end():
    found = ahead(counting(1000, 1), 5)
    assert len(found.steps) == MOST_ORIGINS
    assert (found.steps[0], found.steps[-1]) == (0, 995)
    assert set(found.steps.diff().tolist()) <= {3, 4}


def test_longest_stretch_is_within_a_sequence():
    assert longest_stretch(judged("xx.xxx", "x.....")) == 3


@pytest.mark.parametrize("horizon", [0, 4])
def test_impossible_horizon(horizon):
    with pytest.raises(ValueError, match=f"horizon must be from 1 to 3, the judged steps in a row; got {horizon}"):
        ahead(counting(6, 1, judged("xx.xxx")), horizon)


def test_scores_of_leads():
    task = make_task("anbn(length=8, largest=2, horizon=3)")
    following = ahead(task.test(), 3).batch
    outputs = torch.randn(3, following.size, 3, generator=torch.Generator().manual_seed(0))
    free, by_lead = free_scores(task, outputs, following)
    losses = torch.nn.functional.cross_entropy(outputs.transpose(1, 2), following.targets, reduction="none")
    assert by_lead == pytest.approx(losses.mean(dim=1).tolist(), rel=1e-6)
    assert free == pytest.approx(float(losses.mean()), rel=1e-6)
