"""What is committed under results/reference, read once."""

import functools
from pathlib import Path

import pandas as pd

from throughtime.runners.cost.store import load_costs
from throughtime.runners.gradients.store import open_gradients
from throughtime.runners.records.results import Results
from throughtime.runners.showing.summary import summarise

REFERENCE = Path(__file__).parents[2] / "results" / "reference"


@functools.cache
def results_of(suite):
    """Thousands of records, which are read once."""
    return Results.of(REFERENCE / suite)


@functools.cache
def costs_of(suite):
    return load_costs(REFERENCE / suite)


@functools.cache
def vanishing():
    return open_gradients(REFERENCE / "vanishing")


@functools.cache
def summary_of(suite):
    return summarise(results_of(suite))


def all_runs(suite):
    return pd.DataFrame(results_of(suite).runs.values())


def report_runs(suite):
    return all_runs(suite).query("purpose == 'report'")


def table(suite, task, cell="rnn"):
    (found,) = [one for one in summary_of(suite).tables if one.task.startswith(task) and one.cell == cell]
    return found


def row_of(one, algorithm):
    return next(row for row in one.rows if row.name.startswith(algorithm))


def best_score(suite, task, cell):
    return next(row for row in table(suite, task, cell).rows if row.kind == "run").score
