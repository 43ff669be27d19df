"""Figures from records: everything named, nothing averaged that does not belong together, no run left out silently."""

import itertools

import pytest
from matplotlib.collections import PathCollection
from matplotlib.text import Text

from throughtime.algorithms import ALGORITHMS
from throughtime.runners.showing.canvas import looks
from throughtime.runners.showing.plots import draw_figures, write_figures

from .conftest import ONE

NAMES = ["frontier", "curves_steps", "curves_seconds", "gradient"]
TWO_SIZES = ONE + "[[experiments]]\nhidden_size = 4\n[[experiments]]\nhidden_size = 64\n"
FOUR_PANELS = ONE.replace('"rtrl"', ", ".join(f'"truncated(k1=1, k2={k})"' for k in range(1, 12)))
FOUR_PANELS = FOUR_PANELS.replace('["two_lag"]', '["two_lag", "adding"]\ncells = ["rnn", "lstm"]')
FOUR_PANELS = FOUR_PANELS.replace("seeds = 3", "seeds = 1")
DIVERGED = {"status": "diverged", "reason": "the loss became nan"}


@pytest.fixture(scope="module")
def drawn(runs):
    """The figures of runs that are all done, by which way is better."""
    return {better: draw_figures(runs(good, better=better)) for better in ("lower", "higher")}


def good(group, seed):
    return (0.2 if group.algorithm == "full" else 0.5) + 0.01 * seed


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_files_are_written_from_one_seed_too(runs):
    directory = runs(lambda group, seed: good(group, seed) if seed == 0 else None)
    paths = write_figures(directory)
    assert paths == [directory / "figures" / f"{name}.png" for name in NAMES]
    for path in paths:
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert sorted(path.name for path in (directory / "figures").iterdir()) == sorted(path.name for path in paths)


HOW_RUNS_END = {
    "equal up to rounding": lambda group, seed: 0.38133608239105427 if seed == 2 else 0.3813360823910542,
    "diverged": lambda group, seed: DIVERGED if seed else good(group, seed),
    "all diverged": lambda group, seed: DIVERGED,
    "skipped": lambda group, seed: {"status": "skipped", "reason": "not installed"},
    "never ran": lambda group, seed: None,
}


@pytest.mark.parametrize("ended", HOW_RUNS_END.values(), ids=HOW_RUNS_END)
def test_figures_are_drawn_without_a_warning_whatever_happened(runs, ended):
    figures = draw_figures(runs(ended))
    assert list(figures) == NAMES
    for figure in figures.values():
        figure.draw_without_rendering()


def test_figures_of_a_single_point(runs):
    for figure in draw_figures(runs(good, points=1)).values():
        figure.draw_without_rendering()


def test_many_algorithms_on_many_panels_tell_each_apart(runs):
    figure = draw_figures(runs(good, suite=FOUR_PANELS))["curves_steps"]
    assert len(figure.axes) == 4
    (legend,) = figure.legends
    looks = {(str(handle.get_color()), handle.get_marker()) for handle in legend.legend_handles}
    assert len(looks) == 12


def test_every_figure_names_suite_budget_and_units(drawn):
    for name, figure in drawn["lower"].items():
        assert "A made-up suite, $^$ a run" in figure.get_suptitle()
        for axes in figure.axes:
            assert axes.get_title() == "two_lag, rnn\n32 units; equal budget: 1,000 time steps", name
            assert axes.get_xlabel()
            assert axes.get_ylabel()


@pytest.mark.parametrize("better", ["lower", "higher"])
@pytest.mark.parametrize("name", ["curves_steps", "curves_seconds", "frontier"])
def test_references_are_lines_with_names_that_do_not_overlap(drawn, name, better):
    figure = drawn[better][name]
    axes = figure.axes[0]
    assert axes.get_ylabel() == f"loss, {better} is better"
    drawn = {float(line.get_ydata()[0]) for line in axes.lines if len(line.get_xdata()) == 2}
    assert {0.70, 0.69, 0.1} <= drawn
    assert texts(axes) == ["floor: chance", "floor: guess", "optimum: best"]
    figure.canvas.draw()
    (legend,) = figure.legends
    others = [legend.get_window_extent(), axes.get_window_extent()]
    labels = [Text.get_window_extent(text) for text in axes.texts]  # without the line that leads to them
    assert not any(one.overlaps(other) for one, other in itertools.combinations([*labels, *others], 2))


def test_a_title_is_clear_of_a_wide_legend(runs):
    suite = ONE.replace('"rtrl"', '"stochastic(length=12, draws=2)"')
    figure = draw_figures(runs(lambda group, seed: None, suite=suite))["curves_steps"]
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert not figure._suptitle.get_window_extent().overlaps(legend.get_window_extent())


def test_an_algorithm_has_one_colour_in_all_figures(drawn):
    figures = drawn["lower"]
    colours = [[tuple(handle.get_color()) for handle in figures[name].legends[0].legend_handles] for name in NAMES]
    assert all(found == colours[0] for found in colours)
    assert len(set(colours[0])) == 2


def test_an_algorithm_looks_the_same_whatever_stands_beside_it():
    together = looks([*reversed(ALGORITHMS.names()), "my_idea"])
    assert len(set(together.values())) == len({look.colour for look in together.values()}) == len(together)
    for name in ALGORITHMS.names():
        assert looks([name])[name] == looks(["another", name, "full(x=1)"])[name] == together[name]


def test_a_curve_is_the_mean_over_seeds(drawn):
    (axes,) = drawn["lower"]["curves_steps"].axes
    assert [float(y) for y in axes.lines[0].get_ydata()] == pytest.approx([0.51, 0.41, 0.31, 0.21])
    assert [float(x) for x in axes.lines[0].get_xdata()] == [0, 100, 200, 300]


def test_a_task_has_one_y_axis_on_all_cells_and_another_task_its_own(runs):
    def ended(group, seed):
        return {("two_lag", "rnn"): 0.6, ("two_lag", "lstm"): 0.02}.get((group.task, group.cell), 0.3)

    figures = draw_figures(runs(ended, suite=FOUR_PANELS))
    for name in ("curves_steps", "frontier"):
        every = figures[name].axes
        axes = [ax for ax in every if ax.get_xlabel() == every[0].get_xlabel()]
        found = {ax.get_title().partition("\n")[0]: (ax.get_yscale(), ax.get_ylim()) for ax in axes}
        assert found["two_lag, rnn"] == found["two_lag, lstm"] != found["adding, rnn"]
        assert found["adding, rnn"] == found["adding, lstm"]
        low, high = found["two_lag, rnn"][1]
        assert low < 0.02 < 0.7 < high


def test_two_experiments_on_one_task_are_two_panels_with_curves_of_their_own(runs):
    def ended(group, seed):
        return 0.6 if group.experiment.hidden_size == 4 else 0.2

    small, large = draw_figures(runs(ended, suite=TWO_SIZES))["curves_steps"].axes
    assert "4 units" in small.get_title()
    assert "64 units" in large.get_title()
    assert small.lines[0].get_ydata()[-1] == pytest.approx(0.6)
    assert large.lines[0].get_ydata()[-1] == pytest.approx(0.2)


def test_a_run_that_ended_early_is_named_and_marked(runs):
    def ended(group, seed):
        return DIVERGED if group.algorithm == "rtrl" and seed else good(group, seed)

    figures = draw_figures(runs(ended))
    for figure in figures.values():
        for axes in figure.axes:
            assert axes.get_title().endswith("\nrtrl: 2 of 3 diverged")
    (axes,) = figures["curves_steps"].axes
    marks = [found for found in axes.collections if isinstance(found, PathCollection)]
    crosses = [tuple(map(float, mark.get_offsets()[0])) for mark in marks]
    assert crosses == [(100.0, 0.5), (100.0, 0.5)]
    assert "a run ended early" in [text.get_text() for text in figures["curves_steps"].legends[0].get_texts()]


def test_an_algorithm_without_a_done_run_is_named(runs):
    figures = draw_figures(runs(lambda group, seed: DIVERGED if group.algorithm == "rtrl" else good(group, seed)))
    for axes in figures["frontier"].axes:
        assert axes.get_title().endswith("rtrl: 3 of 3 diverged")


def test_a_task_that_could_not_run_says_so(runs):
    figures = draw_figures(runs(HOW_RUNS_END["skipped"]))
    (axes,) = figures["curves_steps"].axes
    assert axes.get_title().endswith("\nevery algorithm: 3 of 3 skipped")
    assert "no run is done" in texts(axes)
