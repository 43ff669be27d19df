"""What a row of results says of its curve: when a target was reached."""

from types import SimpleNamespace

import pytest

from throughtime.runners.records.record import Record
from throughtime.runners.records.results import Results
from throughtime.tasks import Metric


@pytest.mark.parametrize(
    ("better", "target", "reached"),
    [
        ("lower", 0.5, (200, 2.0)),
        ("lower", 0.45, (300, 3.0)),
        ("lower", 0.1, (None, None)),
        ("higher", 0.7, (100, 1.0)),
        ("higher", 0.95, (None, None)),
        ("lower", None, (None, None)),
    ],
)
def test_a_target_is_reached_at_the_first_point_that_is_as_good(config, better, target, reached):
    curve = [
        {"steps": 100.0 * n, "updates": float(n), "seconds": float(n), "loss": None, "metric": metric}
        | {"gradient_norm": None, "cosine": None, "relative_error": None}
        for n, metric in enumerate((0.9 if better == "lower" else 0.2, 0.7, 0.5, 0.4))
    ]
    record = Record.model_validate({"key": "0" * 20, "config": config, "curve": curve, "steps": 300, "test": 0.4})
    group = SimpleNamespace(task="a", tuning=(), report=(record.key,), target=target)
    manifest = SimpleNamespace(groups=[group], tasks={"a": SimpleNamespace(metric=Metric("loss", better))})
    store = SimpleNamespace(environment=dict)
    (row,) = Results(store, manifest, {record.key: record}).runs.values()
    assert (row["steps_to_target"], row["seconds_to_target"]) == reached
