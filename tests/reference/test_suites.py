"""What every committed suite owes: it is the one that ships, its tables are its records', and no row lacks a seed."""

import re
from collections import Counter
from io import StringIO

import pandas as pd
import pytest
from committed import REFERENCE, all_runs, report_runs, summary_of

from throughtime.runners import load_suite
from throughtime.runners.gate import moved
from throughtime.runners.gate.scores import scores_of
from throughtime.runners.records.manifest import RunStore
from throughtime.runners.showing.tables import csv, latex, markdown

ON_BOTH_DEVICES = ("quickstart_cpu", "quickstart_gpu")
"""One suite on a CPU and on a GPU, as it was when there was one: the quickstart on two rates, tuned by one seed."""

SUITES = [
    "quickstart",
    "core",
    "forcing",
    "real",
    "influence_balancing",
    "relatives",
    "truncation",
    "online",
    "literature",
]
LABORATORIES = ["cost", "relatives_cost", "gpu", "gate", "vanishing", "many", "statistics"]
SIX = {"full", "truncated", "online", "stochastic", "rtrl", "readout_only"}

SEEDS = {
    "quickstart": 8,
    "quickstart_cpu": 8,
    "quickstart_gpu": 8,
    "forcing": 9,
    "real": 9,
    "relatives": 10,
    "truncation": 9,
    "online": 9,
    "literature": 8,
}

MAY_DIVERGE = {
    "relatives": {"forward_errors"},
    "influence_balancing": {"online(depth=10)"},
    "literature": {"online(depth=10)"},
}
"""Whose errors outgrow float32 on some seeds, and whose gradient has the wrong sign."""

each_suite = pytest.mark.parametrize("suite", [*SUITES, *ON_BOTH_DEVICES])


def test_every_reference_is_tested():
    assert {path.name for path in REFERENCE.iterdir() if path.is_dir()} == {*SUITES, *ON_BOTH_DEVICES, *LABORATORIES}


@each_suite
@pytest.mark.parametrize(("name", "write"), [("table.md", markdown), ("table.tex", latex)])
def test_tables_follow_from_the_records(suite, name, write):
    assert (REFERENCE / suite / name).read_text(encoding="utf-8") == write(summary_of(suite))


@each_suite
def test_so_does_the_one_with_all_digits(suite):
    """Of which the last are the machine's: a BLAS adds up in the order that its vectors ask for."""
    committed = pd.read_csv(REFERENCE / suite / "table.csv")
    pd.testing.assert_frame_equal(committed, pd.read_csv(StringIO(csv(summary_of(suite)))), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("suite", SUITES)
def test_it_is_the_suite_that_ships(suite):
    assert RunStore.open(REFERENCE / suite).manifest().suite == load_suite(suite)


def test_both_devices_had_the_same_suite():
    here, there = (RunStore.open(REFERENCE / suite).manifest().suite for suite in ON_BOTH_DEVICES)
    assert here == there


def test_a_gpu_gives_the_scores_of_a_cpu():
    here, there = (scores_of(REFERENCE / suite) for suite in ON_BOTH_DEVICES)
    assert {row.finding for row in moved.compare(here, there)} == {""}


@each_suite
def test_what_was_not_skipped_is_done_and_diverged_only_where_it_may(suite):
    results = report_runs(suite).query("status != 'skipped'")
    assert set(results["status"]) <= {"done", "diverged"}
    assert set(results.query("status == 'diverged'")["algorithm"]) <= MAY_DIVERGE.get(suite, set())


@pytest.mark.parametrize(("suite", "seeds"), SEEDS.items())
def test_every_row_was_run_on_all_seeds(suite, seeds):
    results = report_runs(suite).query("status != 'skipped'")
    assert (results.groupby(["task", "cell", "forcing", "algorithm"])["seed"].nunique() >= seeds).all()


@each_suite
def test_every_chosen_rate_at_an_end_of_those_tried_is_marked(suite):
    """Found anew from the records of the tuning."""
    row = ["task", "cell", "forcing", "algorithm", "budget"]
    runs = all_runs(suite).query("status != 'skipped'").astype({"budget": str})
    chosen = runs.query("purpose == 'report'").groupby(row)["learning_rate"].agg(set)
    tried = runs.query("purpose == 'tuning'").groupby(row)["learning_rate"].agg(set)
    expected = Counter[tuple[str, str, str]]()
    for found, rates in tried.items():
        (rate,) = chosen[found]
        if len(rates) > 1 and rate in (min(rates), max(rates)):
            expected[found[0], found[1], "lowest" if rate == min(rates) else "highest"] += 1
    marked = pd.read_csv(REFERENCE / suite / "table.csv").query("kind == 'run'").dropna(subset=["rate_at_end"])
    assert Counter(zip(marked["task"], marked["cell"], marked["rate_at_end"], strict=True)) == expected
    shown = (REFERENCE / suite / "table.md").read_text(encoding="utf-8")
    assert len(re.findall(r"\((?:lowest|highest)\)[^|\n]*\|", shown)) == expected.total()


@pytest.mark.parametrize("suite", ["quickstart", "real"])
def test_all_six_algorithms_are_there_on_every_task(suite):
    results = report_runs(suite)
    names = results[results["cell"] == "rnn"].groupby("task")["algorithm"].agg(set)
    assert all({algorithm.partition("(")[0] for algorithm in one} == SIX for one in names)


@pytest.mark.parametrize("suite", ["quickstart", "forcing", "real"])
def test_rtrl_has_the_exact_gradient(suite):
    rtrl = report_runs(suite).query("algorithm == 'rtrl' and status == 'done'")
    assert len(rtrl)
    assert (rtrl["cosine"] > 0.999).all()
    assert (rtrl["relative_error"] < 0.01).all()


@pytest.mark.parametrize("suite", [name for name in SUITES if load_suite(name).core_minutes])
def test_a_suite_takes_about_as_long_as_it_says(suite):
    """Training alone is counted; measuring, and starting workers, come to as much again where runs are short."""
    minutes = all_runs(suite)["wall_seconds"].sum() / 60
    assert 0.2 * load_suite(suite).core_minutes < minutes < load_suite(suite).core_minutes
