"""What README, CONTRIBUTING and docs say is true: code runs, links and commands exist, numbers are the results'."""

import doctest
import io
import re
from pathlib import Path

import false_alarms
import pandas as pd
import pytest
import update_docs
from pages.cost import beside_frameworks
from typer.main import get_command

from throughtime.runners.commands.cli import app
from throughtime.runners.cost.peers_table import csv
from throughtime.runners.cost.row import Row
from throughtime.runners.training.timing import Spread

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
each_page = pytest.mark.parametrize("page", PAGES)


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


@each_page
def test_python_of_a_page_runs(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    found = doctest.testfile(str(ROOT / page), module_relative=False)
    assert bool(found.attempted) == (">>>" in text_of(page))
    assert found.failed == 0


@pytest.mark.parametrize("page", update_docs.PAGES)
def test_what_a_page_says_of_results_follows_from_the_references(page):
    for name in update_docs.PAGES[page]:
        assert text_of(page).count(f"<!-- {name}: begin -->") == text_of(page).count(f"<!-- {name}: end -->") == 1
    assert update_docs.updated(page, text_of(page)) == text_of(page), "run: python results/update_docs.py"


def test_ratios_to_frameworks_are_a_row_for_each_size():
    rows = [
        Row("full / JAX, rnn: time", "n=3", Spread(0.5, 0.4, 0.6), "×", 1.0),
        Row("full / JAX, rnn: peak memory", "n=3", Spread(0.5, 0.5, 0.5), "×", None),
        Row("online(depth=2) / JAX, rnn: time", "n=3", Spread(1.234, 1.2, 1.3), "×", 1.0),
        Row("full / flax.nnx.SimpleCell, rnn: time", "n=3", Spread(0.5, 0.4, 0.6), "×", 1.0),
        Row("full / Keras, gru: time", "n=4", None, "×", 1.0, reason="another gradient"),
        Row("full / torch.nn.RNN: time", "n=3", Spread(0.5, 0.4, 0.6), "×", 1.0),
    ]
    first, second = beside_frameworks(pd.read_csv(io.StringIO(csv(rows))))
    assert [*first] == ["ours / theirs, time", "full / JAX", "online / JAX", "full / Flax", "full / Keras"]
    assert [*first.values()] == ["rnn, n=3", "0.50 ×", "1.23 ×, missed", "0.50 ×", "–"]
    assert [*second.values()] == ["gru, n=4", "–", "–", "–", "not timed, missed"]


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


def test_table_of_false_alarms_follows_from_the_trials():
    table = (false_alarms.FOLDER / "table.md").read_text(encoding="utf-8")
    assert table == false_alarms.report(false_alarms.FOLDER)


@pytest.mark.parametrize("command", re.findall(r"^throughtime (\w+)", README, flags=re.MULTILINE))
def test_commands_of_the_readme_exist(command):
    assert command in get_command(app).commands


@pytest.mark.parametrize(
    ("page", "link"), [(page, link) for page in PAGES for link in re.findall(r"\]\((?!http)([^)#]+)", text_of(page))]
)
def test_links_lead_somewhere(page, link):
    assert ((ROOT / page).parent / link).exists()


@pytest.mark.parametrize("name", ["quickstart", "tests"])
def test_the_two_commands_can_be_found_by_ci(name):
    (command,) = re.findall(rf"<!-- command: {name} -->\n```sh\n(.+)\n```", README)
    assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e ")


def test_the_project_pins_what_it_was_tested_with():
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert "\ntorch==2.13.0\n" in pinned


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("algorithms/truncated.py", "first = max(stop - self.k2, -before)"),
        ("runners/records/store.py", "def write_record("),
        ("docs/results.md", "- cosine: of the algorithm's gradient with the exact one"),
    ],
)
def test_what_a_stranger_looks_for_is_two_clicks_from_the_readme(file, line):
    """The line that computes truncated BPTT's window, the file that writes a record, what cosine means in a table."""
    assert line in text_of(file)
    near = {"README.md"}
    for _ in range(2):
        pages = [page for page in near if page.endswith(".md")]
        near |= {
            str((ROOT / page).parent.joinpath(link).resolve().relative_to(ROOT))
            for page in pages
            for link in local(page)
        }
    assert file in near


def local(page):
    """Where a page's links lead to in this repository."""
    links = re.findall(r"\]\(([^)#]+)\)", text_of(page))
    return [link for link in links if "://" not in link]
