"""Results beside the committed ones: what moved more than its seeds explain is named, and nothing else."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from throughtime.parts import BadInput
from throughtime.runners.commands.cli import app
from throughtime.runners.execution.run import run_suite
from throughtime.runners.gate import baseline
from throughtime.runners.gate.moved import check, compare
from throughtime.runners.gate.scores import Scores

pytestmark = pytest.mark.usefixtures("in_this_process")

BEFORE = [0.50, 0.52, 0.47, 0.51, 0.49, 0.50, 0.53, 0.48]


def scores(values, **other):
    by_seed = dict(enumerate(values))
    about = {"settings": "all alike", "better": "lower", "status": dict.fromkeys(by_seed, "done"), "scores": by_seed}
    return Scores.model_validate({**about, **other})


def finding(before, now, **other):
    (row,) = compare({"row": scores(before)}, {"row": scores(now, **other)})
    return row.finding


def test_the_same_is_the_same():
    assert finding(BEFORE, BEFORE) == ""


def test_another_rounding_is_no_move():
    assert finding(BEFORE, [value * (1 + 1e-5 * (-1) ** k) for k, value in enumerate(BEFORE)]) == ""
    assert finding(BEFORE, [value * 1.0001 for value in BEFORE]) == ""


def test_paths_that_part_ways_are_no_move():
    assert finding(BEFORE, [*BEFORE[3:], *BEFORE[:3]]) == ""


@pytest.mark.parametrize("factor", [1.05, 0.95])
def test_a_shift_of_every_seed_is_named_whichever_way(factor):
    assert finding(BEFORE, [factor * value for value in BEFORE]) == "moved"


def test_of_many_equal_rows_hardly_any_is_named():
    draws = np.random.default_rng(0)
    named = 0
    for _ in range(200):
        before, now = ({f"{k}": scores(draws.normal(0.5, 0.02, 5)) for k in range(14)} for _ in range(2))
        named += any(row.finding == "moved" for row in compare(before, now))
    assert named <= 8  # 2 are expected; 8 and more have a chance of .1 %


def test_a_run_that_has_no_score_any_more_is_broken():
    assert finding(BEFORE, BEFORE[:-1], status={**dict.fromkeys(range(7), "done"), 7: "diverged"}) == "broken"


def test_one_seed_tells_nothing():
    assert finding([0.5], [0.6]) == "one seed"


def test_other_settings_are_not_compared():
    assert finding(BEFORE, BEFORE, settings="others") == "not compared"


@pytest.fixture
def two(suite_file, tmp_path):
    """The same suite in two directories, the second with each score changed by a function."""

    def run(changed):
        for name in ("committed/suite", "here"):
            run_suite(suite_file(), tmp_path / name)
        for path in (tmp_path / "here" / "runs").iterdir():
            record = json.loads(path.read_text(encoding="utf-8"))
            record["test"] = record["curve"][-1]["metric"] = changed(record)
            path.write_text(json.dumps(record), encoding="utf-8")
        return tmp_path / "here", tmp_path / "committed"

    return run


def test_the_row_that_moved_is_named_and_the_exit_code_tells(two):
    here, committed = two(lambda r: r["test"] + 0.1 * (r["config"]["algorithm"] == "full"))
    verdict = check(here, committed)
    assert verdict.outcome == "fail"
    assert verdict.summary == "moved more than its seeds explain, or broke: two_lag(length=16) · rnn · full"
    assert check(here, committed / "suite") == verdict
    words = ["check", "--results", str(here), "--reference", str(committed)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "FAIL, results: moved more" in result.output


def test_results_that_did_not_move_end_with_0(two):
    here, committed = two(lambda r: r["test"])
    result = CliRunner().invoke(app, ["check", "--results", str(here), "--reference", str(committed)])
    assert result.exit_code == 0, result.output
    assert "PASS, results: 2 rows" in result.output


def test_results_that_have_nothing_to_be_compared_with_end_with_1_unless_it_is_allowed(suite_file, tmp_path):
    run_suite(suite_file(), tmp_path / "here", only={"algorithm": "full"})
    run_suite(suite_file(replace={"batch_size = 4": "batch_size = 5"}), tmp_path / "committed" / "suite")
    words = ["check", "--results", str(tmp_path / "here"), "--reference", str(tmp_path / "committed")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "NOT COMPARED, results: no row" in result.output
    assert "results: nothing was compared" in result.output
    assert CliRunner().invoke(app, [*words, "--allow-missing"]).exit_code == 0


def test_results_of_which_no_run_has_ended_have_nothing_to_be_compared(two):
    here, committed = two(lambda r: r["test"])
    for path in (here / "runs").iterdir():
        path.unlink()
    assert check(here, committed).outcome == "not compared"


def test_the_committed_results_are_found_from_any_directory(two, monkeypatch, tmp_path):
    here, committed = two(lambda r: r["test"])
    monkeypatch.setattr(baseline, "REFERENCE", committed)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    result = CliRunner().invoke(app, ["check", "--results", str(here)])
    assert result.exit_code == 0, result.output
    assert "PASS, results: 2 rows" in result.output


def test_what_is_not_there_is_told(tmp_path, suite_file):
    with pytest.raises(BadInput, match="there is no directory"):
        check(tmp_path / "nowhere", tmp_path)
    run_suite(suite_file(), tmp_path / "out", only={"algorithm": "full"})
    with pytest.raises(BadInput, match="no committed results of suite"):
        check(tmp_path / "out", tmp_path)


@pytest.mark.parametrize("words", [["--tier", "0"], ["--update"], ["--against", "main"]])
def test_it_stands_in_place_of_the_tiers(tmp_path, words):
    result = CliRunner().invoke(app, ["check", "--results", str(tmp_path), *words])
    assert result.exit_code == 2
    assert "in place of the tiers" in result.output
