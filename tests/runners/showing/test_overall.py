"""The block over all tasks of a suite, from tables that are made up."""

import numpy as np
import pytest
from scipy import stats

from throughtime.runners.showing.overall import block_markdown, blocks
from throughtime.runners.showing.statistics import interval
from throughtime.runners.showing.summary import Row, TaskTable
from throughtime.tasks import Metric, Reference

LOWER, ACCURACY, RETURN = Metric("NMSE", "lower"), Metric("accuracy", "higher"), Metric("return", "higher")


def row(name, scores, forcing="teacher"):
    by_seed = dict(enumerate(scores))
    return Row(name, "run", interval(scores) if scores else None, by_seed, forcing)


def table(task, floor, scores, metric=LOWER, cell="rnn", **about):
    rows = tuple(row(name, values, **about) for name, values in scores.items())
    known = Row("constant", "floor", interval([floor]))
    return TaskTable(task, cell, metric, Reference("constant", floor, "floor", ""), None, "", (*rows, known))


A = table("a", 1.0, {"full": [0.2, 0.2], "rtrl": [0.1, 0.3], "online": [0.6, 0.6]})
B = table("b", 0.5, {"online": [0.9, 0.8], "full": [0.9, 0.9], "rtrl": [0.95, 0.95]}, ACCURACY)
C = table("c", 8.0, {"rtrl": [4.0, 4.0], "full": [4.0, 4.0], "online": [5.0, 3.0], "other": [1.0, 1.0]})


def test_lines_are_of_the_algorithms_that_all_tasks_have():
    (block,) = blocks([A, B, C])
    assert (block.cell, block.forcing, block.tasks, block.seeds) == ("rnn", "teacher", ("a", "b", "c"), 2)
    lines = {line.name: line for line in block.lines}
    assert list(lines) == ["rtrl", "full", "online"]
    by_seed = [(1 + 1 + 1.5) / 3, (2 + 1 + 2.5) / 3]
    assert lines["rtrl"].rank == interval(by_seed)
    assert lines["full"].rank == interval([(2 + 2.5 + 1.5) / 3, (1 + 2 + 2.5) / 3])
    normalised = [0.5, 0.5, 1.0, 0.75, 0.75, 1.25]
    assert lines["online"].normalised == pytest.approx(stats.trim_mean(normalised, 0.25))
    assert lines["full"].normalised == pytest.approx(1)
    assert lines["full"].within == (2 / 3, 2 / 3, 1)  # means .2 of .2, .1 of .05, 4 of 4
    assert lines["online"].within == (1 / 3, 1 / 3, 1 / 3)


def test_a_block_in_words_says_what_it_shows():
    text = block_markdown(blocks([A, B, C])[0])
    assert text.startswith("**Over all 3 tables, rnn**\n\na, b, c; 2 seeds.\n\n")
    assert "| online      | 2.58 [" in text
    assert "| within 1.1 ×" in text
    assert "Dolan" in text


def test_a_task_that_full_bptt_does_not_learn_is_left_out_and_named():
    hopeless = table("d", 0.2, {"full": [0.199, 0.2], "rtrl": [0.3, 0.3], "online": [0.3, 0.3]})
    (block,) = blocks([A, B, C, hopeless])
    assert (block.tasks, block.left_out) == (("a", "b", "c"), ("d",))
    assert "Left out, for full BPTT is not above the floor there: d." in block_markdown(block)
    assert blocks([A, B, hopeless]) == []


def test_scores_that_are_no_errors_have_no_profile():
    gains = table("d", 1.0, {"full": [9.0, 9.0], "rtrl": [8.0, 8.0], "online": [7.0, 7.0]}, RETURN)
    (block,) = blocks([A, B, C, gains])
    assert {line.within for line in block.lines} == {()}
    assert "within" not in block_markdown(block)
    below = table("d", 1.0, {"full": [-1.0, -1.0], "rtrl": [0.1, 0.1], "online": [0.2, 0.2]})
    assert {line.within for line in blocks([A, B, C, below])[0].lines} == {()}


def test_seeds_are_those_that_all_have():
    fewer = table("a", 1.0, {"full": [0.2], "rtrl": [0.1, 0.3], "online": [0.6, 0.6]})
    (block,) = blocks([fewer, B, C])
    assert block.seeds == 1
    assert "| online      | 2.83        |" in block_markdown(block)  # one seed has no interval
    none = table("a", 1.0, {"full": [0.2, 0.2], "rtrl": [], "online": [0.6, 0.6]})
    assert blocks([none, B, C]) == []


@pytest.mark.parametrize("tables", [[], [A, B], [A, B, table("c", 8.0, {"full": [4.0, 4.0], "rtrl": [4.0, 4.0]})]])
def test_two_tasks_or_two_algorithms_are_no_block(tables):
    assert blocks(tables) == []


def test_cells_and_forcings_have_blocks_of_their_own():
    free = [table(name, 1.0, {"full": [0.2], "rtrl": [0.1], "online": [0.6]}, forcing="free") for name in "abc"]
    gru = [table(name, 1.0, {"full": [0.2], "rtrl": [0.1], "online": [0.6]}, cell="gru") for name in "abc"]
    found = [(block.cell, block.forcing) for block in blocks([A, B, C, *free, *gru])]
    assert found == [("rnn", "teacher"), ("rnn", "free"), ("gru", "teacher")]
    assert "rnn, free**" in block_markdown(blocks(free)[0])


def test_a_table_without_a_floor_is_in_no_block():
    bare = TaskTable("c", "rnn", LOWER, None, None, "", C.rows)
    assert blocks([A, B, bare]) == []
    assert np.isfinite([line.normalised for line in blocks([A, B, C])[0].lines]).all()
