"""Thousands of runs: what the parent does for each of them does not grow with how many there are."""

from collections import Counter

import pandas as pd
import pytest

from throughtime.runners.execution import local
from throughtime.runners.execution.job import RunJob
from throughtime.runners.execution.run import run_suite
from throughtime.runners.gate.scores import scores_of
from throughtime.runners.records import store
from throughtime.runners.showing import plots, summary
from throughtime.runners.showing.canvas import canvas
from throughtime.runners.showing.panels import Drawing
from throughtime.runners.suite.fingerprint import Code

from ..many import RUNS_A_TASK, fill, suite_of, text_of

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture(scope="module", params=[2, 6])
def finished(request, tmp_path_factory, without_workers):
    """A suite of some tasks, all of whose runs are finished: the tasks, its file, its results."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "many.toml").write_text(text_of(request.param), encoding="utf-8")
    assert fill(folder / "out", suite_of(request.param)) == request.param * RUNS_A_TASK
    with without_workers():
        summary = run_suite(folder / "many.toml", folder / "out")
    assert (summary.executed, summary.cached) == (0, request.param * RUNS_A_TASK)
    return request.param, folder / "many.toml", folder / "out"


@pytest.fixture
def reads(monkeypatch):
    """How often each file was read, by its name."""
    counts, read = Counter(), store.read_regular

    def counting(path):
        counts[path.name] += 1
        return read(path)

    monkeypatch.setattr(store, "read_regular", counting)
    return counts


MANIFEST = 6
"""The most times that it is read, however many runs there are."""


@pytest.mark.parametrize(("command", "most"), [("run", 2), ("table", 1), ("plot", 1)])
def test_each_record_is_read_once(finished, reads, throughtime_here, monkeypatch, command, most):
    tasks, file, out = finished
    monkeypatch.setattr(plots, "_figures", lambda results: Drawing(results) and {})
    words = ["run", file, "--out", out] if command == "run" else [command, out]
    assert throughtime_here(*words, cwd=file.parent).returncode == 0
    assert reads.pop("manifest.json") <= MANIFEST
    reads.pop("environment.json", None)
    assert len(reads) == tasks * RUNS_A_TASK if command != "plot" else len(reads) > 0
    assert max(reads.values()) <= most


def test_no_row_looks_at_the_runs_of_all(finished, monkeypatch):
    tasks, _, out = finished
    looked_at, isin = [0], pd.Series.isin

    def counting(self, values):
        looked_at[0] += len(self)
        return isin(self, values)

    monkeypatch.setattr(pd.Series, "isin", counting)
    summary.summarise(out)
    drawing = Drawing(out)
    for panel in drawing.panels:
        assert len(panel.of(drawing.runs)) == 2 * 5
        assert len(panel.of(drawing.curves)) == 2 * 5 * 6
    assert len(scores_of(out)) == 2 * 2 * tasks
    assert looked_at[0] <= tasks * RUNS_A_TASK


@pytest.fixture
def drawings(monkeypatch):
    """How many of a directory's figures were drawn, each of them empty."""
    drawn = []

    def draw(name, drawing):
        drawn.append(name)
        return canvas([name], "a figure")[0]

    monkeypatch.setattr(plots, "_drawn", draw)
    return drawn


def test_figures_of_the_same_results_are_drawn_once(finished, drawings, throughtime_here):
    _, file, out = finished
    run = ("run", file, "--out", out)
    for _ in range(2):
        assert throughtime_here(*run, cwd=file.parent).returncode == 0
        assert len(drawings) == 5
    record = next((out / "runs").iterdir())
    record.write_text(record.read_text(encoding="utf-8").replace('"cosine": 0.9', '"cosine": 0.8'), encoding="utf-8")
    assert throughtime_here(*run, cwd=file.parent).returncode == 0
    assert len(drawings) == 10
    assert throughtime_here("plot", out, cwd=file.parent).returncode == 0  # which draws them anew
    assert len(drawings) == 15


def test_few_jobs_are_waited_for_at_a_time(monkeypatch, tmp_path, config):
    waited, wait = [], local.wait

    def counting(pending, **rest):
        waited.append(len(pending))
        return wait(pending, **rest)

    monkeypatch.setattr(local, "wait", counting)
    monkeypatch.setattr(local.worker, "execute", lambda job, notes: job.started())
    jobs = [RunJob(f"{number:020x}", 60.0, Code(()), (), config) for number in range(50)]
    assert [record.key for record in local.execute(jobs, workers=2, notes=tmp_path)] == [job.key for job in jobs]
    assert max(waited) <= 2 * 2


def test_a_figure_is_closed_before_the_next_is_drawn(finished, monkeypatch):
    drawn = []

    def draw():
        assert not any(figure.axes for figure in drawn)
        drawn.append(canvas(["a panel"], "a figure")[0])
        return drawn[-1]

    monkeypatch.setattr(plots, "_figures", lambda results: {"one": draw, "two": draw})
    assert [path.name for path in plots.write_figures(finished[2])] == ["one.png", "two.png"]
    assert not any(figure.axes for figure in drawn)
