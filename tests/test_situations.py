"""README's first table: each situation's answer follows from the tables' scores and verdicts, with tables made up."""

from dataclasses import replace

import pytest
from pages.situations import CUT, answers, little_memory, to_beat

from throughtime.runners.showing.statistics import Difference, Interval
from throughtime.runners.showing.summary import Row, TaskTable
from throughtime.runners.showing.tuned import Tuned
from throughtime.runners.showing.verdicts import NOT_LEARNED
from throughtime.tasks import Metric, Reference

CONTROL = "readout_only(update_every=None)"


def row(name, mean, *, kind="run", verdict="beats the floor", beaten=(), worse=False, memory=100.0):
    difference = Difference(Interval(0.1, 0.1, 0.1, 9), 0.01, worse)
    score, costs = Interval(mean, mean, mean, 9), {"peak_bytes": memory}
    return Row(name, kind, score, verdict=verdict, beaten=beaten, difference=difference, costs=costs)


def table(task, cell, *rows, better="lower"):
    sign = 1 if better == "lower" else -1
    ranked = tuple(sorted((*rows, row("chance", 1.0, kind="floor")), key=lambda one: sign * one.score.mean))
    return TaskTable(task, cell, Metric("error", better), Reference("chance", 1.0, "floor", ""), None, "", ranked)


def three(task, cell, full, cut, control, **options):
    return table(task, cell, row("full", full), row(CUT, cut), row(CONTROL, control), **options)


def test_each_task_is_answered_by_the_best_of_all_cells():
    tables = [
        three("a", "rnn", 0.9, 0.8, 0.95),
        three("a", "gru", 0.1, 0.5, 0.96),
        three("b", "gru", 0.4, 0.3, 0.98),
    ]
    assert [list(line.values()) for line in answers("a riddle", tables)] == [
        ["a riddle", "a, error ↓", "~`full` on gru: 0.1", "0.5", "0.95", "chance: 1, undecided"],
        ["", "b, error ↓", f"~`{CUT}` on gru: 0.3", "0.3", "0.98", "chance: 1, undecided"],
    ]


def test_of_accuracies_the_best_is_the_highest():
    (line,) = answers("a riddle", [three("a", "gru", 0.9, 0.2, 0.1, better="higher")])
    assert (line["task"], line["take"]) == ("a, error ↑", "~`full` on gru: 0.9")


def test_a_choice_that_no_test_finds_better_is_marked():
    def taken(*rows):
        (line,) = answers("a riddle", [table("a", "gru", *rows, row(CONTROL, 0.9))])
        return line["take"][0]

    short = "truncated(k1=1, k2=1)"
    assert taken(row("full", 0.1), row(CUT, 0.2, worse=True)) == "`"
    assert taken(row("full", 0.1), row(CUT, 0.2, worse=True), row(short, 0.3)) == "~", "no other truncation is as good"
    assert taken(row("full", 0.1), row(CUT, 0.2)) == "~"
    assert taken(row("snap", 0.1, worse=True), row("full", 0.2), row(CUT, 0.3)) == "`", "a difference, either way"
    assert taken(row("snap", 0.1), row("full", 0.2), row(CUT, 0.3)) == "~"
    assert taken(row("snap", 0.1, worse=True), row(CUT, 0.3)) == "~", "nothing that it was tested against"


def test_a_score_below_the_best_of_its_row_is_marked():
    rows = [row("full", 0.1), row(CUT, 0.2), row(CONTROL, 0.9)]
    rows[0] = replace(rows[0], still_learning=True)
    rows[2] = replace(rows[2], tuned=Tuned(9, (), end="highest"))
    (line,) = answers("a riddle", [table("a", "gru", *rows)])
    assert line["take"].endswith("0.1*")
    assert (line[f"`{CUT}`"], line["a readout alone"]) == ("0.2", "0.9*")


def test_another_truncation_is_shown_with_its_windows_only_where_the_usual_one_is_not():
    other = row("truncated(k1=3, k2=4)", 0.1)
    (line,) = answers("a riddle", [table("a", "gru", row("full", 0.2), other, row(CONTROL, 0.3))])
    assert line[f"`{CUT}`"] == "(k1=3, k2=4): 0.1"
    (line,) = answers("a riddle", [table("a", "gru", row("full", 0.2), other, row(CUT, 0.25), row(CONTROL, 0.3))])
    assert line[f"`{CUT}`"] == "0.25"


def test_a_task_without_the_control_is_not_answered():
    with pytest.raises(ValueError, match="a has no row of readout_only"):
        answers("a riddle", [table("a", "gru", row("full", 0.2), row(CUT, 0.25))])


@pytest.mark.parametrize(
    ("mean", "beaten", "told"),
    [
        (0.1, ("chance", "AR(9)"), "AR(9): 0.3, beaten"),
        (0.1, ("chance",), "AR(9): 0.3, undecided"),
        (0.5, ("chance",), "AR(9): 0.3, not beaten"),
    ],
)
def test_what_is_to_be_beaten_is_the_best_reference_that_is_no_optimum(mean, beaten, told):
    first = row("full", mean, beaten=beaten)
    known = [row("AR(9)", 0.3, kind="baseline"), row("AR(2)", 0.4, kind="baseline"), row("truth", 0, kind="optimum")]
    assert to_beat(first, table("a", "gru", first, *known)) == told


def test_little_memory_is_judged_where_full_bptt_learns_and_by_tests():
    def both(task, cut_worse, cut_memory, verdict="beats the floor"):
        cut, control = row(CUT, 0.2, worse=cut_worse, memory=cut_memory), row(CONTROL, 0.2, worse=True, memory=5.0)
        return table(task, "rnn", row("full", 0.1, verdict=verdict), cut, control)

    tables = [both("a", True, 50.0), both("b", False, 10.0), both("c", True, 1.0, verdict=NOT_LEARNED)]
    line = [*little_memory("a small machine", tables).values()]
    assert line[:2] == ["a small machine", "the 2 tables of `core` that `full` learns"]
    assert line[3:] == ["0.30 of its memory; found worse on 1", "0.05 of its memory; found worse on 2", "–"]


def test_where_accuracies_are_lower_they_are_worse():
    cut = row(CUT, 0.9, worse=True)  # its difference is +0.1: better
    line = little_memory(
        "a small machine", [table("a", "rnn", row("full", 0.8), cut, row(CONTROL, 0.1), better="higher")]
    )
    assert line[f"`{CUT}`"].endswith("found worse on 0")
