"""A suite's cells are specs: read in one spelling, run, and found again however they are spelt."""

import pytest

from throughtime.runners import load_results, run_suite
from throughtime.runners.execution import kernels
from throughtime.runners.execution.plan import make_plan
from throughtime.runners.suite.suite import parse_suite

pytestmark = pytest.mark.usefixtures("in_this_process")

SUITE = """
tasks = ["two_lag(length=12)"]
cells = ["leaky(leak=0.1)", "rnn(sparsity=0.75, layers=1)", "elstm", "gru(layers=2)"]
algorithms = ["full", "rtrl", "layerwise_rtrl"]
hidden_size = 4
batch_size = 4
learning_rates = [0.01]
budget = { steps = 64 }
seeds = 1
evaluations = 1
"""
FORMS = ["leaky(leak=0.1)", "rnn(sparsity=0.75)", "elstm", "gru(layers=2)"]


def suite(text=SUITE):
    return parse_suite(text, "cells", origin="cells.toml")


def test_every_cell_runs_and_is_found_again(tmp_path):
    summary = run_suite(suite(), tmp_path)
    assert summary.statuses == {"done": 12}
    results = load_results(tmp_path)
    assert sorted(results["cell"].unique()) == sorted(FORMS)
    exact = results[(results["algorithm"] != "layerwise_rtrl") | (results["cell"] != "gru(layers=2)")]
    assert (exact["cosine"] > 0.9999).all()
    spelt = SUITE.replace("leaky(leak=0.1)", "leaky(sparsity=0.0, leak=0.1, layers=1)")
    again = run_suite(suite(spelt), tmp_path, only={"cell": "leaky(leak=0.10)"})
    assert (again.executed, again.cached) == (0, 3)


def test_a_plain_cells_settings_stand_in_its_key_as_ever():
    """And those of one with parameters in another's."""
    texts = {cell: SUITE.replace('"elstm"', f'"{cell}"') for cell in ("rnn", "rnn(gain=1.0)", "rnn(gain=0.5)")}
    rows = {cell: make_plan(suite(text)).rows for cell, text in texts.items()}
    found = {cell: [job for row in of for jobs in row.report.values() for job in jobs][6] for cell, of in rows.items()}
    assert found["rnn"].config.model_dump()["cell"] == "rnn"
    assert found["rnn"].key == found["rnn(gain=1.0)"].key != found["rnn(gain=0.5)"].key


def test_kernels_are_prepared_for_those_that_use_them():
    cells = ["rnn", "leaky", "rnn(sparsity=0.5)", "gru(layers=2)", 'lstm(forget_bias=1.0, init="orthogonal")']
    text = SUITE.replace(SUITE.splitlines()[2], f"cells = {cells}")
    configs = [job.config for row in make_plan(suite(text)).rows for jobs in row.report.values() for job in jobs]
    asked = {name.split("-")[1] for name in _names(configs)}
    assert asked == {"rnn", "lstm"}


def _names(configs):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "is_compiled", lambda name: False)
        return kernels.missing(configs)
