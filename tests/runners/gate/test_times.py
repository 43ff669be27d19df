"""Tier 1: two versions of the code side by side, real processes and made-up times."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from throughtime.parts import BadInput
from throughtime.runners.gate import paired, times
from throughtime.runners.gate.checkout import Code, base_and_head, link, twice
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


@pytest.fixture
def repository(tmp_path):
    """A git repository that looks like a checkout, with one commit."""
    root = tmp_path / "checkout"
    for file in ("algorithms/__init__.py", "runners/records/git.py"):
        (root / file).parent.mkdir(parents=True)
        (root / file).touch()
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "one"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    return root


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


def test_a_commit_is_checked_out_and_removed_again(repository):
    with base_and_head("HEAD", repository) as (base, head):
        assert (base.folder / "throughtime" / "algorithms" / "__init__.py").is_file()
        assert (head.folder / "throughtime" / "algorithms").resolve() == repository / "algorithms"
        assert base.name.startswith("HEAD (")
    listed = subprocess.run(["git", "-C", str(repository), "worktree", "list"], capture_output=True, text=True)
    assert len(listed.stdout.splitlines()) == 1
    assert not base.folder.exists()


@pytest.mark.parametrize("ref", ["nosuch", "--help", ""])
def test_unknown_commit_says_what_to_give(repository, ref):
    with pytest.raises(BadInput, match="give a branch, a tag or a commit"), base_and_head(ref, repository):
        pass


def test_checkout_that_git_refuses_says_why(repository):
    (repository / ".git" / "worktrees").touch()  # where git would make a folder
    with pytest.raises(BadInput, match="git could not check 'HEAD' out"), base_and_head("HEAD", repository):
        pass


def test_code_outside_of_a_checkout_has_no_base(tmp_path):
    with pytest.raises(BadInput, match="clone the repository"), base_and_head("HEAD", tmp_path):
        pass


def test_link_takes_only_what_a_tree_has(tmp_path):
    (tmp_path / "tree" / "networks").mkdir(parents=True)
    folder = link(tmp_path / "tree", tmp_path / "code")
    assert sorted(path.name for path in Path(folder, "throughtime").iterdir()) == ["__init__.py", "networks"]
