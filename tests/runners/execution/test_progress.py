"""Progress on a terminal and in a log, without flooding it."""

import io

import pytest
from rich.console import Console

from throughtime.runners.cost.point import Cost, Point
from throughtime.runners.execution.job import Progress as RunProgress
from throughtime.runners.execution.job import RunJob
from throughtime.runners.execution.progress import Bars, Estimate, Lines, shown_on
from throughtime.runners.records.record import Record
from throughtime.runners.suite.fingerprint import Code


def record(config, status="done", reason=""):
    return Record(key="k", config=config, status=status, reason=reason, deadline=1.0)


@pytest.fixture
def screen():
    return io.StringIO()


def test_a_log_gets_few_lines_for_many_runs(config, screen):
    lines = Lines(Console(file=screen, width=200))
    lines.start("Report", 1000)
    for _ in range(1000):
        lines.running([])
        lines.ended(record(config))
    assert screen.getvalue().splitlines() == ["Report: 1000 runs", "  Report: 1000/1000 runs, complete"]


def test_a_log_names_each_failure_at_once(config, screen):
    lines = Lines(Console(file=screen, width=200))
    lines.start("Report", 3)
    lines.ended(record(config, "timeout", "stopped at its deadline of 4 s"))
    expected = "  timeout: two_lag(length=16) · rnn · full · lr=0.01 · seed 0 (stopped at its deadline of 4 s)"
    assert screen.getvalue().splitlines()[1] == expected


def test_a_record_of_another_kind_is_called_by_its_subject(screen):
    lines = Lines(Console(file=screen, width=200), "points")
    lines.start("Measuring", 2)
    point = Point(algorithm="rtrl", cell="rnn", length=3, hidden_size=4, batch_size=2)
    lines.ended(Cost(key="k", point=point, status="out-of-memory", reason="no memory left"))
    expected = ["Measuring: 2 points", "  out-of-memory: rnn · rtrl · T=3 n=4 B=2 (no memory left)"]
    assert screen.getvalue().splitlines() == expected


def test_a_terminal_shows_what_is_running_and_its_loss(config, screen):
    with Bars(Console(file=screen, width=200, force_terminal=True)) as bars:
        bars.start("Report", 2)
        bars.running(
            [(RunJob("k", 1.0, Code(()), (), config), RunProgress(done=0.5, steps=32, loss=0.4321, metric=0.5))]
        )
        bars.ended(record(config, "error", "ZeroDivisionError"))
        bars.progress.refresh()
        shown = screen.getvalue()
        bars.running([])
        bars.start("Next", 1)
    assert "loss 0.4321" in shown
    assert "seed 0" in shown
    assert "ZeroDivisionError" in shown


def test_a_bar_of_a_job_that_has_told_nothing_has_no_end(config, screen):
    with shown_on(Console(file=screen, width=200, force_terminal=True), "runs") as bars:
        bars.start("Report", 2)
        bars.running([(RunJob("k", 1.0, Code(()), (), config), None)])
        bars.advance()
        bars.progress.refresh()
    assert "1/2" in screen.getvalue()
    assert "0/?" in screen.getvalue()


def test_time_left_counts_runs_in_progress(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("throughtime.runners.execution.progress.time.monotonic", lambda: now[0])
    estimate = Estimate(4)
    assert estimate.left([]) == ""
    now[0] += 30
    estimate.ended = 1
    assert estimate.left([RunProgress(0.5, 1, 0.1, 0.1), None]) == "about 50 s left"
    now[0] += 1000
    assert estimate.left([]) == "about 52 min left"
