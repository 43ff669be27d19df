"""A repository small enough to be made for each test."""

from pathlib import Path

import pytest

from throughtime.runners.records.git import git

IDENTITY = ("-c", "user.name=a", "-c", "user.email=a@b.c")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository that looks like a checkout, with one commit."""
    root = tmp_path / "checkout"
    for file in ("algorithms/__init__.py", "networks/__init__.py", "runners/records/git.py"):
        (root / file).parent.mkdir(parents=True)
        (root / file).write_text(f"# {file}\n", encoding="utf-8")
    for words in (["init", "--quiet"], ["add", "--all"], [*IDENTITY, "commit", "--quiet", "--message", "one"]):
        git(root, *words)
    return root
