"""A request to end is an exception: nothing temporary stays, what is finished is kept, and the exit code tells."""

import functools
import os
import shutil
import signal
import time
from pathlib import Path

import filelock
import psutil
import pytest

from throughtime.runners.commands import signals
from throughtime.runners.commands.signals import Terminated, terminations
from throughtime.runners.gate import check, times
from throughtime.runners.records.git import git
from throughtime.runners.records.record import Record
from throughtime.runners.records.temporary import temporary_folder

from ...warm import POSSIBLE, warm_command_in_background

ROOT = Path(__file__).parents[3]


@pytest.fixture
def place(tmp_path):
    """The system's place for temporary folders, for the commands of a test."""
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


@pytest.fixture
def hanging(tmp_path):
    """A checkout whose code takes a minute to be imported."""
    root = tmp_path / "checkout"
    for file in ("algorithms/__init__.py", "networks/__init__.py", "runners/records/git.py"):
        (root / file).parent.mkdir(parents=True)
        (root / file).write_text("import time; time.sleep(60)\n", encoding="utf-8")
    for words in (["init", "--quiet"], ["add", "--all"]):
        git(root, *words)
    git(root, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "--message", "one")
    return root


@pytest.fixture
def tier_1(hanging, place):
    """Start tier 1, which times the hanging checkout."""
    if not POSSIBLE:
        pytest.skip("a process can't be copied here")

    def elsewhere():
        check.resolve, times.check = (functools.partial(one, root=hanging) for one in (check.resolve, times.check))

    words = ["check", "--tier", "1", "--against", "HEAD"]
    return lambda: warm_command_in_background(words, {"TMPDIR": str(place)}, elsewhere)


def wait_until(true, process, seconds=120):
    deadline = time.monotonic() + seconds
    while not true():
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def end(process, number=signal.SIGTERM, group=False):
    """Send a signal; the exit code, and what was said on standard error."""
    workers = psutil.Process(process.pid).children(recursive=True)
    (os.killpg if group else os.kill)(process.pid, number)
    _, said = process.communicate(timeout=60)
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive
    return process.returncode, said.decode()


def left(place):
    """What is there of ours; torch keeps a cache there."""
    return list(place.glob("throughtime-*"))


def timing(process, place):
    """Whether both versions are being timed."""
    return len(list(place.glob("*/*-code/throughtime/networks"))) == 2 and len(psutil.Process(process.pid).children())


@pytest.mark.parametrize("group", [False, True], ids=["to the command", "to all its processes"])
def test_tier_1_that_is_ended_leaves_nothing(tier_1, hanging, place, group):
    process = tier_1()
    wait_until(lambda: timing(process, place), process)
    assert end(process, group=group) == (
        143,
        "throughtime: ended by SIGTERM; nothing is kept of an interrupted check.\n",
    )
    assert not left(place)
    assert len(git(hanging, "worktree", "list").splitlines()) == 1


def test_tier_1_that_is_killed_leaves_nothing_after_the_next(tier_1, hanging, place, monkeypatch):
    process = tier_1()
    wait_until(lambda: timing(process, place), process)
    end(process, signal.SIGKILL, group=True)
    assert len(git(hanging, "worktree", "list").splitlines()) == 1
    monkeypatch.setattr("tempfile.tempdir", str(place))
    assert left(place)
    with temporary_folder():
        pass
    assert not left(place)


def test_tier_2_that_is_ended_leaves_nothing(throughtime_warm_in_background, place):
    process = throughtime_warm_in_background("check", "--tier", "2", TMPDIR=str(place))
    wait_until(lambda: list(place.glob("*/runs/*.json")), process)
    assert end(process) == (143, "throughtime: ended by SIGTERM; nothing is kept of an interrupted check.\n")
    assert not left(place)


def test_the_noise_of_a_machine_leaves_nothing(throughtime_warm_in_background, place):
    process = throughtime_warm_in_background("doctor", "--noise", TMPDIR=str(place))
    wait_until(lambda: list(place.glob("*/other/throughtime/networks")), process)
    assert end(process) == (143, "throughtime: ended by SIGTERM; nothing is kept of an interrupted doctor.\n")
    assert not left(place)


def test_the_experiment_on_false_alarms_leaves_nothing(throughtime_in_background, place, tmp_path):
    script = shutil.copy(ROOT / "results" / "false_alarms.py", tmp_path)  # it writes beside itself
    process = throughtime_in_background(python=[script], TMPDIR=str(place))
    wait_until(lambda: list(place.glob("*/other/throughtime/networks")), process)
    assert end(process) == (143, "throughtime: ended by SIGTERM\n")
    assert not left(place)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_suite_that_is_ended_keeps_what_is_finished(
    throughtime_warm_in_background, throughtime_warm, suite_file, tmp_path, number, code
):
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip(f"{number.name} is ignored here, as nohup has it")
    path, out = suite_file(replace={"steps = 64": "steps = 8000", "seeds = 2": "seeds = 4"}), tmp_path / "out"
    process = throughtime_warm_in_background("run", path, "--out", out, "--workers", "1")
    wait_until(lambda: list(out.glob("runs/*.json")), process)
    said = f"throughtime: ended by {number.name}; finished runs are kept, and the same command goes on.\n"
    assert end(process, number) == (code, said)
    kept = [Record.model_validate_json(path.read_bytes()) for path in out.glob("runs/*.json")]
    assert 1 <= len(kept) < 8
    assert {record.status for record in kept} == {"done"}
    (lock,) = out.glob("*.lock")
    with filelock.FileLock(lock, timeout=0):
        pass
    again = throughtime_warm("run", path, "--out", out, "--dry-run", cwd=tmp_path).stdout
    assert f"{len(kept)} cached" in again


def test_a_second_request_does_not_cut_the_cleaning_up(throughtime_in_background, tmp_path):
    script = """
import sys, time
from throughtime.runners.commands import signals
from throughtime.runners.commands.signals import terminations
with terminations():
    try:
        print("ready", file=sys.stderr, flush=True)
        time.sleep(60)
    finally:
        print("cleaning", file=sys.stderr, flush=True)
        time.sleep(1)
        print("clean", file=sys.stderr, flush=True)
"""
    process = throughtime_in_background(python=["-c", script])
    assert process.stderr.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stderr.readline() == b"cleaning\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[1].decode() == "clean\nthroughtime: ended by SIGTERM\n"
    assert process.returncode == 143


def test_one_that_was_lost_is_heard_when_it_is_repeated(monkeypatch):
    def lose_the_first():
        with terminations():
            with pytest.raises(Terminated):
                signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(signals, "AT_ONCE", 0.0)
    with pytest.raises(SystemExit, match="143"):
        lose_the_first()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with terminations():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
