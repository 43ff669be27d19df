"""README's first table: each situation's answer follows from the tables' scores and verdicts, with tables made up."""

from pages.situations import CUT, little_memory, long_dependency, series, stream

from throughtime.runners.showing.statistics import Difference, Interval
from throughtime.runners.showing.summary import Row, TaskTable
from throughtime.runners.showing.verdicts import NOT_LEARNED
from throughtime.tasks import Metric, Reference


def row(name, mean, *, kind="run", verdict="beats the floor", worse=None, memory=100.0):
    difference = None if worse is None else Difference(Interval(0.1, 0.1, 0.1, 9), 0.01, worse)
    score = Interval(mean, mean, mean, 9)
    return Row(name, kind, score, verdict=verdict, difference=difference, costs={"peak_bytes": memory})


def table(task, cell, *rows, better="lower", protocol=""):
    sign = 1 if better == "lower" else -1
    ranked = tuple(sorted(rows, key=lambda one: sign * one.score.mean))
    return TaskTable(task, cell, Metric("error", better), Reference("chance", 1.0, "floor", ""), None, protocol, ranked)


def three(task, cell, full, cut, control, **options):
    rows = [row("full", full), row(CUT, cut, worse=cut > full), row("readout_only(update_every=None)", control)]
    return table(task, cell, *rows, **options)


def test_a_long_dependency_takes_what_is_best_on_most_tasks_over_all_cells():
    tables = [
        three("a", "rnn", 0.9, 0.8, 0.95),
        three("a", "gru", 0.1, 0.5, 0.96),
        three("b", "gru", 0.2, 0.3, 0.97),
        three("c", "gru", 0.4, 0.3, 0.98),
    ]
    take, told = long_dependency(tables)
    assert take == "`full`, the best on 2 of 3 tasks"
    first, *_ = told.split(".<br>")
    assert first == f"a (error): 0.1 by `full` on gru; 0.5 by `{CUT}` on gru; 0.95 by a readout alone; floor 1"


def test_of_accuracies_the_best_is_the_highest():
    assert long_dependency([three("a", "gru", 0.9, 0.2, 0.1, better="higher")])[1].startswith(
        "a (error): 0.9 by `full`"
    )


def test_little_memory_is_judged_where_full_bptt_learns_and_by_tests():
    tables = [
        table("a(length=3)", "rnn", row("full", 0.1), row(CUT, 0.2, worse=True, memory=50.0)),
        table("b", "rnn", row("full", 0.1), row(CUT, 0.2, worse=False, memory=10.0)),
        table("c", "rnn", row("full", 0.1, verdict=NOT_LEARNED), row(CUT, 0.2, worse=True)),
        table("d", "rnn", row("full", 0.1), row("rtrl", 0.1)),
    ]
    said = "0.30 of `full`'s memory (median); not found worse than `full` on 1 of 2 tables that it learns; worse on a"
    assert little_memory(tables) == (f"`{CUT}`", said)


def test_a_stream_is_told_by_each_protocol():
    rows = [row("full", 0.2), row("rtrl", 0.1)]
    tables = [
        table("a", "rnn", *rows, protocol="16 units; equal budget: 6,400 time steps for every algorithm; adam"),
        table("a", "rnn", row("full", 0.1), protocol="equal budget: 1.0 seconds for every algorithm"),
        table("a", "rnn(gain=0.95)", row("uoro", 0.0), protocol="equal budget: 1.0 seconds for every algorithm"),
    ]
    told = "a: equal time steps: 0.1 by `rtrl`, 0.2 by `full`.<br>equal seconds: 0.1 by `full`"
    assert stream(tables) == ("`rtrl`, the best by 1 of 2 protocols", told)


def test_a_series_is_told_beside_the_best_classical_method():
    known = row("AR(9)", 0.3, kind="baseline")
    tables = [
        table("a", "rnn", row("full", 0.5), known),
        table("a", "gru", row("snap", 0.2, verdict="beats AR(9)"), known),
    ]
    assert series(tables) == ("`snap`", "a (error): 0.2 by `snap` on gru (beats AR(9)); 0.3 by AR(9)")
