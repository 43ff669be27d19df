"""The commands' output: what there is, what it is, what will be done, what was done."""

import io
from pathlib import Path

import pytest
from typer.testing import CliRunner

from throughtime.algorithms import ALGORITHMS
from throughtime.networks import CELLS
from throughtime.runners.commands import descriptions
from throughtime.runners.commands.cli import app
from throughtime.runners.commands.options import make_console
from throughtime.runners.showing.screen import print_tables
from throughtime.runners.showing.summary import summarise
from throughtime.runners.suite.suite import suite_names
from throughtime.tasks import TASKS

ROOT = Path(__file__).parents[3]
EVERY_NAME = [*suite_names(), *ALGORITHMS.names(), *TASKS.names(), *CELLS.names()]


def call(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


def test_list_has_every_name():
    output = call("list")
    for name in EVERY_NAME:
        assert f"\n  {name}" in output


@pytest.mark.parametrize("name", EVERY_NAME)
def test_describe_knows_every_name(name):
    output = call("describe", name)
    assert name in output
    assert len(output.splitlines()) > 3


def test_describe_a_task_shows_its_references():
    output = call("describe", "two_lag")
    assert "0.66156" in output
    assert "optimum" in output


def test_describe_a_suite_says_how_many_runs():
    assert "7 rows × (0 to tune + 2 to report)" in call("describe", "smoke")


def test_version():
    assert call("--version").startswith("throughtime ")


def test_ctrl_c_ends_a_command_whatever_it_is_at(monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(descriptions, "listing", interrupt)
    result = CliRunner().invoke(app, ["list"])
    assert (result.exit_code, result.output) == (130, "\nthroughtime: interrupted\n")


def test_a_shell_completes_commands_and_options(monkeypatch):
    runner = CliRunner()
    assert "--install-completion" in call("--help")
    for typed, word in (("throughtime des", "describe"), ("throughtime run smoke --dry", "--dry-run")):
        asked = {"_THROUGHTIME_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
        result = runner.invoke(app, [], env=asked, prog_name="throughtime")
        assert result.output.split() == [word]


def test_doctor_looks_at_the_machine():
    output = call("doctor")
    for subject in ("python", "torch", "machine", "load", "gpu", "disk"):
        assert f" {subject}: " in output


def test_dry_run_says_what_would_be_done(tmp_path):
    output = call("run", "smoke", "--out", tmp_path / "out", "--dry-run")
    assert "14 runs (0 to tune, 14 to report)" in output
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def twice(throughtime_warm, throughtime_here, tmp_path_factory):
    """The same command twice in a log, first in a process: both outputs, and the tables' bytes after each."""
    out = tmp_path_factory.mktemp("cli") / "out"
    outputs, tables = [], []
    for call in (throughtime_warm, throughtime_here):
        process = call("run", "smoke", "--out", out, "--only", "algorithm=full", cwd=out.parent)
        assert process.returncode == 0, process.stderr
        assert process.stderr == ""
        outputs.append(process.stdout)
        tables.append({name: (out / name).read_bytes() for name in ("table.md", "table.csv", "table.tex")})
    return outputs, tables, out


def test_run_says_before_what_it_will_do(twice):
    assert twice[0][0].splitlines()[1].startswith("2 runs (0 to tune, 2 to report); ")


def test_run_shows_the_table_with_the_floor(twice):
    assert "0.6616" in twice[0][0]
    assert "neither lag" in twice[0][0]


def test_run_names_what_it_wrote_and_what_to_type_next(twice):
    output, out = twice[0][0], twice[2]
    for path in (out / "table.md", out / "table.csv", out / "figures" / "curves_steps.png"):
        assert str(path) in output
        assert path.stat().st_size > 0
    assert f"throughtime table {out}" in output
    assert f"throughtime run smoke --out {out} " in output


def test_a_log_has_no_control_characters(twice):
    assert all(character.isprintable() or character == "\n" for character in twice[0][0])


def test_second_run_is_cached(twice):
    assert "2 cached" in twice[0][1]
    assert "0 runs executed, 2 cached" in twice[0][1]


def test_tables_of_the_second_run_are_byte_identical(twice):
    assert twice[1][0] == twice[1][1]


@pytest.mark.parametrize(("form", "mark"), [("markdown", "| "), ("csv", "task,"), ("latex", r"\begin{tabular}")])
def test_table_in_every_format(twice, form, mark):
    assert mark in call("table", twice[2], "--format", form)


def test_plot_draws_the_figures_anew(twice):
    figures = sorted((twice[2] / "figures").iterdir())
    for figure in figures:
        figure.unlink()
    call("plot", twice[2])
    assert sorted((twice[2] / "figures").iterdir()) == figures


def test_describe_takes_parameters():
    text = call("describe", "two_lag(length=12, a=2, b=5)")
    assert "shown:   two_lag(length=12, a=2, b=5)" in text
    assert "lag 5 alone" in text
    assert "exact_up_to: 6" in call("describe", "truncated(k1=2, k2=6)")


def test_describe_tells_which_cells_an_algorithm_serves():
    assert "cells:       gru, leaky, lstm, rnn\n             not elstm: on a diagonal" in call("describe", "ok")
    assert "told of one with its parameters: throughtime describe 'NAME(…)'" in call("describe", "sparse_rtrl")
    assert "cells:       gru, leaky, lstm, rnn\n" in call("describe", "sparse_rtrl(paths=32)")
    assert "not rnn: a unit has 32 paths" in call("describe", "sparse_rtrl(paths=33)")


def test_describe_tells_of_all_that_have_a_name():
    text = call("describe", "influence_balancing")
    assert "suite influence_balancing" in text
    assert "task influence_balancing" in text


def test_list_is_two_columns_of_no_great_width():
    lines = call("list").splitlines()
    assert max(map(len, lines)) <= 118
    entries = [line for line in lines if line.startswith("  ") and line.strip()]
    assert all(line[45] == " " and line[46] != " " for line in entries)


def test_no_color_is_no_escape_sequence(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    console = make_console()
    console.file, console._force_terminal = io.StringIO(), True
    print_tables(summarise(ROOT / "results" / "reference" / "influence_balancing"), console)
    assert "\x1b" not in console.file.getvalue()
