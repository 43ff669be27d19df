"""Who may import whom, and that built-in parts use the public names that a plugin has."""

import ast
import importlib
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "parts": {"parts"},
    "networks": {"networks", "parts"},
    "tasks": {"tasks", "networks", "parts"},
    "algorithms": {"algorithms", "networks", "tasks", "parts"},
    "forcings": {"forcings", "networks", "tasks", "parts"},
    "runners": {"runners", "forcings", "algorithms", "tasks", "networks", "parts"},
}
FLOORS = ["suite", "records", "training", "execution", "showing", "laboratories", "commands"]
"""The rooms of the runners from the ground up: each imports from itself and from what lies below."""

LABORATORIES = {"cost", "gate", "gradients", "literature", "verify"}
"""They stand beside each other on one floor, and none imports another."""

BATCH = ("throughtime.tasks.base", "Batch")
"""What algorithms and forcings take from there, so that a batch's type does not bring every task along."""

LONGEST = 300

GIT = ROOT / "runners" / "records" / "git.py"


def files(folder):
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path):
    """(module, name) of everything that a file imports from throughtime, written in full or relative."""
    package = ["throughtime", *path.relative_to(ROOT).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            if module.startswith("throughtime"):
                yield from ((module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.startswith("throughtime"))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_it_may(room):
    for path in files(room):
        rooms = {module.split(".")[1] for module, _ in imports(path)}
        assert rooms <= MAY_IMPORT[room], path


def floor(room):
    return FLOORS.index("laboratories" if room in LABORATORIES else room)


def test_every_room_of_the_runners_has_a_floor():
    rooms = {path.name for path in (ROOT / "runners").iterdir() if (path / "__init__.py").is_file()}
    assert rooms == set(FLOORS) - {"laboratories"} | LABORATORIES


runners = pytest.mark.parametrize("path", files("runners"), ids=lambda path: str(path.relative_to(ROOT / "runners")))


@runners
def test_a_room_of_the_runners_imports_no_room_above(path):
    (*rooms, _) = path.relative_to(ROOT / "runners").parts
    if not rooms:
        return  # the public names, which are found when they are first used
    for module, name in imports(path):
        (_, top, *inner) = [*module.split("."), name]
        if top == "runners" and inner[0] != rooms[0]:
            assert inner[0] in {*FLOORS, *LABORATORIES}, f"{path.name} imports {name} from {module}: name its room"
            assert floor(inner[0]) < floor(rooms[0]), f"{path.name} imports {name} from {module}, which is above"


@runners
def test_a_file_of_the_runners_is_short_enough_to_have_one_purpose(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("folder", [*MAY_IMPORT, "results", "tests"])
def test_git_is_asked_in_one_place_which_keeps_a_hooks_variables_from_it(folder):
    """A list of words that begins with git is a command."""
    for path in files(folder):
        lists = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.List)]
        commands = [node for node in lists if node.elts and getattr(node.elts[0], "value", None) == "git"]
        assert not commands or path == GIT, f"{path}: use `git` of throughtime.runners.records.git"


@pytest.mark.parametrize("path", sorted((ROOT / "algorithms").glob("*.py")), ids=lambda path: path.stem)
def test_an_algorithm_uses_the_names_that_a_plugin_has(path):
    for module, name in imports(path):
        if not module.startswith("throughtime.algorithms") and (module, name) != BATCH:
            assert name in importlib.import_module(module).__all__, f"{path.name} imports {name} from {module}"


SETUP = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]


def rooms():
    """Every folder of code, as a package."""
    for top in MAY_IMPORT:
        for path in (ROOT / top).rglob("__init__.py"):
            yield ".".join(["throughtime", *path.parent.relative_to(ROOT).parts]), path.parent


def test_every_room_is_in_the_wheel():
    assert {name for name, _ in rooms()} == set(SETUP["packages"])


def test_every_file_that_a_room_reads_is_in_the_wheel():
    for name, folder in rooms():
        packed = {path for glob in SETUP["package-data"].get(name, []) for path in folder.glob(glob)}
        read = {path for pattern in ("*", "suites/*", "templates/*") for path in folder.glob(pattern)}
        assert {path for path in read if path.suffix in (".toml", ".template")} == packed, name
