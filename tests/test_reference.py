"""The committed quickstart results: they are what their records say, and they show what the README claims."""

from pathlib import Path

import pytest

from throughtime.runners import load_results, load_suite
from throughtime.runners.store import Store
from throughtime.runners.summary import summarise
from throughtime.runners.tables import csv, latex, markdown

REFERENCE = Path(__file__).parent.parent / "results" / "reference" / "quickstart"
TWO_LAG = "two_lag(length=16)"
LEARNED = 0.475


@pytest.fixture(scope="module")
def results():
    found = load_results(REFERENCE)
    return found[found["purpose"] == "report"]


@pytest.mark.parametrize(("name", "write"), [("table.md", markdown), ("table.csv", csv), ("table.tex", latex)])
def test_tables_follow_from_the_records(name, write):
    assert (REFERENCE / name).read_text(encoding="utf-8") == write(summarise(REFERENCE))


def test_it_is_the_suite_that_ships():
    assert Store.open(REFERENCE).manifest().suite == load_suite("quickstart")


def test_every_run_is_done(results):
    assert set(results["status"]) == {"done"}
    assert (results.groupby(["task", "algorithm"])["seed"].nunique() >= 3).all()


def test_all_six_algorithms_are_there(results):
    names = {algorithm.partition("(")[0] for algorithm in results["algorithm"]}
    assert names == {"full", "truncated", "online", "stochastic", "rtrl", "readout_only"}


@pytest.mark.parametrize("algorithm", ["full", "rtrl", "online(depth=9)"])
def test_gradients_that_reach_the_second_lag_learn_both(results, algorithm):
    scores = results[(results["task"] == TWO_LAG) & (results["algorithm"] == algorithm)]["test"]
    assert float(scores.mean()) < LEARNED


@pytest.mark.parametrize("algorithm", ["readout_only", "truncated(k1=2, k2=2)"])
def test_gradients_that_stop_before_the_first_lag_do_not(results, algorithm):
    scores = results[(results["task"] == TWO_LAG) & (results["algorithm"] == algorithm)]["test"]
    assert float(scores.min()) > LEARNED + 0.05


def test_the_network_beats_the_classical_baseline_on_sunspots():
    (table,) = [table for table in summarise(REFERENCE).tables if table.task.startswith("sunspots")]
    assert any(row.verdict == "beats AR(9)" for row in table.rows)


def test_rtrl_has_the_exact_gradient(results):
    rtrl = results[results["algorithm"] == "rtrl"]
    assert (rtrl["cosine"] > 0.9999).all()
    assert (rtrl["relative_error"] < 1e-3).all()
