"""What all figures share: references named at the edge."""

import pytest
from matplotlib.figure import Figure

from throughtime.runners.showing.canvas import Level, name_at_edge


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
