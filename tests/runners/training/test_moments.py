"""Running moments: what numpy says, whatever the order, the sets and the offset."""

import numpy as np
import pytest
import torch

from throughtime.runners.training.moments import Moments


def values(count=50, offset=0.0):
    return offset + torch.randn(count, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def of(rows):
    moments = Moments(3)
    for row in rows:
        moments.add(row)
    return moments


def assert_of(moments, rows, **tolerance):
    tolerance = tolerance or {"rtol": 1e-12}
    np.testing.assert_allclose(moments.mean, rows.numpy().mean(axis=0), **tolerance)
    np.testing.assert_allclose(moments.variance, rows.numpy().var(axis=0, ddof=1), **tolerance)
    np.testing.assert_allclose(moments.standard_error, rows.numpy().std(axis=0, ddof=1) / len(rows) ** 0.5, **tolerance)


def test_one_by_one():
    assert_of(of(values()), values())


@pytest.mark.parametrize("cut", [0, 1, 20, 50])
def test_two_sets_are_as_one(cut):
    rows = values()
    moments = of(rows[:cut])
    moments.merge(of(rows[cut:]))
    assert moments.count == len(rows)
    assert_of(moments, rows)


def test_a_large_mean_hides_no_variance():
    assert_of(of(values(offset=1e9)), values(offset=1e9), rtol=1e-6)


def test_one_value_has_no_variance_and_none_no_error():
    assert of(values(1)).variance.isnan().all()
    assert Moments(2).standard_error.isnan().all()


def test_memory_is_that_of_two_values():
    moments = Moments(100_000)
    value = torch.ones(100_000)
    for _ in range(20):
        moments.add(value)
    held = [each for each in vars(moments).values() if isinstance(each, torch.Tensor)]
    assert sum(each.numel() for each in held) == 200_000
