"""The code to be timed: the working tree as it is, and a commit in a git worktree of its own that is removed after."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from throughtime.parts import BadInput
from throughtime.runners.records.git import git, git_state

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
    """The commit of the code that is running, and whether it was changed since."""
    state = git_state(root)
    if state is None:
        return f"{root}, no git checkout"
    return f"{root}, commit {state['commit'][:10]}{', with uncommitted changes' if state['dirty'] else ''}"


@contextmanager
def base_and_head(ref: str, root: Path = ROOT) -> Iterator[tuple[Code, Code]]:
    """The code of a commit and of the working tree; `BadInput` where there is no checkout or no such commit."""
    commit = resolve(ref, root)
    with tempfile.TemporaryDirectory(prefix="throughtime-") as temporary:
        tree = Path(temporary) / "base"
        try:
            # A user's hooks have nothing to do here.
            try:
                git(root, "-c", "core.hooksPath=/dev/null", "worktree", "add", "--detach", str(tree), commit)
            except subprocess.CalledProcessError as error:
                raise BadInput(f"git could not check {ref!r} out beside: {error.stderr.strip()}") from None
            if not (tree / "algorithms" / "__init__.py").is_file():
                raise BadInput(f"{ref!r} has no folder algorithms, so nothing to compare with; give a later commit")
            yield (
                Code(link(tree, Path(temporary) / "base-code"), f"{ref} ({commit[:10]})"),
                Code(link(root, Path(temporary) / "head-code"), describe(root)),
            )
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):
                git(root, "worktree", "remove", "--force", str(tree))


@contextmanager
def twice(root: Path = ROOT) -> Iterator[tuple[Code, Code]]:
    """The same code under two names, to see what a comparison makes of no difference."""
    with tempfile.TemporaryDirectory(prefix="throughtime-") as temporary:
        one, other = (link(root, Path(temporary) / name) for name in ("one", "other"))
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
    if git_state(root) is None:
        raise BadInput(
            f"--against compares with a commit of the checkout that throughtime runs from, and {root} is none: "
            "clone the repository, and install it there with pip install -e ."
        )
    try:
        return git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    except subprocess.CalledProcessError:
        raise BadInput(
            f"no commit is called {ref!r} in {root}; give a branch, a tag or a commit, such as --against main "
            "(a shallow clone has no others: git fetch --unshallow)"
        ) from None
