"""Heat maps of TBPTT(k1, k2): each window's own numbers in its place."""

import pytest

from throughtime.runners import load_results, load_suite, run_suite
from throughtime.runners.execution.plan import make_plan
from throughtime.runners.records.results import Results
from throughtime.runners.showing.plots import draw_figures
from throughtime.runners.showing.windows import crossed
from throughtime.runners.suite.suite import parse_suite

WINDOWS = [(1, 1), (1, 2), (1, 4), (2, 2), (2, 4), (4, 4)]
SUITE = f"""
tasks = ["two_lag(length=12)"]
algorithms = [{", ".join(f'"truncated(k1={k1}, k2={k2})"' for k1, k2 in WINDOWS)}, "full"]
hidden_size = 2
batch_size = 2
learning_rates = [0.01]
budget = {{ steps = 48 }}
evaluations = 1
seeds = 2
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory, without_workers):
    folder = tmp_path_factory.mktemp("windows")
    with without_workers():
        run_suite(parse_suite(SUITE, "windows", origin="windows.toml"), folder)
    return folder


def cells(axes):
    """What stands in each cell, by (k1, k2)."""
    k2, k1 = ([int(label.get_text()) for label in axis.get_ticklabels()] for axis in (axes.xaxis, axes.yaxis))
    found = {}
    for text in axes.texts:
        x, y = text.get_position()
        found[k1[int(y)], k2[int(x)]] = text.get_text()
    return found


def test_each_window_has_its_mean_score_and_its_time(directory):
    score, time = draw_figures(directory)["windows"].axes
    runs = load_results(directory)
    means = runs.groupby("algorithm")[["test", "time_per_step"]].mean()
    for k1, k2 in WINDOWS:
        found = means.loc[f"truncated(k1={k1}, k2={k2})"]
        assert cells(score)[k1, k2] == f"{found['test']:.3g}"
        assert cells(time)[k1, k2] == f"{1e3 * found['time_per_step']:.3g}"
    assert len(cells(score)) == len(WINDOWS)
    assert f"full: {means.loc['full']['test']:.3g}, floor: 0.662" in score.get_xlabel()
    assert "two_lag(length=12), rnn" in score.get_title()
    assert "lower is better" in score.get_xlabel()


def test_the_first_row_is_the_rarest_update(directory):
    score, _ = draw_figures(directory)["windows"].axes
    assert [label.get_text() for label in score.yaxis.get_ticklabels()] == ["4", "2", "1"]
    assert [label.get_text() for label in score.xaxis.get_ticklabels()] == ["1", "2", "4"]


def test_there_is_none_where_windows_are_few(tmp_path, without_workers):
    few = SUITE.replace("k1=4, k2=4", "k1=2, k2=3").replace("seeds = 2", "seeds = 1")  # k1 is 1 or 2
    with without_workers():
        run_suite(parse_suite(few, "few", origin="few.toml"), tmp_path)
    assert not crossed(Results.of(tmp_path).manifest)
    assert "windows" not in draw_figures(tmp_path)


def test_the_suite_on_truncation_has_every_window_of_its_sizes():
    sizes = (1, 2, 4, 8, 16)
    names = {row.group.algorithm for row in make_plan(load_suite("truncation")).rows}
    assert names == {
        *(f"truncated(k1={k1}, k2={k2})" for k1 in sizes for k2 in sizes if k1 <= k2),
        "full",
        "readout_only",
    }
