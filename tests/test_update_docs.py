"""What the pages say of tables: no more than the tables' own verdicts, with tables that are made up."""

import pytest
from pages.quickstart import answer, cheapest
from pages.real import networks_and_classics
from pages.words import markdown

from throughtime.runners.showing.statistics import Difference, Interval
from throughtime.runners.showing.summary import Row, TaskTable
from throughtime.runners.showing.verdicts import TOO_FEW
from throughtime.tasks import Metric, Reference

FLOOR = Reference("constant", 1.0, "floor", "")


def run(name, mean, verdict="beats the floor", beaten=("constant",), difference=None, memory=100.0):
    score = Interval(mean, mean, mean, 8)
    about = {"verdict": verdict, "beaten": beaten, "difference": difference, "costs": {"peak_bytes": memory}}
    return Row(name, "run", score, **about)


def table(task, *rows, baseline=0.2):
    known = [Row("constant", "floor", Interval(1.0, 1.0, 1.0, 0))]
    known += [Row("AR", "baseline", Interval(baseline, baseline, baseline, 0))] if baseline else []
    ranked = tuple(sorted([*rows, *known], key=lambda row: row.score.mean))
    return TaskTable(task, "rnn", Metric("NMSE", "lower"), FLOOR, None, "", ranked)


def worse(mean, supported):
    return Difference(Interval(mean, mean, mean, 8), 0.5, supported)


def test_the_cheapest_no_worse_than_full_is_one_that_no_test_finds_worse():
    rows = [
        run("full", 0.5),
        run("cheap", 0.9, difference=worse(0.4, True), memory=1.0),
        run("unlike", 0.6, difference=worse(0.1, False), memory=10.0),
        run("better", 0.1, difference=worse(-0.4, True), memory=20.0),
    ]
    assert cheapest(table("a", *rows), "peak_bytes").name == "unlike"


def test_of_too_few_seeds_it_is_not_told_who_is_no_worse_than_full():
    rows = [run("full", 0.5, TOO_FEW, ()), run("cheap", 0.5, TOO_FEW, (), worse(0.0, None), memory=1.0)]
    asked = table("a", *rows)
    assert cheapest(asked, "peak_bytes") is None
    assert answer(asked, None) == TOO_FEW


BEATEN = table("a(length=3)", run("full", 0.1, "beats AR", ("constant", "AR")))
AVERAGE = table("b", run("full", 0.1, "beats the floor, ~AR"))
FEW = table("c", run("full", 0.1, TOO_FEW, ()))
NO_BASELINE = table("d", run("full", 0.1), baseline=None)


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ([BEATEN], "A recurrent network beats the best classical method on a."),
        ([AVERAGE], "On b no recurrent network is found to beat the best classical method."),
        ([FEW], "On c there are too few seeds for a verdict."),
        (
            [AVERAGE, BEATEN, FEW, NO_BASELINE],
            "A recurrent network beats the best classical method on a and d; on b no recurrent network is found to "
            "beat the best classical method; on c there are too few seeds for a verdict.",
        ),
    ],
)
def test_a_network_beats_a_classic_where_a_verdict_says_so(tables, said):
    assert networks_and_classics(tables) == said


def test_a_table_has_every_column_that_a_row_has_and_no_word_where_there_is_none():
    head, _, *rows = markdown([{"want": "speed", "a": "full"}, {"want": "memory", "b": "x | y"}]).splitlines()
    found = [[word.strip() for word in line.replace("\\|", "or").strip("|").split("|")] for line in (head, *rows)]
    assert found == [["want", "a", "b"], ["speed", "full", ""], ["memory", "", "x or y"]]
