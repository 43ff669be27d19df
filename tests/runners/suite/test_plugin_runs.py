"""Runs of plugins: what their records know of the code, what is shown of them without it, and whom they refuse."""

import pytest

from throughtime.runners import load_results, run_suite
from throughtime.runners.commands.descriptions import description
from throughtime.runners.execution.run import plan_suite
from throughtime.runners.records.manifest import RunStore
from throughtime.runners.showing.plots import draw_figures
from throughtime.runners.showing.summary import summarise
from throughtime.runners.suite import plugins
from throughtime.runners.suite.fingerprint import Code
from throughtime.runners.suite.plugins import load_plugin, load_plugins
from throughtime.runners.suite.suite import parse_suite

from ..conftest import BROKEN
from .conftest import GOOD, TINY

pytestmark = pytest.mark.usefixtures("nothing_stays")

REFUSING = """    def refuses(self, network):
        gates = len(network.cell.weight_hh_l0) // network.cell.hidden_size
        return "" if gates == 1 else f"it knows one gate, and there are {gates}"

    def updates("""


class TestRecords:
    def keys(self, path, tmp_path):
        """Run the tiny suite with a plugin in a fresh state, for its summary and the record of the plugin's run."""
        plugins.forget()
        load_plugin(path)
        summary = run_suite(parse_suite(TINY, "tiny", origin="tiny.toml"), tmp_path / "out", workers=1)
        store = RunStore.open(tmp_path / "out")
        keys = {group.algorithm: group.report[0] for group in store.manifest().groups}
        return summary, store.record(keys["full"]), store.record(keys["tenth"])

    def test_an_edited_plugin_is_run_again_and_no_other(self, write, tmp_path, in_this_process):
        first, full, tenth = self.keys(write(), tmp_path)
        assert first.executed == 2
        assert not full.plugins
        assert list(tenth.plugins) == ["plugin_tenth"]
        again, _, _ = self.keys(write(), tmp_path)
        assert (again.executed, again.cached) == (0, 2)
        reworded, _, _ = self.keys(write(text=GOOD.replace("A tenth of", "Some of") + "# a comment\n"), tmp_path)
        assert (reworded.executed, reworded.cached) == (0, 2)
        edited, _, changed = self.keys(write(text=GOOD.replace("self.share * loss", "-self.share * loss")), tmp_path)
        assert (edited.executed, edited.cached) == (1, 1)
        assert changed.plugins != tenth.plugins

    def test_edited_code_that_it_imports_is_run_again(self, write, tmp_path, in_this_process):
        write("beside_it.py", "SHARE = 0.25")
        path = write(text="from beside_it import SHARE\n" + GOOD)
        _, _, tenth = self.keys(path, tmp_path)
        assert list(tenth.plugins) == ["beside_it", "plugin_tenth"]
        write("beside_it.py", "SHARE = 0.5")
        edited, _, changed = self.keys(path, tmp_path)
        assert (edited.executed, edited.cached) == (1, 1)
        assert changed.plugins["beside_it"] != tenth.plugins["beside_it"]

    def test_libraries_count_by_their_version(self, write, monkeypatch):
        load_plugin(write(text="import numpy\n" + GOOD))
        before = Code(("plugin_tenth",)).fingerprint("")
        monkeypatch.setattr("throughtime.runners.suite.fingerprint._version_of_library", lambda name: "0.0")
        assert Code(("plugin_tenth",)).fingerprint("") != before
        assert list(Code(("plugin_tenth",)).plugins) == ["plugin_tenth"]

    def test_a_plugin_that_meddles_changes_no_run_after_it(self, tmp_path, workers_start_at_once):
        load_plugins([BROKEN])
        text = TINY.replace('"full", "tenth"', '"meddling", "chattering", "full"')
        assert run_suite(parse_suite(text, "tiny", origin="tiny.toml"), tmp_path / "out", workers=1).statuses == {
            "done": 3
        }
        scores = load_results(tmp_path / "out").set_index("algorithm")["test"]
        assert scores["chattering"] == scores["full"]


def test_results_are_read_without_the_plugins_that_made_them(write, tmp_path, in_this_process):
    task = "from throughtime.tasks.two_lag import TwoLag\n\n\nclass Mine(TwoLag):\n    pass\n"
    load_plugins([write(), write("mine.py", task)])
    text = TINY.replace('["two_lag(length=16)"]', '["mine(length=16)", "two_lag(length=16)"]')
    run_suite(parse_suite(text, "tiny", origin="tiny.toml"), tmp_path / "out", workers=2)
    plugins.forget()
    tables = summarise(tmp_path / "out").tables
    assert [table.task for table in tables] == ["mine(length=16)", "two_lag(length=16)"]
    assert "tenth" in {row.name for row in tables[0].rows}
    assert draw_figures(tmp_path / "out")


@pytest.mark.parametrize(
    "reference", ['float("nan"), "floor", ""', '0.5, "floor", "", free=float("inf")', "None, 5, 5"]
)
def test_a_reference_that_is_no_number_fails_its_own_task_alone(write, tmp_path, in_this_process, reference):
    task = (
        "from throughtime.tasks import Reference\nfrom throughtime.tasks.two_lag import TwoLag\n\n\n"
        f"class Mine(TwoLag):\n    def references(self):\n        return [Reference('guess', {reference})]\n"
    )
    load_plugins([write(), write("mine.py", task)])
    text = TINY.replace('["two_lag(length=16)"]', '["mine(length=16)", "two_lag(length=16)"]')
    summary = run_suite(parse_suite(text, "tiny", origin="tiny.toml"), tmp_path / "out", workers=2)
    assert set(summary.statuses) == {"done", "error"}
    mine, _ = summarise(tmp_path / "out").tables
    assert {row.statuses.keys() == {"error"} for row in mine.rows} == {True}
    assert "references of the task 'mine(length=16)' failed" in mine.rows[0].reason
    assert "pydantic" not in mine.rows[0].reason


class TestRefusal:
    @pytest.fixture
    def suite(self, write):
        load_plugin(write(text=GOOD.replace("    def updates(", REFUSING)))
        text = TINY.replace('algorithms = ["full", "tenth"]', 'algorithms = ["full", "tenth"]\ncells = ["rnn", "gru"]')
        return parse_suite(text, "tiny", origin="tiny.toml")

    def test_the_row_is_skipped_with_the_reason_in_the_plan(self, suite, tmp_path):
        outlook = plan_suite(suite, tmp_path / "out")
        reason = "tenth does not serve gru: it knows one gate, and there are 3"
        assert list(outlook.skipped.values()) == [reason]
        assert outlook.report == 3

    def test_the_others_run_and_it_is_a_row(self, suite, tmp_path, in_this_process):
        summary = run_suite(suite, tmp_path / "out", only={"algorithm": "tenth"})
        assert summary.statuses == {"done": 1, "skipped": 1}
        assert summary.failed == 0

    def test_describe_says_which_cells_it_serves(self, suite):
        text = description("tenth")
        assert "cells:       leaky, rnn\n" in text
        assert "not lstm: it knows one gate, and there are 4" in text
        assert "not lru: asking it whether it serves lru failed" in text

    def test_one_that_fails_when_it_is_asked_is_a_row(self, write, tmp_path):
        load_plugin(write(text=GOOD.replace("    def updates(", REFUSING.replace("return", "1 / 0\n        return"))))
        outlook = plan_suite(parse_suite(TINY, "tiny", origin="tiny.toml"), tmp_path / "out")
        assert "ZeroDivisionError" in next(iter(outlook.broken.values()))
