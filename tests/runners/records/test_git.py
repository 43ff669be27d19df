"""Git is asked of a folder, and of nothing that the caller's environment names in its place."""

import subprocess

import pytest

from throughtime.runners.records import git as module
from throughtime.runners.records.git import GitFailed, checkout_state, git, git_state

LISTED = subprocess.run("git rev-parse --local-env-vars", shell=True, capture_output=True, text=True).stdout.split()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A repository; and the names of git's variables are asked for anew."""
    git(tmp_path, "init", "--quiet")
    monkeypatch.setattr(module, "_local_variables", module._local_variables.__wrapped__)
    return tmp_path


@pytest.mark.parametrize("name", LISTED)
def test_a_variable_that_binds_git_to_a_repository_has_no_effect(folder, monkeypatch, name):
    before = git(folder, "rev-parse", "--git-dir"), git(folder, "status", "--porcelain")
    monkeypatch.setenv(name, "nonsense")
    assert (git(folder, "rev-parse", "--git-dir"), git(folder, "status", "--porcelain")) == before


def test_what_git_lists_is_known_without_git(folder, monkeypatch, tmp_path):
    assert set(LISTED) <= module._local_variables()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert {"GIT_DIR", "GIT_INDEX_FILE"} <= module._local_variables()


def test_a_git_that_lists_none_is_served_as_well(folder, monkeypatch, tmp_path):
    old = tmp_path / "bin" / "git"
    old.parent.mkdir()
    real = subprocess.run("command -v git", shell=True, capture_output=True, text=True).stdout.strip()
    old.write_text(f'#!/bin/sh\n[ "$1" = rev-parse ] && exit 128\nexec {real} "$@"\n', encoding="utf-8")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}:/usr/bin:/bin")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert git(folder, "rev-parse", "--git-dir") == ".git"


def test_looking_leaves_the_index_as_it_is(folder):
    (folder / "file").touch()
    git(folder, "add", "file")
    (folder / "file").touch()  # its new time would be noted
    before = (folder / ".git" / "index").stat()
    git(folder, "status", "--porcelain")
    after = (folder / ".git" / "index").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_failure_has_gits_own_words(tmp_path, folder):
    with pytest.raises(GitFailed, match="no-such-branch"):
        git(folder, "rev-parse", "no-such-branch", "--")
    with pytest.raises(GitFailed, match="ended with exit code 1"):
        git(folder, "rev-parse", "--verify", "--quiet", "no-such-branch")


def test_the_record_of_a_result_is_as_good_without_a_commit(folder, monkeypatch):
    with pytest.raises(GitFailed, match="does not have this code"):
        checkout_state(folder)
    assert git_state(folder) is None
    monkeypatch.setenv("PATH", "")
    assert git_state(folder) is None
