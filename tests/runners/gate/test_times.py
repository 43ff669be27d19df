"""Tier 1: two versions of the code side by side, real processes and made-up times."""

from dataclasses import replace

import pytest

from throughtime.runners.gate import paired, times
from throughtime.runners.gate.checkout import Code, twice
from throughtime.runners.gate.judge import Session
from throughtime.runners.gate.paired import Effort, Measured, Pair
from throughtime.runners.training.workload import Workload

SMALL = Workload("full", "rnn", 30, 8, 4)
QUICK = Effort(sessions=1, rounds=5)


def sessions(ratio):
    return [Session(ratio, ratio - 0.01, ratio + 0.01, 0.002)] * 3


def code_that_fails(folder, line):
    package = folder / "throughtime" / "networks"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(line + "\n", encoding="utf-8")
    return Code(folder, "broken code")


def test_more_work_is_found_and_the_same_work_is_not():
    pairs = {"same": Pair(SMALL, SMALL), "more": Pair(SMALL, replace(SMALL, length=240))}
    said = []
    with twice() as (one, other):
        verdict = times.compare(one, other, pairs, Effort(sessions=1, rounds=20), said.append)
    assert verdict.outcome == "fail"
    assert verdict.data["benchmarks"]["more"]["slower"]
    assert not verdict.data["benchmarks"]["same"]["slower"]
    assert said[-1].startswith("once more, session 1 of 1: more")


def test_head_that_cannot_be_imported_fails(tmp_path):
    head = code_that_fails(tmp_path / "head", "1 / 0")
    with twice() as (base, _):
        verdict = times.compare(base, head, {"one": Pair(SMALL, SMALL)}, QUICK, str)
    assert verdict.outcome == "fail"
    assert "ZeroDivisionError" in verdict.summary


def test_base_that_cannot_be_imported_is_not_compared(tmp_path):
    base = code_that_fails(tmp_path / "base", "1 / 0")
    with twice() as (_, head):
        verdict = times.compare(base, head, {"one": Pair(SMALL, SMALL)}, QUICK, str)
    assert verdict.outcome == "not compared"
    assert "give a later one" in verdict.summary


def test_process_that_dies_is_said(tmp_path):
    head = code_that_fails(tmp_path / "head", "import os; os._exit(3)")
    with twice() as (base, _):
        verdict = times.compare(base, head, {"one": Pair(SMALL, SMALL)}, QUICK, str)
    assert verdict.outcome == "fail"
    assert "the process of head died" in verdict.summary


def test_process_that_hangs_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(paired, "PATIENCE", 0.2)
    hanging = code_that_fails(tmp_path / "head", "import time; time.sleep(60)")
    with paired.Worker("head", hanging.folder) as worker, pytest.raises(paired.WorkerLost, match=r"within 0\.2 s"):
        worker.started()


def test_code_from_elsewhere_is_not_timed(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()  # so the installed throughtime would be found
    with paired.Worker("head", folder) as worker, pytest.raises(paired.WorkerLost, match="other code would be timed"):
        worker.started()


def test_benchmarks_that_only_one_side_has_are_said():
    measured = Measured(
        {"both": sessions(1.0)}, fails_in_base={"young": "KeyError"}, in_base=["both", "old"], fails_in_head={}
    )
    verdict = times.judge(measured, ["both", "young"])
    assert verdict.outcome == "pass"
    assert "new, not timed in base: young (KeyError)" in str(verdict)
    assert "vanished: old" in str(verdict)


@pytest.mark.parametrize("fails_in_base", [{}, {"one": "KeyError"}], ids=["in head alone", "in both"])
def test_benchmark_that_head_cannot_run_fails(fails_in_base):
    measured = Measured({}, fails_in_base, {"one": "KeyError"}, ["one"])
    verdict = times.judge(measured, ["one"])
    assert verdict.outcome == "fail"
    assert "one (KeyError)" in str(verdict)


def test_slower_and_faster_are_marked():
    verdict = times.judge(Measured({"slow": sessions(1.2), "fast": sessions(0.8)}), ["slow", "fast"])
    assert verdict.outcome == "fail"
    slow, fast = (line.split() for line in verdict.lines[1:3])
    assert (slow[0], slow[-1]) == ("slow", "SLOWER")
    assert (fast[0], fast[-1]) == ("fast", "faster")


def test_nothing_in_common_is_not_compared():
    assert times.judge(Measured({}, {"one": "KeyError"}), ["one"]).outcome == "not compared"
