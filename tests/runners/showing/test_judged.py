"""The error of the test data in what a table says of its rows, and that it is told whether it is."""

from dataclasses import replace

import numpy as np
import pytest

from throughtime.runners.showing.rows import cells, protocol
from throughtime.runners.showing.summary import summarise
from throughtime.tasks import Metric

from .conftest import REFERENCES, SCORES


def test_a_table_says_how_large_the_test_data_is_and_whether_its_error_counts(results):
    (table,) = summarise(results(tests=(1, 35))).tables
    assert "test data: 1 sequence with 35 targets, whose sampling error is in no test" in protocol(table)
    (table,) = summarise(results(metric=Metric("accuracy", better="higher"), tests=(450, 450))).tables
    assert "450 sequences with 450 targets, whose sampling error is in the tests" in protocol(table)
    assert "too few" not in protocol(table)


@pytest.mark.parametrize(("kept", "told"), [("both", "the tests"), ("runs", "no test"), ("references", "no test")])
def test_the_error_of_a_series_counts_where_all_losses_are_known(results, kept, told):
    losses = tuple(0.1 * (k % 7) for k in range(35))
    known = {"test_losses": losses} if kept != "references" else {}
    scores = {name: [{"status": "done", "test": one, **known} for one in values] for name, values in SCORES.items()}
    references = [one if kept == "runs" or one.kind == "optimum" else replace(one, losses=losses) for one in REFERENCES]
    (table,) = summarise(results(scores, references=references, tests=(1, 35))).tables
    assert f"test data: 1 sequence with 35 targets, whose sampling error is in {told}" in protocol(table)


def test_few_targets_support_no_difference_where_rows_err_on_others(results):
    noise = np.random.default_rng(0).normal(0, 0.4, size=35)
    noise -= noise.mean()

    def run(score, name):
        errs = -noise if name.startswith("truncated") else noise
        return {"status": "done", "test": score, "test_losses": (score + errs).tolist()}

    scores = {name: [run(one, name) for one in values] for name, values in SCORES.items()}
    references = [replace(one, losses=(one.value,) * 35) for one in REFERENCES]
    (table,) = summarise(results(scores, references=references, tests=(1, 35))).tables
    words = {row.name: cells(table, row)[4] for row in table.rows}
    assert words["truncated(k1=1, k2=2)"] == "~+0.1925"
    assert words["readout_only"] == "+0.2863"


@pytest.mark.parametrize(("tests", "marked"), [(0, "-0.1900"), (20_000, "-0.1900"), (60, "~-0.1900")])
def test_few_test_sequences_support_no_difference_of_accuracies(results, tests, marked):
    scores = SCORES | {"full": [one + 0.3825 for one in SCORES["full"]]}
    directory = results(scores, metric=Metric("accuracy", better="higher"), tests=(tests, tests))
    (table,) = summarise(directory).tables
    assert next(cells(table, row)[4] for row in table.rows if row.name.startswith("truncated")) == marked
