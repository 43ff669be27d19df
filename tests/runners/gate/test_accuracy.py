"""Tier 2: scores seed by seed."""

import json

import pytest

from throughtime.runners import load_suite
from throughtime.runners.gate import accuracy
from throughtime.runners.gate.accuracy import Scores

BEFORE = [0.50, 0.52, 0.48, 0.51, 0.49, 0.50, 0.53, 0.47]


def scores(values, settings="budget=8", better="lower"):
    known = {seed: value for seed, value in enumerate(values) if value is not None}
    status = {seed: "done" if seed in known else "diverged" for seed in range(len(values))}
    return Scores(settings=settings, better=better, status=status, scores=known)


def finding(before, now):
    (row,) = accuracy.compare({"row": before}, {"row": now})
    return row.finding


def test_the_same_scores_are_no_finding():
    assert finding(scores(BEFORE), scores(BEFORE)) == ""


def test_rounding_is_no_finding():
    assert finding(scores(BEFORE), scores([value * (1 + 1e-6) for value in BEFORE])) == ""


@pytest.mark.parametrize(("better", "factor"), [("lower", 1.02), ("higher", 0.98)])
def test_worse_on_every_seed_is_found(better, factor):
    worse = [value * factor for value in BEFORE]
    assert finding(scores(BEFORE, better=better), scores(worse, better=better)) == "worse"
    assert finding(scores(worse, better=better), scores(BEFORE, better=better)) == "better"


def test_other_random_numbers_are_no_alarm():
    assert finding(scores(BEFORE), scores([*BEFORE[1:], BEFORE[0] + 0.01])) == "differs"


def test_a_run_that_ended_with_a_score_and_has_none_is_broken():
    assert finding(scores(BEFORE), scores([None, *BEFORE[1:]])) == "broken"
    assert finding(scores([None, *BEFORE[1:]]), scores(BEFORE)) == "mended"


def test_other_settings_are_not_compared():
    assert finding(scores(BEFORE), scores(BEFORE, settings="budget=9")) == "not compared"


def test_many_rows_raise_no_alarm_by_their_number():
    rows = {str(number): scores(BEFORE) for number in range(50)}
    moved = {**rows, "0": scores([value + shift for value, shift in zip(BEFORE, [0.01, 0.0] * 4, strict=True)])}
    assert finding(rows["0"], moved["0"]) in ("differs", "worse")
    assert all(row.finding != "worse" for row in accuracy.compare(rows, moved))


@pytest.fixture
def trained(monkeypatch):
    """What training gives, in place of it."""
    rows = {"one": scores(BEFORE), "other": scores(BEFORE)}
    monkeypatch.setattr(accuracy, "train", lambda suite: dict(rows))
    return rows


def test_no_baseline_says_how_to_make_one(tmp_path, trained):
    verdict = accuracy.check(tmp_path)
    assert verdict.outcome == "not compared"
    assert "throughtime check --update" in verdict.summary


def test_update_then_the_same_code_passes(tmp_path, trained):
    assert accuracy.check(tmp_path, update=True).outcome == "pass"
    verdict = accuracy.check(tmp_path)
    assert verdict.outcome == "pass"
    assert "to rounding" in verdict.summary


def test_a_worse_learner_fails(tmp_path, trained):
    accuracy.check(tmp_path, update=True)
    trained["one"] = scores([value * 1.05 for value in BEFORE])
    verdict = accuracy.check(tmp_path)
    assert verdict.outcome == "fail"
    assert "1 of 2 rows are worse or broken" in verdict.summary


def test_vanished_row_fails_and_a_new_one_is_said(tmp_path, trained):
    accuracy.check(tmp_path, update=True)
    trained["third"] = trained.pop("other")
    verdict = accuracy.check(tmp_path)
    assert verdict.outcome == "fail"
    assert "vanished: other" in str(verdict)
    assert "new: third" in str(verdict)


@pytest.mark.parametrize("other", [{"torch": "1.0.0"}, {"platform": "Plan9 pdp11"}])
def test_other_torch_or_platform_is_not_compared(tmp_path, trained, other):
    accuracy.check(tmp_path, update=True)
    path = tmp_path / accuracy.FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    content["made"].update(other)
    path.write_text(json.dumps(content), encoding="utf-8")
    trained["one"] = scores([value * 2 for value in BEFORE])
    assert accuracy.check(tmp_path).outcome == "not compared"


def test_rows_of_a_suite_that_was_trained(suite_file, in_this_process):
    rows = accuracy.train(load_suite(str(suite_file())))
    assert set(rows) == {"two_lag(length=16) · rnn · full", "two_lag(length=16) · rnn · readout_only"}
    assert all(row.status == {0: "done", 1: "done"} and set(row.scores) == {0, 1} for row in rows.values())


def test_smoke_has_seeds_enough_for_the_test():
    assert {one.seeds for one in accuracy.smoke().experiments} == {accuracy.SEEDS}
