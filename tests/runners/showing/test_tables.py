"""Tables from records: order, floors, verdicts, marks, and nothing left out."""

import csv as csv_module
import io
import json

import pytest
from rich.console import Console

from throughtime.runners.showing import tables
from throughtime.runners.showing.rows import cells, headings, protocol, short_cells, short_headings
from throughtime.runners.showing.screen import print_tables
from throughtime.runners.showing.statistics import paired_difference
from throughtime.runners.showing.summary import summarise
from throughtime.tasks import Metric, Reference

from .conftest import SCORES


def rows(directory):
    (table,) = summarise(directory).tables
    return {row.name: row for row in table.rows}


def test_runs_and_references_stand_in_one_order_of_merit(results):
    expected = ["best", "full", "rtrl", "classic", "truncated(k1=1, k2=2)", "guess", "readout_only", "chance"]
    assert list(rows(results())) == expected


def test_higher_scores_come_first_where_higher_is_better(results):
    directory = results(metric=Metric("accuracy", better="higher"))
    assert next(iter(rows(directory))) == "chance"
    assert list(rows(directory))[-1] == "best"


@pytest.mark.parametrize(
    ("algorithm", "verdict"),
    [
        ("full", "beats classic"),
        ("truncated(k1=1, k2=2)", "beats the floor"),
        ("readout_only", "not learned"),
    ],
)
def test_verdict(results, algorithm, verdict):
    assert rows(results())[algorithm].verdict == verdict


def test_a_floor_must_be_beaten_by_more_than_its_sampling_error(results):
    close = SCORES | {"readout_only": [0.598, 0.597] * 4}
    assert rows(results(close))["readout_only"].verdict == "not learned"


def test_verdict_where_higher_is_better(results):
    references = (Reference("majority", 0.5, "floor", "by hand"), Reference("classic", 0.3, "baseline", "by hand"))
    found = rows(results(references=references, metric=Metric("accuracy", better="higher")))
    assert found["full"].verdict == "not learned"
    assert found["readout_only"].verdict == "beats the floor"


def test_verdict_that_the_seeds_do_not_support_is_marked(results):
    spread = SCORES | {"readout_only": [0.59, 0.30, 0.55, 0.61, 0.62, 0.58, 0.61, 0.59]}
    assert rows(results(spread))["readout_only"].verdict == "~beats the floor"


def test_a_table_with_too_few_seeds_says_so_in_place_of_every_verdict(results):
    few = {name: values[:4] for name, values in SCORES.items()}
    (table,) = summarise(results(few)).tables
    words = {row.name: cells(table, row) for row in table.rows if row.kind == "run"}
    assert [words[name][3] for name in ("full", "rtrl", "truncated(k1=1, k2=2)")] == ["too few seeds for a verdict"] * 3
    assert words["readout_only"][3] == "not learned"  # on average, and nothing more is claimed
    assert words["truncated(k1=1, k2=2)"][4] == "(+0.1925)"
    assert "report seeds: 4 (too few for a verdict: 4 rows need 7)" in protocol(table)
    assert "~" not in "".join(map("".join, words.values()))


def test_every_score_has_the_best_floor_beside_it(results):
    (table,) = summarise(results()).tables
    for row in table.rows:
        words = cells(table, row)
        assert row.kind != "run" or words[2] == "0.6000"


def test_unsupported_differences_are_marked(results):
    (table,) = summarise(results()).tables
    marked = {row.name: cells(table, row)[4] for row in table.rows}
    assert marked["rtrl"] == "~+0.0025"
    assert marked["truncated(k1=1, k2=2)"] == "+0.1925"
    assert marked["full"] == ""


def test_differences_are_judged_by_the_number_of_rows(results):
    gaps = [0.01, 0.02, 0.03, -0.01, 0.02, 0.01, 0.02, 0.03]
    close = [one + gap for one, gap in zip(SCORES["full"], gaps, strict=True)]
    alone, full = dict(enumerate(close)), dict(enumerate(SCORES["full"]))
    assert paired_difference(alone, full).supported
    found = rows(results({"full": SCORES["full"], **dict.fromkeys([*SCORES][1:], close)}))
    assert found["rtrl"].difference.p == pytest.approx(3 * paired_difference(alone, full).p)
    assert found["rtrl"].difference.supported is False


FAILED = {
    "full": [0.3, {"status": "diverged", "reason": "the loss became nan"}, 0.34],
    "rtrl": [{"status": "timeout", "reason": "stopped at its deadline of 9 s"}] * 3,
    "truncated(k1=1, k2=2)": [{"status": "skipped", "reason": "not installed"}] * 3,
    "readout_only": [],
}


def test_failed_runs_stay_with_status_and_reason(results):
    (table,) = summarise(results(FAILED)).tables
    words = {row.name: cells(table, row) for row in table.rows}
    assert words["full"][1] == "0.3200 [0.0659, 0.5741] (mean of 2 of 3)"
    assert words["full"][-1] == "2 done, 1 diverged: the loss became nan"
    assert words["rtrl"][1] == "–"
    assert words["rtrl"][-1] == "3 timeout: stopped at its deadline of 9 s"
    assert words["truncated(k1=1, k2=2)"][-1] == "3 skipped: not installed"
    assert words["readout_only"][-1] == "not run yet"


def test_runs_that_are_still_missing_are_told(results):
    (table,) = summarise(results(SCORES | {"full": [0.3, 0.32]})).tables
    words = next(cells(table, row) for row in table.rows if row.name == "full")
    assert words[1] == "0.3100 [0.1829, 0.4371] (mean of 2 of 8)"
    assert words[-1] == "2 done, 6 not run yet"


def test_one_seed_of_three_is_no_interval_and_supports_no_difference(results):
    (table,) = summarise(results({name: values[:1] for name, values in SCORES.items()}, seeds=3)).tables
    words = {row.name: cells(table, row) for row in table.rows}
    assert words["full"][1] == "0.3000 (mean of 1 of 3)"
    assert words["truncated(k1=1, k2=2)"][4] == "(+0.2000)"


@pytest.mark.parametrize(("told", "median"), [([8], None), ([8, 16], 12), ([8, 16, 24], 16)])
def test_a_cost_that_fewer_than_half_of_the_runs_have_is_none(results, told, median):
    runs = [{"status": "done", "test": 0.3, "gradient_norm": norm} for norm in (*told, None, None)[:3]]
    assert rows(results({**SCORES, "full": runs}))["full"].costs["gradient_norm"] == median


def test_nothing_beats_an_optimum(results):
    lucky = SCORES | {"full": [0.05, 0.06, 0.07, 0.05] * 2}
    assert rows(results(lucky))["full"].verdict == "beats classic"


def test_small_scores_keep_two_digits(results):
    small = {name: [1e-4 * value for value in values] for name, values in SCORES.items()}
    references = (Reference("guess", 0.6e-4, "floor", "by hand"), Reference("noiseless", 0.0, "optimum", "by hand"))
    (table,) = summarise(results(small, references=references)).tables
    words = {row.name: cells(table, row) for row in table.rows}
    assert words["full"][1:3] == ["0.000032 [0.000031, 0.000033]", "0.000060"]
    assert words["truncated(k1=1, k2=2)"][4] == "+0.000019"
    assert words["noiseless"][1] == "0.000000"


def test_a_failed_run_is_not_in_the_mean(results):
    assert rows(results(FAILED))["full"].score.n == 2


def test_markdown_is_the_same_at_every_call(results):
    directory = results()
    assert tables.markdown(summarise(directory)) == tables.markdown(summarise(directory))


def test_markdown_names_the_protocol_and_the_machine(results):
    text = tables.markdown(summarise(results()))
    for part in (
        "A made-up suite",
        "Measured on: a made-up machine.",
        "loss, ↓ lower is better",
        "equal budget: 1,000 time steps for every algorithm",
        "2 settings × 1 tuning seeds",
        "| *floor: guess*",
        "0.500",
    ):
        assert part in text


def test_markdown_rows_have_a_cell_for_every_heading(results):
    broken = SCORES | {"rtrl": [{"status": "error", "reason": "a | b\nc"}] * 3}
    lines = tables.markdown(summarise(results(broken))).splitlines()
    table = [line.replace("\\|", "") for line in lines if line.startswith("|")]
    assert len(table) == 2 + 4 + 4
    assert {line.count("|") for line in table} == {len(headings(summarise(results()).tables[0])) + 1}


def test_csv_has_every_row_unrounded(results):
    read = list(csv_module.DictReader(io.StringIO(tables.csv(summarise(results())))))
    assert len(read) == 8
    full = next(row for row in read if row["name"] == "full")
    assert float(full["mean"]) == pytest.approx(0.32)
    assert float(full["peak_bytes"]) == 2048
    assert float(full["wall_per_step"]) == pytest.approx(0.0005)
    assert float(full["floor"]) == 0.6
    assert {row["kind"] for row in read} == {"run", "floor", "baseline", "optimum"}


def test_files_are_the_same_at_every_call(results):
    directory = results(FAILED)
    first = [path.read_bytes() for path in tables.write_tables(directory)]
    assert [path.read_bytes() for path in tables.write_tables(directory)] == first


def test_a_log_gets_the_markdown_and_no_markup(results):
    summary, log = summarise(results()), io.StringIO()
    print_tables(summary, Console(file=log, width=40))
    assert log.getvalue() == tables.short_markdown(summary) + "\nAll columns, and what they mean: table.md.\n"


def test_files_are_written_whole(results):
    directory = results()
    paths = tables.write_tables(directory)
    assert sorted(path.name for path in paths) == ["table.csv", "table.md", "table.tex"]
    assert not list(directory.glob(".table*"))


def test_terminal_shows_every_row(results):
    screen = io.StringIO()
    print_tables(summarise(results()), Console(file=screen, force_terminal=True, width=220))
    for name in (*SCORES, "optimum: best", "0.3200 [0.3066, 0.3334]"):
        assert name in screen.getvalue()


@pytest.mark.parametrize("width", [60, 90, 220])
def test_a_terminal_says_which_columns_it_leaves_out(results, width):
    screen = io.StringIO()
    print_tables(summarise(results()), Console(file=screen, force_terminal=True, width=width))
    text = screen.getvalue()
    (header,) = [line for line in text.splitlines() if "algorithm" in line and "score" in line]
    left_out = text.partition("Left out at this width: ")[2].partition(".")[0].split(", ")
    names = short_headings(summarise(results()).tables[0])
    assert [name for name in names if name not in header] == [name for name in left_out if name]
    assert ("floor" in header) or width < 90
    assert "0.3200" in text


def test_the_short_table_keeps_what_did_not_end_well(results):
    (table,) = summarise(results(FAILED)).tables
    words = {row.name: dict(zip(short_headings(table), short_cells(table, row), strict=True)) for row in table.rows}
    assert len(short_headings(table)) == 6
    assert words["full"]["verdict"] == "too few seeds for a verdict; 2 done, 1 diverged: the loss became nan"
    assert words["rtrl"]["verdict"] == "3 timeout: stopped at its deadline of 9 s"
    assert words["readout_only"]["verdict"] == "not run yet"
    assert words["full"]["floor"] == "0.6000"


def test_the_short_table_of_what_ended_well_is_not_told_so(results):
    (table,) = summarise(results()).tables
    assert all("done" not in "".join(short_cells(table, row)) for row in table.rows)


def test_rows_that_waited_for_a_busy_machine_are_told(results):
    directory = results()
    assert "Beware" not in tables.markdown(summarise(directory))
    for path in (directory / "runs").iterdir():
        record = json.loads(path.read_text(encoding="utf-8"))
        record["cpu_seconds"] = record["wall_seconds"] / 2.7
        path.write_text(json.dumps(record), encoding="utf-8")
    text = tables.markdown(summarise(directory))
    assert "Beware: 4 of 4 rows waited for a busy machine, up to 2.7 times as long as they computed" in text
    assert "| 0.185 (wall 0.5) " in text
    screen = io.StringIO()
    print_tables(summarise(directory), Console(file=screen, force_terminal=True, width=220))
    assert "Beware" in screen.getvalue()
