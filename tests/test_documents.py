"""What README and CONTRIBUTING say is true: their code runs, their commands exist, their table is the reference's."""

import doctest
import importlib.util
import re
from pathlib import Path

import pytest
from typer.main import get_command

from throughtime.runners.commands.cli import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def load(path, name):
    """Import a Python file by its path."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_python_of_the_readme_runs():
    found = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert found.attempted > 5
    assert found.failed == 0


def test_what_the_readme_says_of_results_follows_from_the_references():
    update = load(ROOT / "results" / "update_readme.py", "update_readme")
    for name in update.PIECES:
        assert README.count(f"<!-- {name}: begin -->") == README.count(f"<!-- {name}: end -->") == 1
    assert update.updated(README) == README, "run: python results/update_readme.py"


def test_table_of_false_alarms_follows_from_the_trials():
    experiment = load(ROOT / "results" / "false_alarms.py", "false_alarms")
    table = (experiment.FOLDER / "table.md").read_text(encoding="utf-8")
    assert table == experiment.report(experiment.FOLDER)


@pytest.mark.parametrize("command", re.findall(r"^throughtime (\w+)", README, flags=re.MULTILINE))
def test_commands_of_the_readme_exist(command):
    assert command in get_command(app).commands


@pytest.mark.parametrize("path", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_links_of_the_readme_lead_somewhere(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("name", ["quickstart", "tests"])
def test_the_two_commands_can_be_found_by_ci(name):
    (command,) = re.findall(rf"<!-- command: {name} -->\n```sh\n(.+)\n```", README)
    assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e ")


def test_the_project_pins_what_it_was_tested_with():
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert "\ntorch==2.13.0\n" in pinned
