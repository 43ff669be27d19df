"""Forcing as an axis of a suite: what goes together runs, what does not is skipped before anything runs."""

import pytest

from throughtime.runners import load_curves, load_results, run_suite
from throughtime.runners.execution.run import plan_suite
from throughtime.runners.records.manifest import RunStore
from throughtime.runners.showing.plots import draw_figures
from throughtime.runners.showing.rows import cells, headings
from throughtime.runners.showing.summary import summarise
from throughtime.runners.showing.tables import markdown
from throughtime.runners.suite.suite import parse_suite

pytestmark = pytest.mark.usefixtures("in_this_process")

FORCED = """
tasks = ["anbn(length=10, largest=3, horizon=4)"]
algorithms = ["full", "rtrl"]
forcing = ["teacher", "free", "scheduled(end=0.5)", "professor(units=4)"]
hidden_size = 4
batch_size = 4
learning_rates = [0.01]
budget = { steps = 40 }
evaluations = 2
seeds = 2
deadline = 60
"""


@pytest.fixture(scope="module")
def forced(tmp_path_factory, without_workers):
    directory = tmp_path_factory.mktemp("forced") / "results"
    with without_workers():
        return directory, run_suite(parse_suite(FORCED, "forced", origin="forced.toml"), directory)


def test_every_forcing_runs_with_every_algorithm_that_fits(forced):
    directory, summary = forced
    assert summary.statuses == {"done": 14, "skipped": 2}
    results = load_results(directory)
    skipped = results[results["status"] == "skipped"]
    assert set(zip(skipped["algorithm"], skipped["forcing"], strict=True)) == {("rtrl", "professor(units=4)")}


def test_an_unsupported_pair_is_told_before_anything_runs(tmp_path):
    plan = plan_suite(parse_suite(FORCED, "forced", origin="forced.toml"), tmp_path / "out")
    assert plan.report == 14
    ((what, reason),) = plan.skipped.items()
    assert what == "anbn(length=10, largest=3, horizon=4) · professor(units=4) · rtrl"
    assert "rtrl does not differentiate" in reason
    assert not (tmp_path / "out").exists()


def test_a_task_without_feedback_is_told_once(tmp_path):
    suite = FORCED.replace("anbn(length=10, largest=3, horizon=4)", "two_lag")
    plan = plan_suite(parse_suite(suite, "forced", origin="forced.toml"), tmp_path / "out")
    assert plan.report == 4
    assert [reason.split(" feeds")[0] for reason in plan.skipped.values()] == [
        "free",
        "scheduled(end=0.5)",
        "professor(units=4)",
    ]


def test_records_hold_the_free_run(forced):
    directory, _ = forced
    store = RunStore.open(directory)
    for group in store.manifest().groups:
        for key in group.report:
            record = store.record(key)
            if record.status == "done":
                assert len(record.by_lead) == 4
                assert record.free == record.curve[-1].free
                assert record.free == pytest.approx(sum(record.by_lead) / 4, rel=1e-5)


def test_forcings_differ_and_teacher_forcing_repeats(forced):
    results = load_results(forced[0])
    scores = results[results["status"] == "done"].set_index(["algorithm", "forcing", "seed"])["test"]
    full = [scores["full", forcing, 0] for forcing in ("teacher", "free", "scheduled(end=0.5)")]
    assert len(set(full)) == 3


def test_table_compares_forcings_with_both_scores_and_floors(forced):
    (table,), results = summarise(forced[0]).tables, load_results(forced[0])
    names = headings(table)
    assert {"forcing", "free-running", "free floor", "exposure bias"} <= set(names)
    for row in table.rows:
        words = dict(zip(names, cells(table, row), strict=True))
        if row.kind == "run" and row.score:
            done = results[(results["algorithm"] == row.name) & (results["forcing"] == row.forcing)]
            assert float(words["exposure bias"]) == pytest.approx(done["exposure_bias"].mean(), abs=1e-4)
            assert words["free floor"] != "–"
        if row.kind == "run" and row.forcing == "free" and row.name == "full":
            assert row.difference is None


def test_difference_is_to_full_in_the_same_forcing(forced):
    (table,) = summarise(forced[0]).tables
    rows = {(row.name, row.forcing): row for row in table.rows if row.kind == "run"}
    for forcing in ("teacher", "free"):
        expected = rows["rtrl", forcing].score.mean - rows["full", forcing].score.mean
        assert rows["rtrl", forcing].difference.interval.mean == pytest.approx(expected)


def test_open_tables_have_no_columns_for_a_loop(tmp_path):
    text = FORCED.replace("anbn(length=10, largest=3, horizon=4)", "two_lag").replace(
        '["teacher", "free", "scheduled(end=0.5)", "professor(units=4)"]', '["teacher"]'
    )
    run_suite(parse_suite(text, "open", origin="open.toml"), tmp_path / "out", only={"algorithm": "full"})
    assert "free-running |" not in markdown(summarise(tmp_path / "out"))


def test_filter_by_forcing(forced):
    plan = plan_suite(parse_suite(FORCED, "forced", origin="forced.toml"), forced[0], only={"forcing": "free"})
    assert (plan.report, plan.cached) == (4, 4)


def test_curves_have_forcing_and_free_score(forced):
    curves = load_curves(forced[0])
    assert set(curves["forcing"]) == {"teacher", "free", "scheduled(end=0.5)", "professor(units=4)"}
    assert curves["free"].notna().all()


def test_figure_of_horizons_has_a_panel_for_each_algorithm_and_a_line_for_each_forcing(forced):
    figure = draw_figures(forced[0])["horizon"]
    assert len(figure.axes) == 2
    lines = [len([line for line in axes.get_lines() if len(line.get_xdata()) == 4]) for axes in figure.axes]
    assert lines == [4 + 1, 3 + 1]  # the forcings that ran, and the floor
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "teacher",
        "free",
        "scheduled(end=0.5)",
        "professor(units=4)",
    ]
