"""The code of a commit beside the working tree: whatever git is started by, and without a trace in the repository."""

import sys

import pytest

from throughtime.parts import BadInput
from throughtime.runners.gate import checkout
from throughtime.runners.gate.checkout import base_and_head, describe, link
from throughtime.runners.records.git import git

from .conftest import IDENTITY

HOOK = """\
#!{python}
from pathlib import Path
from throughtime.runners.gate.checkout import base_and_head, describe
with base_and_head("HEAD", Path.cwd()) as (base, head):
    text = (base.folder / "throughtime" / "networks" / "__init__.py").read_text(encoding="utf-8")
    Path({told!r}).write_text(f"{{base.name}}; {{text}}; {{describe(Path.cwd())}}", encoding="utf-8")
"""


def files_below(folder):
    """Of each its content; not of what git notes of each of its own commands."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_commit_is_taken_out_and_removed_again(repository):
    (repository / "networks" / "__init__.py").write_text("changed", encoding="utf-8")
    with base_and_head("HEAD", repository) as (base, head):
        taken = base.folder / "throughtime" / "networks" / "__init__.py"
        assert taken.read_text(encoding="utf-8") == "# networks/__init__.py\n"
        assert (head.folder / "throughtime" / "networks").resolve() == repository / "networks"
        assert base.name.startswith("HEAD (")
        assert head.name.endswith("with uncommitted changes")
    assert not base.folder.exists()


def test_nothing_in_the_repository_is_written_to(repository):
    before = files_below(repository)
    with base_and_head("HEAD", repository):
        assert files_below(repository) == before


@pytest.mark.parametrize("linked", [False, True], ids=["the repository", "a linked worktree"])
def test_in_a_hook_it_works_and_the_commit_is_made_as_it_was_meant(repository, tmp_path, linked):
    told = tmp_path / "told"
    hook = repository / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(HOOK.format(python=sys.executable, told=str(told)), encoding="utf-8")
    hook.chmod(0o755)
    root = repository
    if linked:
        root = tmp_path / "linked"
        git(repository, "worktree", "add", "--quiet", str(root))
    first = git(root, "rev-parse", "HEAD")
    (root / "networks" / "__init__.py").write_text("two", encoding="utf-8")
    git(root, *IDENTITY, "commit", "--quiet", "--all", "--message", "two")
    name, text, code = told.read_text(encoding="utf-8").split("; ")
    assert name == f"HEAD ({first[:10]})"
    assert text == "# networks/__init__.py\n"
    assert f"commit {first[:10]}, with uncommitted changes" in code
    assert git(root, "diff", "--name-only", "HEAD~", "HEAD") == "networks/__init__.py"
    assert git(root, "status", "--porcelain") == ""


@pytest.mark.parametrize("ref", ["nosuch", "--help", ""])
def test_unknown_commit_says_what_to_give(repository, ref):
    with pytest.raises(BadInput, match="give a branch, a tag or a commit"), base_and_head(ref, repository):
        pass


def test_a_commit_without_our_code_says_what_to_give(repository):
    git(repository, "rm", "--quiet", "-r", "--cached", "algorithms")
    git(repository, *IDENTITY, "commit", "--quiet", "--message", "without")
    with pytest.raises(BadInput, match=r"no folder algorithms.*give a later"), base_and_head("HEAD", repository):
        pass


def test_a_commit_that_git_cannot_give_is_told_in_gits_words(repository):
    blob = git(repository, "rev-parse", "HEAD:networks/__init__.py")
    (repository / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(BadInput, match=rf"could not take 'HEAD' out .*{blob}"), base_and_head("HEAD", repository):
        pass


def test_code_outside_of_a_checkout_has_no_base(tmp_path):
    with pytest.raises(BadInput, match=r"not a git repository.*clone the repository"), base_and_head("HEAD", tmp_path):
        pass


def test_a_repository_around_an_installed_copy_is_no_checkout(repository):
    copy = repository / "venv" / "throughtime"
    (copy / "runners" / "records").mkdir(parents=True)
    (copy / "runners" / "records" / "git.py").touch()
    with pytest.raises(BadInput, match=r"does not have this code in it.*clone"), base_and_head("HEAD", copy):
        pass


def test_a_repository_that_git_distrusts_is_told_in_gits_words(repository, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    assert "dubious ownership" in describe(repository)
    with pytest.raises(BadInput, match=r"dubious ownership.*safe\.directory"), base_and_head("HEAD", repository):
        pass


def test_without_git_it_is_told_what_is_missing(repository, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git can't be started" in describe(repository)
    with pytest.raises(BadInput, match=r"git can't be started.*install it"), base_and_head("HEAD", repository):
        pass


def test_a_place_without_room_is_told(repository, monkeypatch):
    def full(*words):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkout.tarfile, "open", full)
    with pytest.raises(BadInput, match=r"No space left on device.*TMPDIR"), base_and_head("HEAD", repository):
        pass


def test_link_takes_only_what_a_tree_has(tmp_path):
    (tmp_path / "tree" / "networks").mkdir(parents=True)
    folder = link(tmp_path / "tree", tmp_path / "code")
    assert sorted(path.name for path in (folder / "throughtime").iterdir()) == ["__init__.py", "networks"]
