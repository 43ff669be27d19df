"""Panels: which scale a score has, where references stand on it, and how panels lie side by side."""

from types import SimpleNamespace

import pandas as pd
import pytest

from throughtime.runners.showing.canvas import canvas
from throughtime.runners.showing.panels import Drawing, Panel, score_axes
from throughtime.tasks import Reference

FLOOR, NOTHING = Reference("constant", 0.2, "floor", ""), Reference("exact", 0.0, "optimum", "")


def drawn(scores, references, better="lower"):
    panel = Panel("adding", "rnn", "", "MSE", better, references, "", (), "")
    _, ((axes,),) = canvas(["one"], "one")
    axes.scatter(range(len(scores)), scores)
    score_axes([panel], [axes], [pd.Series(scores, dtype=float)])
    return axes


@pytest.mark.parametrize(
    ("scores", "better", "scale"),
    [
        ([0.001, 0.19], "lower", "log"),
        ([0.1, 0.19], "lower", "linear"),
        ([0.0, 0.19], "lower", "linear"),  # a score of zero has to be shown
        ([-0.1, 0.19], "lower", "linear"),
        ([0.001, 0.19], "higher", "linear"),
        ([], "lower", "linear"),
    ],
)
def test_errors_that_differ_much_are_told_apart(scores, better, scale):
    assert drawn(scores, (FLOOR, NOTHING), better).get_yscale() == scale


def test_an_optimum_of_zero_is_named_below_a_logarithmic_axis():
    axes = drawn([0.001, 0.19], (FLOOR, NOTHING))
    assert [line.get_ydata()[0] for line in axes.lines] == [0.2]
    places = {text.get_text(): text.xy[1] for text in axes.texts}
    assert places == {"floor: constant": pytest.approx(places["floor: constant"]), "optimum: exact, 0": 0.0}
    assert 0.5 < places["floor: constant"] < 1


def test_on_a_linear_axis_it_is_a_line():
    axes = drawn([0.1, 0.19], (FLOOR, NOTHING))
    assert sorted(line.get_ydata()[0] for line in axes.lines) == [0.0, 0.2]
    assert {text.get_text() for text in axes.texts} == {"floor: constant", "optimum: exact"}


@pytest.mark.parametrize(
    ("sizes", "columns"),
    [([4, 4, 4], 4), ([4, 4, 2], 4), ([2, 4], 0), ([4, 3, 4], 0), ([1, 1], 0), ([6, 6], 0), ([3], 0), ([], 0)],
)
def test_cells_of_a_task_stand_in_a_row(sizes, columns):
    panels = [SimpleNamespace(task=str(task)) for task, size in enumerate(sizes) for _ in range(size)]
    assert Drawing.columns.fget(SimpleNamespace(panels=panels)) == columns
