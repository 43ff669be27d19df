"""What the seeds decide, by the tests that tables are judged by."""

import pytest

from throughtime.runners.gradients.evidence import decided

EIGHT = [0.50, 0.51, 0.49, 0.52, 0.50, 0.48, 0.51, 0.50]


@pytest.mark.parametrize(
    ("values", "reference", "lost", "expected"),
    [
        (EIGHT, 0.6, 0, True),
        (EIGHT, 0.4, 0, False),
        (EIGHT, 0.5, 0, None),
        (EIGHT[:3], 0.6, 0, None),
        (EIGHT, 0.6, 8, None),
        ([], 0.6, 8, False),
        ([], 0.6, 0, None),
    ],
)
def test_decided_by_tests_over_the_seeds(values, reference, lost, expected):
    assert decided(values, reference, "lower", lost=lost) is expected
    assert decided([-value for value in values], -reference, "higher", lost=lost) is expected
