"""The committed costs, gradients and measurements: they follow from their points, and agree with theory."""

import json
from dataclasses import replace

import pytest
from committed import REFERENCE, costs_of, vanishing

from throughtime.runners.cost import tables as costs
from throughtime.runners.gradients.beliefs import beliefs
from throughtime.runners.gradients.suite import load_gradient_suite
from throughtime.runners.gradients.tables import markdown as gradient_tables


@pytest.mark.parametrize("suite", ["cost", "relatives_cost", "gpu"])
def test_cost_tables_follow_from_the_points(suite):
    for name, write in costs.FILES.items():
        assert (REFERENCE / suite / name).read_text(encoding="utf-8") == write(costs_of(suite))


@pytest.mark.parametrize(("suite", "number"), [("cost", 54), ("relatives_cost", 47)])
def test_counted_exponents_agree_with_theory(suite, number):
    lines = costs_of(suite).lines
    assert len(lines) == number
    assert {line.scaling.verdict for line in lines} == {"agrees"}


def test_on_a_gpu_only_what_cudnn_does_is_not_counted():
    """Its recurrences are one operator to the counter, and its workspace is all the memory of what needs little."""
    lines = costs_of("gpu").lines
    differ = {line.scaling.algorithm for line in lines if line.scaling.verdict != "agrees"}
    assert differ <= {"full", "truncated(k1=10, k2=10)", "online(depth=10)", "stochastic(length=10)", "readout_only"}
    assert len(lines) == 28


class TestVanishing:
    def test_tables_follow_from_the_points(self):
        assert (REFERENCE / "vanishing" / "table.md").read_text(encoding="utf-8") == gradient_tables(vanishing())

    def test_it_is_the_suite_that_ships(self):
        assert vanishing().suite == load_gradient_suite("vanishing")

    def test_every_point_was_measured(self):
        assert {record.status for record in vanishing().records.values()} == {"done"}

    def test_reach_at_two_hundred_steps_is_in_the_textbooks_order(self):
        reach = vanishing().frame("reach").query("task.str.startswith('first_symbol') and moment == 'start'")
        gain = reach[reach["lag"] == reach["lag"].max()].groupby("cell")["gain"].median()
        order = ["rnn(init='orthogonal')", "lstm(forget_bias=1.0)", "gru", "lstm", "rnn"]
        assert list(gain.astype(float).sort_values(ascending=False).index) == order

    def test_with_three_seeds_no_belief_is_decided_that_differs_from_seed_to_seed(self):
        records = {key: record for key, record in vanishing().records.items() if record.setting.run.seed < 3}
        verdicts = {one.claim: one.verdict for one in beliefs(replace(vanishing(), records=records))}
        identities = {"BPTT is only for RNNs", "RTRL is truncated BPTT with k = 1"}
        assert {verdicts.pop(claim) for claim in identities} == {"false"}
        assert set(verdicts.values()) == {"undecided"}

    def test_a_verdict_turns_with_the_scores(self):
        learned_nothing = {
            key: record.model_copy(update={"score": 0.7})
            for key, record in vanishing().records.items()
            if (record.setting.run.task, record.setting.run.cell) == ("two_lag", "rnn")
            and record.setting.run.algorithm == "truncated(k1=2, k2=2)"
        }
        claim = "Truncated BPTT loses all long-term memory"
        found = [
            next(one.verdict for one in beliefs(replace(vanishing(), records=records)) if one.claim == claim)
            for records in (vanishing().records, vanishing().records | learned_nothing)
        ]
        assert found == ["false", "true"]


def test_ten_thousand_runs_stay_pleasant():
    found = json.loads((REFERENCE / "many" / "measured.json").read_text(encoding="utf-8"))
    assert max(found[executor]["wall ms"] for executor in ("local", "dask")) <= 10
    assert found["second call"]["wall s"] <= 10
    assert found["table"]["wall s"] <= 5
    assert max(found[executor]["client's MB"] for executor in ("local", "dask")) <= 500
