"""The experiment's record: a trial counts once."""

import json

import false_alarms
import pytest

from throughtime.runners.gate.judge import Session
from throughtime.runners.gate.noise import Trial


def trial(factor, ratio):
    return Trial(factor, 20.0, 0.5, {"full on rnn": [Session(ratio, ratio - 0.01, ratio + 0.01, 0.002)] * 3})


def test_the_table_counts_alarms_and_misses(tmp_path):
    for one in (trial(1.0, 1.0), trial(1.0, 1.2), trial(1.1, 1.1), trial(1.1, 1.0)):
        false_alarms.keep(tmp_path, "trial", one.as_json())
    for differences in (0, 0, 3):
        false_alarms.keep(tmp_path, "counts", differences)
    text = false_alarms.report(tmp_path)
    assert "tier 0, 3 repeats in processes of their own: 1 false alarms" in text
    assert "tier 1, 2 trials on identical code: 1 false alarms" in text
    assert "tier 1, 2 trials with 10 % more time steps in head: 1 found" in text


def test_a_record_put_together_from_copies_is_refused(tmp_path):
    false_alarms.keep(tmp_path, "trial", trial(1.0, 1.0).as_json())
    path = tmp_path / "measured.jsonl"
    path.write_text(2 * path.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(SystemExit, match="holds 1 trials twice"):
        false_alarms.report(tmp_path)


def test_trials_of_another_machine_are_refused(tmp_path):
    line = {"what": "trial", "machine": "elsewhere", "result": json.loads(json.dumps(trial(1.0, 1.0).as_json()))}
    (tmp_path / "measured.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="was measured on elsewhere"):
        false_alarms.run(tmp_path)
