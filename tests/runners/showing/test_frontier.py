"""The frontier: what nothing cheaper betters, and how it is drawn."""

import pytest

from throughtime.runners.showing.frontier import frontier
from throughtime.runners.showing.plots import draw_figures

COSTS = {"a": 1.0, "b": 2.0, "c": 2.0, "d": 4.0}


@pytest.mark.parametrize(
    ("scores", "better", "expected"),
    [
        ({"a": 0.5, "b": 0.7, "c": 0.2, "d": 0.1}, "lower", ["a", "c", "d"]),
        ({"a": 0.5, "b": 0.7, "c": 0.2, "d": 0.1}, "higher", ["a", "b"]),
        ({"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4}, "lower", ["a"]),
        ({"a": 0.4, "b": 0.3, "c": 0.3, "d": 0.3}, "lower", ["a", "b"]),
    ],
)
def test_on_the_frontier_stands_what_nothing_cheaper_betters(scores, better, expected):
    assert frontier(COSTS, scores, better) == expected


def test_the_frontier_is_drawn_from_the_cheapest_to_the_best(runs):
    def ended(group, seed):
        cheap = {"status": "done", "test": 0.5, "peak_bytes": 1024, "wall_seconds": 0.1, "cpu_seconds": 0.1}
        return cheap if group.algorithm == "full" else 0.2

    time, memory = draw_figures(runs(ended))["frontier"].axes
    for axes in (time, memory):
        (steps,) = [line for line in axes.lines if line.get_drawstyle() == "steps-post"]
        assert [float(y) for y in steps.get_ydata()] == pytest.approx([0.5, 0.2, 0.2])
