"""The code to be timed: the working tree as it is, and that of a commit, taken out of the repository and removed after.

Nothing of the repository is written to.
"""

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from throughtime.parts import BadInput
from throughtime.runners.records.git import GitFailed, checkout_state, git
from throughtime.runners.records.temporary import temporary_folder

ROOT = Path(__file__).resolve().parents[2]
"""The folder above the package's own: a checkout, unless the package was installed from a wheel."""

ROOMS = ("parts", "networks", "tasks", "algorithms", "forcings", "runners")


@dataclass(frozen=True)
class Code:
    """One version of throughtime.

    Attributes:
        folder: holds a folder ``throughtime`` with this version's sub-packages, and nothing else.
        name: for reading.
    """

    folder: Path
    name: str


def describe(root: Path = ROOT) -> str:
    """The commit of the code that is running, and whether it was changed since; or why git does not tell."""
    try:
        state = checkout_state(root)
    except GitFailed as error:
        return f"{root}, of no known commit ({error})"
    return f"{root}, commit {state['commit'][:10]}{', with uncommitted changes' if state['dirty'] else ''}"


@contextmanager
def base_and_head(ref: str, root: Path = ROOT) -> Iterator[tuple[Code, Code]]:
    """The code of a commit and of the working tree; `BadInput` where there is no checkout or no such commit."""
    commit = resolve(ref, root)
    with temporary_folder() as temporary:
        base = take_out(commit, ref, root, temporary / "base")
        yield (
            Code(link(base, temporary / "base-code"), f"{ref} ({commit[:10]})"),
            Code(link(root, temporary / "head-code"), describe(root)),
        )


def take_out(commit: str, ref: str, root: Path, folder: Path) -> Path:
    """Make `folder` with the code of a commit in it.

    By way of an archive: a worktree would be entered in the repository, and a kill would leave it there.
    """
    packed = folder.with_suffix(".tar")
    try:
        rooms = git(root, "ls-tree", "--name-only", commit, *ROOMS).splitlines()
        if "algorithms" not in rooms:
            raise BadInput(f"{ref!r} has no folder algorithms, so nothing to compare with; give a later commit")
        git(root, "archive", "--format=tar", f"--output={packed}", commit, *rooms)
    except GitFailed as error:
        raise BadInput(f"git could not take {ref!r} out of {root}: {error}") from None
    try:
        with tarfile.open(packed) as archive:
            # Any file that a commit can hold; Python 3.11 before its fourth release has no filters, and takes all.
            archive.extraction_filter = getattr(tarfile, "tar_filter", None)
            archive.extractall(folder)
    except OSError as error:
        reason = error.strerror or error
        raise BadInput(
            f"{ref!r} can't be unpacked in {folder}: {reason}; make room, or name another place in TMPDIR"
        ) from None
    return folder


@contextmanager
def twice(root: Path = ROOT) -> Iterator[tuple[Code, Code]]:
    """The same code under two names, to see what a comparison makes of no difference."""
    with temporary_folder() as temporary:
        one, other = (link(root, temporary / name) for name in ("one", "other"))
        yield Code(one, "this code"), Code(other, "the same code")


def link(root: Path, folder: Path) -> Path:
    """Make `folder` and in it a package ``throughtime`` of links to the sub-packages that a tree has."""
    package = folder / "throughtime"
    package.mkdir(parents=True)
    # With an __init__.py it is no namespace, so no other throughtime on the path can fill in what this tree lacks.
    (package / "__init__.py").touch()
    for room in ROOMS:
        if (root / room).is_dir():
            (package / room).symlink_to(root / room, target_is_directory=True)
    return folder


def resolve(ref: str, root: Path = ROOT) -> str:
    """The commit that a name means; `BadInput` where there is no checkout or no such commit."""
    try:
        checkout_state(root)
    except GitFailed as error:
        raise BadInput(
            f"--against compares with a commit of the checkout that throughtime runs from, and git tells of none in "
            f"{root}: {error}; mend that, or where it is no checkout clone the repository, and install it there with "
            "pip install -e ."
        ) from None
    try:
        return git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    except GitFailed:
        raise BadInput(
            f"no commit is called {ref!r} in {root}; give a branch, a tag or a commit, such as --against main "
            "(a shallow clone has no others: git fetch --unshallow)"
        ) from None
