"""Asking git of a checkout, whichever program we were started by."""

import functools
import os
import subprocess
from pathlib import Path
from typing import Any


def git(folder: Path, *words: str) -> str:
    """What a git command prints, run in a folder; `subprocess.CalledProcessError` with git's own words where it fails.

    A hook's variables (GIT_DIR, GIT_INDEX_FILE, …) name the repository and the index of the commit that is being made:
    they are kept from git here, which is to look at the folder and must not touch that index.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _local_variables()}
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, env=kept)
    return done.stdout.strip()


@functools.cache
def _local_variables() -> frozenset[str]:
    """The names of the variables that bind git to one repository, as this git knows them."""
    done = subprocess.run(["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True, check=True)
    return frozenset(done.stdout.split())


def git_state(root: Path) -> dict[str, Any] | None:
    """The commit of the checkout of throughtime at a folder, and whether code in it differs; None where it is none."""
    try:
        # Of throughtime itself, not of whatever repository an installed copy lies in.
        git(root, "ls-files", "--error-unmatch", "runners/records/git.py")
        return {
            "commit": git(root, "rev-parse", "HEAD"),
            "dirty": bool(git(root, "status", "--porcelain", "--", ":/*.py", ":/*.toml")),
        }
    except (OSError, subprocess.CalledProcessError):
        return None
