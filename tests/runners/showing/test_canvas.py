"""What all figures share: references named at the edge, and labels spread out."""

import itertools

import pytest
from matplotlib.figure import Figure

from throughtime.runners.showing.canvas import Level, canvas, name_at_edge, plain_log, spread


@pytest.mark.parametrize(
    ("scale", "value", "shown"),
    [
        ("log", 0.5, "optimum: best"),
        ("log", 0.0, "optimum: best, 0"),
        ("log", -1.25, "optimum: best, -1.25"),
        ("linear", -1.25, "optimum: best"),
    ],
)
def test_what_is_below_a_logarithmic_axis_is_named_with_its_value(scale, value, shown):
    axes = Figure().subplots()
    axes.set(yscale=scale, ylim=(0.1, 1))
    name_at_edge(axes, [Level("best", value, "optimum")])
    assert [text.get_text() for text in axes.texts] == [shown]


@pytest.mark.parametrize("heights", [[], [0.5], [0.5, 0.51], [0.0, 0.0, 0.0], [1.0, 0.2, 0.99, 0.21, 1.0]])
def test_labels_keep_their_order_and_their_distance(heights):
    found = spread(heights, gap=0.06)
    order = sorted(range(len(heights)), key=heights.__getitem__)
    shown = [found[number] for number in order]
    assert all(high - low >= 0.06 - 1e-9 for low, high in itertools.pairwise(shown))
    assert all(0 <= height <= 1 for height in shown)


def test_labels_that_fit_stay_where_they_belong():
    assert spread([0.9, 0.1, 0.5]) == [0.9, 0.1, 0.5]


def test_more_labels_than_fit_share_the_height():
    assert spread([0.5] * 41) == pytest.approx([number / 40 for number in range(41)])


@pytest.mark.parametrize(
    "limits", [(0.0225, 0.0409), (0.0068, 0.0232), (0.011, 0.019), (0.1, 9.0), (0.9, 4e4), (3, 3.1)]
)
def test_a_logarithmic_axis_has_a_few_numbers_in_view_that_stand_apart(limits):
    figure, [[axes, *_]] = canvas(["a", "b", "c"], "panels side by side")
    axes.set_xscale("log")
    axes.set_xlim(limits)
    plain_log(axes.xaxis)
    figure.canvas.draw()
    low, high = axes.get_window_extent().intervalx
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    shown = sorted((box.x0, box.x1) for box in boxes if low <= (box.x0 + box.x1) / 2 <= high)
    assert 2 <= len(shown) <= (5 if limits[1] < 10 * limits[0] else 9)
    assert all(end + 5 < start for (_, end), (start, _) in itertools.pairwise(shown))
