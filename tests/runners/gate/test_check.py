"""The command, in this process: exit codes, words, and the report."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from throughtime.runners.commands.cli import app
from throughtime.runners.gate import accuracy, baseline, check, counters, noise
from throughtime.runners.gate.judge import Session
from throughtime.runners.gate.noise import Trial, summary
from throughtime.runners.gate.verdict import Verdict

ROOT = Path(__file__).parents[3]


@pytest.fixture
def tiers(monkeypatch):
    """Tiers that end as they are told."""
    outcomes = {0: "pass", 2: "pass"}

    def tier(number):
        return lambda reference, update=False: Verdict(number, outcomes[number], f"found by {number}", ("a line",))

    monkeypatch.setattr(counters, "check", tier(0))
    monkeypatch.setattr(accuracy, "check", tier(2))
    return outcomes


def run(*words):
    return CliRunner().invoke(app, ["check", *words])


def test_all_well_ends_with_0(tiers):
    result = run()
    assert result.exit_code == 0
    assert "PASS, tier 0: found by 0" in result.output
    assert "PASS, tier 2: found by 2" in result.output


@pytest.mark.parametrize("missing", [[0], [2], [0, 2]])
def test_nothing_to_compare_with_ends_with_1_unless_it_is_allowed(tiers, tmp_path, missing):
    tiers.update(dict.fromkeys(missing, "not compared"))
    words = ["--json", str(tmp_path / "report.json")]
    result = run(*words)
    assert result.exit_code == 1
    named = ", ".join(f"tier {number}" for number in missing)
    assert f"\n{named}: nothing was compared, and that is a failure; --allow-missing lets it pass" in result.output
    assert not json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["passed"]

    result = run(*words, "--allow-missing")
    assert result.exit_code == 0
    assert "lets it pass" not in result.output
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["passed"]


def test_what_fails_is_not_what_is_missing(tiers):
    tiers[2] = "fail"
    assert run("--allow-missing").exit_code == 1


def test_the_baselines_are_found_from_any_directory(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(counters, "check", lambda reference, update: asked.append(reference) or Verdict(0, "pass", ""))
    monkeypatch.chdir(tmp_path)
    assert run("--tier", "0").exit_code == 0
    assert run("--tier", "0", "--reference", "mine").exit_code == 0
    assert asked == [ROOT / "results" / "reference", Path("mine")]


def test_an_update_is_written_where_the_baselines_are_found(monkeypatch, tmp_path):
    reference = tmp_path / "checkout" / "results" / "reference"
    reference.mkdir(parents=True)
    monkeypatch.setattr(baseline, "REFERENCE", reference)
    monkeypatch.setattr(counters, "count_all", lambda cases: ({"one": {"ops": 1}}, {}))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run("--tier", "0", "--update").exit_code == 0
    assert [path.name for path in reference.iterdir()] == ["counters.json"]
    assert not list(Path().iterdir())
    assert run("--tier", "0").exit_code == 0
    assert baseline.update_command(reference) == "throughtime check --update"
    assert baseline.update_command(Path("mine")) == "throughtime check --update --reference mine"


@pytest.mark.parametrize("words", [[], ["--allow-missing"], ["--update"], ["--results", "."]])
def test_code_without_baselines_says_what_to_do(tiers, monkeypatch, tmp_path, words):
    monkeypatch.setattr(baseline, "REFERENCE", tmp_path / "results" / "reference")
    result = run(*words)
    assert result.exit_code == 2
    assert "clone the repository" in result.output
    assert "give --reference DIR" in result.output
    assert "found by" not in result.output
    if "--results" not in words:
        assert run(*words, "--reference", str(tmp_path)).exit_code == 0


@pytest.mark.parametrize("failing", [0, 2])
def test_a_tier_that_fails_ends_with_1_and_the_other_runs_too(tiers, failing):
    tiers[failing] = "fail"
    result = run()
    assert result.exit_code == 1
    assert f"FAIL, tier {failing}" in result.output
    assert f"PASS, tier {2 - failing}" in result.output


def test_one_tier_alone(tiers):
    assert "tier 2" not in run("--tier", "0").output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tier", "5"], "there is no tier 5"),
        (["--tier", "1"], "--against main"),
        (["--against", "main", "--tier", "0"], "add --tier 1"),
        (["--against", "main", "--update"], "without --against"),
        (["--against", "HEAD", "--sessions", "2"], "--sessions 2 is too few"),
        (["--json", "no such folder/report.json"], "name a file in a folder that exists"),
        (["--json", "."], "name a file in a folder that exists"),
        (["--against", "no-such-commit"], "give"),
    ],
)
def test_what_cannot_be_done_ends_with_2_before_any_tier_runs(tiers, words, message):
    result = run(*words)
    assert result.exit_code == 2
    assert message in result.output
    assert "found by" not in result.output


def test_report_has_all_that_was_found(tiers, tmp_path):
    tiers[2] = "fail"
    run("--json", str(tmp_path / "report.json"))
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert not report["passed"]
    assert [tier["outcome"] for tier in report["tiers"]] == ["pass", "fail"]


def test_code_is_described():
    assert check.describe()


def trial(ratio, seconds=0.002):
    one = Session(ratio, ratio - 0.01, ratio + 0.01, seconds)
    return Trial(1.0, 20.0, 0.5, {"full on rnn": [one] * 3})


def test_noise_counts_false_alarms():
    alarm, *lines = summary([trial(1.0), trial(1.2), trial(1.01)])
    assert alarm.startswith("1 false alarms in 3 trials")
    assert "full on rnn" in alarm
    assert any("0.990" in line or "1.000" in line for line in lines)


def test_noise_tells_what_a_stored_baseline_would_have_done():
    assert "wrong in 100 %" in summary([trial(1.0, 0.002), trial(1.0, 0.004)])[-1].replace("100%", "100 %")


def test_trial_survives_a_file():
    assert Trial.from_json(json.loads(json.dumps(trial(1.1).as_json()))) == trial(1.1)


def test_doctor_measures_noise_when_it_is_asked(monkeypatch):
    monkeypatch.setattr(noise, "run_trial", lambda: trial(1.0))
    result = CliRunner().invoke(app, ["doctor", "--noise", "--trials", "2"])
    assert result.exit_code == 0
    assert "0 false alarms in 2 trials" in result.output
