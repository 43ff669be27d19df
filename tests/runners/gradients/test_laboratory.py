"""The laboratory end to end: measured once, resumed, skipped, failed; tables, figures, frames, and the command."""

import json
import math
from dataclasses import replace

import pandas as pd
import pytest
from typer.testing import CliRunner

from throughtime.parts import BadInput
from throughtime.runners import load_gradients, load_suite
from throughtime.runners.commands.cli import app
from throughtime.runners.gradients import laboratory
from throughtime.runners.gradients.figures import draw_figures
from throughtime.runners.gradients.laboratory import Laboratory
from throughtime.runners.gradients.point import Measured, Measurement, Setting, measure
from throughtime.runners.gradients.store import open_gradients
from throughtime.runners.gradients.suite import gradient_suite_names, load_gradient_suite, parse_gradient_suite
from throughtime.runners.gradients.tables import markdown, write_tables
from throughtime.runners.records.record import Record
from throughtime.runners.showing import saved
from throughtime.runners.training.train import Trainer

TINY = """
title = "Tiny, $^$ by hand"
algorithms = ["full", "truncated(k1=1, k2=2)", "truncated(k1=1, k2=4)", "uoro"]
cells = ["rnn", "gru"]
hidden_size = 3
batch_size = 4
learning_rates = [0.01]
budget = { steps = 64 }
seeds = 1
measure = { draws = 4, batches = 2, sequences = 2, stale_draws = 2 }
tasks = ["two_lag(length=16)"]
"""
POINTS = 8


@pytest.fixture(scope="module")
def directory(tmp_path_factory, without_workers):
    folder = tmp_path_factory.mktemp("gradients")
    (folder / "tiny.toml").write_text(TINY, encoding="utf-8")
    with without_workers():
        made = Laboratory(folder / "tiny.toml", folder / "out")
        with made.store.locked():
            summary = made.run()
    assert (summary.measured, summary.cached, summary.statuses) == (POINTS, 0, {"done": POINTS})
    return folder / "out"


def again(directory, old="", new=""):
    (directory.parent / "tiny.toml").write_text(TINY.replace(old, new) if old else TINY, encoding="utf-8")
    return Laboratory(directory.parent / "tiny.toml", directory)


def test_what_is_measured_is_not_measured_again(directory):
    assert again(directory).missing() == []
    assert len(again(directory, "draws = 4", "draws = 5").missing()) == POINTS
    assert len(again(directory, "seeds = 1", "seeds = 2").missing()) == POINTS
    assert {job.setting.run.algorithm for job in again(directory, '"uoro"]', '"uoro", "rtrl"]').missing()} == {"rtrl"}


def test_frames_are_tidy_and_of_three_moments(directory):
    frames = load_gradients(directory)
    assert set(frames) == {"fidelity", "trail", "reach", "dynamics", "stale", "training"}
    for name, frame in frames.items():
        assert list(frame.columns[:5]) == ["task", "cell", "forcing", "algorithm", "seed"]
        assert set(frame["algorithm"]) == set(open_gradients(directory).suite.experiments[0].algorithms)
        if name != "training":
            assert set(frame["moment"]) == {"start", "halfway", "end"}
    fidelity = frames["fidelity"].set_index(["cell", "algorithm", "moment", "against", "group"])
    row = fidelity.loc["gru", "truncated(k1=1, k2=2)", "end", "batch", "gate r"]
    assert row["relative bias"] > 0.01
    assert row["variance"] == 0
    assert fidelity.loc["rnn", "uoro", "start", "batch", "cell"]["relative variance"] > 0
    assert set(frames["stale"]["learning rate"]) == {0.0, 0.001, 0.01, 0.1}
    updates = frames["training"].groupby(["cell", "algorithm"])["until"].max()
    assert updates["rnn", "uoro"] == 32  # one for each step with a target, of four batches


def test_the_run_is_bit_by_bit_the_one_without_measurement(directory):
    for record in open_gradients(directory).records.values():
        run = record.setting.run
        alone = Trainer(run, Record(config=run), gradients=False).run()
        assert alone.test == record.score


def test_tables_have_every_row_and_a_file_for_each_frame(directory):
    paths = write_tables(directory)
    assert [path.name for path in paths] == ["table.md", *(f"{name}.csv" for name in load_gradients(directory))]
    text = markdown(open_gradients(directory))
    assert text.count("| truncated(k1=1, k2=2)") == 2
    assert text.count(" · two_lag(length=16)") == 6
    assert "worst group" in text
    frame = pd.read_csv(directory / "reach.csv")
    assert frame["lag"].max() == 15


def test_figures_are_all_there_and_say_what_they_show(directory, monkeypatch):
    monkeypatch.setattr(saved, "DPI", 20)
    figures = draw_figures(open_gradients(directory))
    assert set(figures) == {"matrix", "draws", "truncation", "plane", "reach", "norms", "stale"}
    for figure in figures.values():
        assert "Tiny, $^$ by hand" in figure.get_suptitle()
        figure.canvas.draw()
    assert [text.get_text() for text in figures["matrix"].axes[0].texts][:2] == ["1", "1"]
    truncation = figures["truncation"].axes[0]
    assert [list(line.get_xdata()) for line in truncation.lines] == [[2, 4]] * 2
    assert truncation.lines[0].get_ydata()[0] < truncation.lines[0].get_ydata()[1]
    assert figures["reach"].axes[0].get_yscale() == "log"


def test_nothing_measured_is_said(directory):
    found = open_gradients(directory)
    empty = replace(found, records={})
    assert "not measured yet" in markdown(empty)
    for figure in draw_figures(empty).values():
        figure.canvas.draw()


def test_rows_that_do_not_go_together_are_skipped_with_the_reason(directory, in_this_process):
    made = again(directory, 'cells = ["rnn", "gru"]', 'cells = ["rnn", "gru"]\nforcing = ["teacher", "free"]')
    with made.store.locked():
        summary = made.run()
    assert summary.statuses == {"done": POINTS, "skipped": POINTS}
    assert summary.failed == 0
    assert "only teacher forcing fits" in markdown(open_gradients(directory))
    restored = again(directory)
    with restored.store.locked():
        restored.run()


def test_a_point_that_fails_is_a_row_and_is_tried_again(tmp_path, monkeypatch, in_this_process):
    (tmp_path / "tiny.toml").write_text(TINY, encoding="utf-8")

    def broken(setting, record, on_point):
        raise ZeroDivisionError("no")

    monkeypatch.setattr(laboratory, "measure", broken)
    made = Laboratory(tmp_path / "tiny.toml", tmp_path / "out", only={"algorithm": "full"})
    with made.store.locked():
        assert made.run().statuses == {"error": 2}
    assert len(made.missing()) == 2
    assert "ZeroDivisionError: no" in markdown(open_gradients(tmp_path / "out"))


def test_a_run_that_diverges_keeps_what_was_measured_before(config):
    setting = Setting(
        run=config.model_copy(update={"learning_rate": 1e9, "optimizer": "sgd", "task": "sunspots(length=16)"}),
        measure=Measurement(draws=2, batches=2, sequences=2, stale_draws=2),
    )
    record = Measured(setting=setting)
    measure(setting, record, lambda point, done: None)
    assert record.status == "diverged"
    assert record.moments == {"start": 0}
    assert set(record.tables["fidelity"]["moment"]) == {"start"}
    assert record.tables["training"]["until"][-1] > 0


def test_losses_that_judge_whole_windows_have_no_reach(config):
    run = config.model_copy(update={"task": "sunspots(length=16)", "forcing": "professor"})
    setting = Setting(run=run, measure=Measurement(draws=2, batches=2, sequences=2, stale_draws=2))
    record = Measured(setting=setting)
    measure(setting, record, lambda point, done: None)
    assert record.status == "done"
    assert record.contradiction == ""
    assert record.tables["reach"] == {}
    assert record.tables["fidelity"]["relative bias"][0] < 1e-6


def test_a_record_that_contradicts_itself_is_measured_again(directory):
    made = again(directory)
    points = {path: path.read_text() for path in (directory / "points").glob("*.json")}
    path, kept = next((path, text) for path, text in points.items() if "trail" in json.loads(text)["tables"])
    written = json.loads(kept)
    written["tables"]["trail"]["draws"].append(7)
    path.write_text(json.dumps(written))
    assert len(made.missing()) == 1
    assert "columns of several lengths" in made.store.doubted[path.stem]
    path.write_text(kept)


def test_any_suite_can_be_measured():
    assert load_gradient_suite("quickstart").measure == Measurement()
    for name in gradient_suite_names():
        with pytest.raises(BadInput, match=f"throughtime gradients {name}"):
            load_suite(name)


def tuned(tmp_path, rates):
    text = TINY.replace("[0.01]", rates).replace('["rnn", "gru"]', '["rnn"]').replace(', "uoro"]', "]")
    (tmp_path / "tiny.toml").write_text(text, encoding="utf-8")
    return Laboratory(tmp_path / "tiny.toml", tmp_path / "out", only={"algorithm": "full"})


def test_points_are_measured_at_the_rate_that_tuning_chose(tmp_path, in_this_process):
    made = tuned(tmp_path, '"auto"')
    assert (made.points, made.untuned, made.missing()) == (1, 9, [])
    with made.store.locked():
        assert made.run().statuses == {"done": 1}
    (group, *others) = open_gradients(tmp_path / "out").manifest.groups
    costs = {}
    for path in (tmp_path / "out" / "runs").iterdir():
        run = json.loads(path.read_text())
        costs.setdefault(run["config"]["learning_rate"], []).append(run["validation"])
    assert group.choice.learning_rate == min(costs, key=lambda rate: sum(costs[rate]))
    assert set(group.rates) == set(costs)
    (point,) = open_gradients(tmp_path / "out").of(group)
    assert point.setting.run.learning_rate == group.choice.learning_rate
    assert all(one.choice is None and not one.report for one in others), "rows that nobody asked for"
    assert f"| {group.choice.learning_rate:g}" in markdown(open_gradients(tmp_path / "out"))
    again = tuned(tmp_path, '"auto"')
    assert (again.untuned, again.missing()) == (0, [])


def test_a_row_whose_tuning_breaks_says_so(tmp_path, monkeypatch, in_this_process):
    def broken(self, *args):
        raise ZeroDivisionError("no")

    monkeypatch.setattr(Trainer, "run", broken)
    made = tuned(tmp_path, "[0.01, 0.03]")
    with made.store.locked():
        assert made.run().statuses == {"error": 1}
    assert "tuning failed: 2 of its 2 runs broke, the first by error: ZeroDivisionError: no" in markdown(
        open_gradients(tmp_path / "out")
    )


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("measure = { draws = 1 }", "measure: draws: must be greater than or equal to 2; got 1"),
        ("measure = { drows = 3 }", "measure has an unknown field 'drows'; did you mean 'draws'"),
        ("measure = 3", "measure must be a table"),
    ],
)
def test_mistakes_are_told(written, message):
    text = "\n".join(line for line in TINY.splitlines() if not line.startswith("measure"))
    with pytest.raises(BadInput, match=message.replace("(", r"\(")):
        parse_gradient_suite(f"{text}\n{written}\n", "tiny", origin="tiny.toml")


def test_the_command(directory, in_this_process):
    again(directory)
    words = ["gradients", str(directory.parent / "tiny.toml"), "--out", str(directory), "--only", "cell=rnn"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert f"4 points, 4 cached; on cpu; results in {directory}" in result.output
    assert "0 points measured, 4 cached: 4 done." in result.output
    assert "figures/reach.png" in result.output
    assert f"next: throughtime {' '.join(words)}" in result.output
    assert CliRunner().invoke(app, ["gradients", "nothing"]).exit_code == 2


def test_what_is_not_finite_is_none(directory):
    for key, record in open_gradients(directory).records.items():
        assert "NaN" not in (directory / "points" / f"{key}.json").read_text()
        assert math.isfinite(record.score)
