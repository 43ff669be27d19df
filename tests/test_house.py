"""Who may import whom, and that built-in parts use the public names that a plugin has."""

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "networks": {"networks"},
    "tasks": {"tasks", "networks"},
    "algorithms": {"algorithms", "networks", "tasks"},
    "forcings": {"forcings", "networks", "tasks"},
    "runners": {"runners", "forcings", "algorithms", "tasks", "networks"},
}
BATCH = ("throughtime.tasks.base", "Batch")
"""What algorithms and forcings take from there, so that a batch's type does not bring every task along."""


def imports(path):
    """(module, name) of everything that a file imports from throughtime by its full name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module.startswith("throughtime"):
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.startswith("throughtime"))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_it_may(room):
    for path in (ROOT / room).rglob("*.py"):
        rooms = {module.split(".")[1] for module, _ in imports(path)}
        assert rooms <= MAY_IMPORT[room], path


@pytest.mark.parametrize("path", sorted((ROOT / "algorithms").glob("*.py")), ids=lambda path: path.stem)
def test_an_algorithm_uses_the_names_that_a_plugin_has(path):
    for module, name in imports(path):
        if (module, name) != BATCH:
            assert name in importlib.import_module(module).__all__, f"{path.name} imports {name} from {module}"
