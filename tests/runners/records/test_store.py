"""A results directory in any state: what we left is cleaned, what is broken is named, and nothing hangs or is lost."""

import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from throughtime.parts import BadInput
from throughtime.parts.text import plain
from throughtime.runners import load_curves, load_results
from throughtime.runners.commands.cli import app
from throughtime.runners.records.files import is_temporary, whole, write_text
from throughtime.runners.records.manifest import RunStore
from throughtime.runners.showing.plots import draw_figures
from throughtime.runners.showing.summary import summarise

REFERENCE = Path(__file__).parents[3] / "results" / "reference" / "influence_balancing"


@pytest.fixture
def results(tmp_path):
    """A directory of results, to be broken."""
    return Path(shutil.copytree(REFERENCE, tmp_path / "results"))


def a_record(directory):
    return sorted((directory / "runs").iterdir())[0]


GONE = 2**22 + 1
"""More than any process's number."""


class TestOurOwnTemporaryFiles:
    @pytest.mark.parametrize("name", [".manifest.json", ".environment.json", ".table.md", ".peers.md"])
    @pytest.mark.parametrize("process", [GONE, 99_999_999_999, None], ids=["gone", "no process", "own"])
    def test_one_that_a_kill_left_before_the_manifest_is_no_obstacle_and_goes(self, tmp_path, name, process):
        name = f"{name}.{process or os.getpid()}"  # of this one where numbers begin anew, as in a container
        directory = tmp_path / "out"
        directory.mkdir()
        (directory / name).write_text("{", encoding="utf-8")
        store = RunStore(directory)
        store.check_writable("a suite on cpu")
        with store.locked():
            assert not (directory / name).exists()

    def test_those_of_figures_go_too(self, results):
        left = results / "figures" / f".frontier.png.{GONE}"
        left.write_bytes(b"")
        with RunStore(results).locked():
            assert not left.exists()

    def test_one_that_another_process_is_writing_stays(self, results):
        written = results / f".table.md.{os.getppid()}"
        written.write_text("half", encoding="utf-8")
        with RunStore(results).locked():
            assert written.exists()

    def test_what_only_looks_like_one_is_somebody_elses(self, tmp_path):
        (tmp_path / ".gitignore").write_text("", encoding="utf-8")
        assert not is_temporary(".gitignore")
        with pytest.raises(BadInput, match="is not empty"):
            RunStore(tmp_path).check_writable("a suite on cpu")

    def test_a_write_that_fails_leaves_the_old_file_and_no_other(self, tmp_path):
        path = write_text(tmp_path / "table.md", "old")

        def fail():
            with whole(path) as temporary:
                temporary.write_text("half", encoding="utf-8")
                raise RuntimeError("no more")

        with pytest.raises(RuntimeError):
            fail()
        assert path.read_text(encoding="utf-8") == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_a_full_disk_is_told_with_the_file(self, tmp_path, monkeypatch):
        def full(*args):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(BadInput, match=r"table\.md' can't be written: No space left on device"):
            write_text(tmp_path / "table.md", "text")
        assert not list(tmp_path.iterdir())


def a_fifo(path):
    os.mkfifo(path)


def a_folder(path):
    path.mkdir()


def a_loop(path):
    path.symlink_to(path.name)


INSTEAD = {"a FIFO": a_fifo, "a folder": a_folder, "a link to itself": a_loop}


@pytest.mark.parametrize("what", INSTEAD)
@pytest.mark.parametrize("file", ["manifest.json", "record"])
def test_something_else_in_a_files_place_is_named(results, what, file):
    path = a_record(results) if file == "record" else results / file
    path.unlink()
    INSTEAD[what](path)
    with pytest.raises(BadInput) as caught:
        summarise(results)
    assert str(path) in str(caught.value) or "holds no throughtime results" in str(caught.value)


def edited(path, change):
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def set_in(*keys, value):
    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


MANIFESTS = {
    "nothing": "",
    "half": '{"format": 3, "suite"',
    "a list": "[]",
    "a number": "5",
    "no keys": '{"format": 3}',
    "deep": "[" * 100_000,
    "bytes": "\udcff",
    "huge": '{"format": ' + "9" * 5000 + "}",
}


@pytest.mark.parametrize("text", MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_that_is_none_is_named(results, text):
    (results / "manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadInput, match=r"manifest\.json|format"):
        summarise(results)


NAN = float("nan")
CHANGES = {
    "a key that leads elsewhere": set_in("groups", 0, "report", value=["../../etc/passwd"]),
    "a key of another form": set_in("groups", 0, "report", value=["x" * 20]),
    "a reference that is no number": set_in(
        "tasks", "influence_balancing", "references", 0, "value", value=float("nan")
    ),
    "no such experiment": set_in("groups", 0, "experiment", value=7),
    "a group without a task": set_in("groups", 0, "task", value="no_such_task"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_manifest_that_does_not_hold_together_is_named(results, change):
    edited(results / "manifest.json", change)
    with pytest.raises(BadInput, match=r"manifest\.json"):
        summarise(results)
    with pytest.raises(BadInput):
        draw_figures(results)


RECORDS = {
    "half": lambda text: text[:100],
    "empty": lambda text: "",
    "a list": lambda text: "[]",
    "an unknown field": lambda text: text.replace('"status"', '"statusses"'),
    "a status that there is not": lambda text: text.replace('"done"', '"finished"'),
    "a huge number": lambda text: text.replace('"steps": ', '"steps": 1' + "0" * 400),
    "deep": lambda text: "[" * 100_000,
}


@pytest.mark.parametrize("change", RECORDS.values(), ids=RECORDS)
def test_a_record_that_is_none_is_a_run_that_is_missing(results, change):
    for path in (results / "runs").iterdir():
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    assert load_results(results).empty or len(load_results(results)) < 4
    load_curves(results)
    (table,) = summarise(results).tables
    assert any("not run yet" in row.reason or not row.statuses for row in table.rows if row.kind == "run")


@pytest.mark.parametrize("load", [load_results, load_curves])
def test_a_table_without_rows_has_the_columns_of_one_with_rows(results, load):
    columns = list(load(results).columns)
    assert columns
    for path in (results / "runs").iterdir():
        path.unlink()
    assert list(load(results).columns) == columns
    assert load(results).empty


@pytest.mark.parametrize("text", ["", "5", "[1]", "{", "null", '{"machine": 5, "load_average": 3}'])
def test_an_environment_that_is_none_is_not_recorded(results, text):
    for path in (results / "runs").iterdir():
        edited(path, set_in("machine", value=""))  # as of records from before they told it themselves
    (results / "environment.json").write_text(text, encoding="utf-8")
    assert summarise(results).machine in ("not recorded", "5")


class TestTextFromOutside:
    TITLE = "\x1b[31mred\x1b[0m [/red] [bold]x $\\frac{$\n\n\n# heading \u202e \ud83d"

    @pytest.fixture
    def titled(self, results):
        edited(results / "manifest.json", set_in("suite", "title", value=self.TITLE))
        edited(results / "environment.json", set_in("machine", value="\x1b]0;evil\x07 machine\n\nwith lines"))
        for path in (results / "runs").iterdir():
            edited(path, set_in("machine", value="\x1b]0;evil\x07 machine\n\nwith lines"))
        for path in (results / "runs").iterdir():
            edited(path, set_in("reason", value="\x1b[2J[/red] | \x9b5n"))
        return results

    @pytest.mark.parametrize("format", ["terminal", "markdown", "csv", "latex"])
    def test_tables_show_no_control_character(self, titled, format):
        result = CliRunner().invoke(app, ["table", str(titled), "--format", format])
        assert result.exit_code == 0, result.output
        assert not set(result.output) & set("\x1b\x9b\x07\u202e")
        assert plain(result.output) == result.output

    def test_figures_take_it_as_text(self, titled):
        for figure in draw_figures(titled).values():
            figure.draw_without_rendering()
