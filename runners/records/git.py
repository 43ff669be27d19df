"""Asking git of a checkout, whichever program we were started by."""

import functools
import os
import subprocess
from pathlib import Path
from typing import Any

THIS_FILE = "runners/records/git.py"
"""By it a checkout of throughtime is known, and not whatever repository an installed copy lies in."""

_LOCAL = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_PARAMETERS",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)
"""The variables that bind git to one repository, as git 2.39 lists them."""


class GitFailed(RuntimeError):
    """Git did not do what it was asked to; the message is git's own reason, on one line."""


def git(folder: Path, *words: str) -> str:
    """What a git command prints, run in a folder; `GitFailed` where it fails, or can't be started.

    A hook's variables (GIT_DIR, GIT_INDEX_FILE, …) name the repository and the index of the commit that is being made:
    they are kept from git here, which is to look at the folder and must not touch that index. Nor does it take a lock
    that it can do without: a commit made meanwhile would find it, and fail.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _local_variables()}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            errors="replace",
            env={**kept, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except OSError as error:
        raise GitFailed(f"git can't be started ({error.strerror}); install it, or put it on the PATH") from None
    if done.returncode:
        raise GitFailed(" ".join(done.stderr.split()) or f"git {words[0]} ended with exit code {done.returncode}")
    return done.stdout.strip()


@functools.cache
def _local_variables() -> frozenset[str]:
    """Those that we know of, and those that this git knows of.

    Git tells no names where it is too old, or where one of the variables, or its configuration, is broken.
    """
    try:
        done = subprocess.run(["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return _LOCAL
    return _LOCAL | frozenset(done.stdout.split())


def checkout_state(root: Path) -> dict[str, Any]:
    """The commit of the checkout of throughtime at a folder, and whether code in it differs.

    Raises:
        GitFailed: it is none, or git can't tell; with the reason.
    """
    if not git(root, "ls-files", "--", THIS_FILE):
        raise GitFailed(f"the git repository around {root} does not have this code in it")
    return {
        "commit": git(root, "rev-parse", "HEAD"),
        "dirty": bool(git(root, "status", "--porcelain", "--", ":/*.py", ":/*.toml")),
    }


def git_state(root: Path) -> dict[str, Any] | None:
    """The same for the record of a result, which is as good without it: None where git tells nothing."""
    try:
        return checkout_state(root)
    except GitFailed:
        return None
