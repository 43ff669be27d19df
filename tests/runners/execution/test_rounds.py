"""Tuning by a ladder, round after round: what is run, what is found again, and where it goes on when it was stopped."""

import math

import pytest

from throughtime.runners import load_results, run_suite
from throughtime.runners.execution.job import RunJob
from throughtime.runners.execution.progress import Silent
from throughtime.runners.execution.run import plan_suite
from throughtime.runners.records.manifest import RunStore
from throughtime.runners.records.record import Point
from throughtime.runners.showing.summary import summarise
from throughtime.runners.showing.tables import csv, markdown

pytestmark = pytest.mark.usefixtures("in_this_process")

BEST = {"full": 0.1, "readout_only": 0.003}
"""The learning rate at which each scores best, as it is made up: of full two rungs beyond those tried first."""

RATES = {"full": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3), "readout_only": (0.001, 0.003, 0.01)}
RUNS = 3 * (6 + 3) + 2 * 2


@pytest.fixture
def ladder(suite_file):
    """The tiny suite, tuned by a ladder."""
    return lambda rates='"auto"': suite_file(replace={"[0.01]": rates})


@pytest.fixture
def made_up(monkeypatch):
    """Runs that train nothing and score by their learning rate; a function may break one, or have it diverge."""
    begun = []

    def use(before=lambda config: None):
        def execute(job, record, note):
            diverges = before(job.config)
            begun.append(job.config)
            if diverges:
                record.status, record.reason = "diverged", "as it was told to"
                return
            score = 0.5 + 0.1 * abs(math.log(job.config.learning_rate / BEST[job.config.algorithm]))
            record.curve = (Point(steps=0, updates=0, seconds=0.0, metric=score),)
            setattr(record, "test" if job.config.purpose == "report" else "validation", score)
            record.steps, record.updates = 16, 1

        monkeypatch.setattr(RunJob, "execute", execute)
        return begun

    return use


class Told(Silent):
    """Keeps the titles of the phases, with how many jobs each has, and stops all when so many have ended."""

    def __init__(self, most=math.inf):
        self.phases, self.left = [], most

    def start(self, title, total, unit=""):
        self.phases.append((title, total))
        self._stop()

    def ended(self, record):
        self.left -= 1
        self._stop()

    def _stop(self):
        if self.left <= 0:
            raise KeyboardInterrupt


def groups(out):
    return {group.algorithm: group for group in RunStore.open(out).manifest().groups}


def test_rounds_go_on_until_the_best_is_inside(ladder, made_up, tmp_path):
    begun, told = made_up(), Told()
    summary = run_suite(ladder(), tmp_path / "out", reporter=told)
    assert told.phases == [
        ("Tuning", 18), ("Tuning, round 2", 3), ("Tuning, round 3", 3), ("Tuning, round 4", 3), ("Report", 4),
    ]  # fmt: skip
    assert (summary.executed, summary.cached, len(begun)) == (RUNS, 0, RUNS)
    found = groups(tmp_path / "out")
    assert {name: group.rates for name, group in found.items()} == RATES
    assert {name: group.choice.learning_rate for name, group in found.items()} == BEST
    assert {name: len(group.tuning) for name, group in found.items()} == {"full": 18, "readout_only": 9}
    results = load_results(tmp_path / "out").query("purpose == 'tuning'")
    tried = {name: set(rows["learning_rate"]) for name, rows in results.groupby("algorithm")}
    assert tried == {name: set(rates) for name, rates in RATES.items()}
    assert (results.groupby(["algorithm", "learning_rate"]).size() == 3).all()


def test_the_next_call_finds_every_round_again(ladder, made_up, tmp_path):
    made_up()
    run_suite(ladder(), tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.json")}
    told = Told()
    summary = run_suite(ladder(), tmp_path / "out", reporter=told)
    assert (summary.executed, summary.cached, told.phases) == (0, RUNS, [])
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.json")} == before


@pytest.mark.parametrize("after", [0, 5, 17, 18, 20, 24, 26, 27, 29])
def test_it_goes_on_wherever_it_was_stopped(ladder, made_up, tmp_path, after):
    begun = made_up()
    with pytest.raises(KeyboardInterrupt):
        run_suite(ladder(), tmp_path / "out", reporter=Told(after))
    asked = RunStore.open(tmp_path / "out").manifest().asked
    records = {path.stem for path in (tmp_path / "out" / "runs").iterdir()}
    assert len(records) == after
    assert records <= asked.keys(), "what was run stands in the manifest"
    seen = plan_suite(ladder(), tmp_path / "out")
    assert seen.cached == after
    summary = run_suite(ladder(), tmp_path / "out")
    assert (summary.executed, summary.cached) == (RUNS - after, after)
    assert len(set(begun)) == RUNS
    assert {name: group.rates for name, group in groups(tmp_path / "out").items()} == RATES


def test_before_it_starts_the_least_is_told(ladder, made_up, tmp_path, throughtime_here):
    made_up()
    words = ("run", ladder(), "--out", tmp_path / "out")
    first = throughtime_here(*words, "--dry-run", cwd=tmp_path).stdout
    assert "at least 22 runs (at least 18 to tune, 4 to report)" in first
    assert "2 rows take more runs to tune where the best learning rate is at an end, or all are alike" in first
    assert not (tmp_path / "out").exists()
    run_suite(ladder(), tmp_path / "out")
    last = throughtime_here(*words, "--dry-run", cwd=tmp_path).stdout
    assert "31 runs (27 to tune, 4 to report), 31 cached" in last
    assert "at least" not in last
    assert "more runs to tune" not in last


def test_only_tunes_what_matches_and_keeps_the_rest(ladder, made_up, tmp_path):
    made_up()
    assert run_suite(ladder(), tmp_path / "out", only={"algorithm": "full"}).executed == 18 + 2
    assert groups(tmp_path / "out")["readout_only"].choice is None
    summary = run_suite(ladder(), tmp_path / "out", only={"algorithm": "readout_only"})
    assert (summary.executed, summary.cached) == (9 + 2, 0)
    assert {name: group.rates for name, group in groups(tmp_path / "out").items()} == RATES


def test_a_limit_ends_it_and_is_marked(ladder, made_up, tmp_path):
    made_up()
    run_suite(ladder("{ start = 0.01, most = 0.03 }"), tmp_path / "out")
    found = groups(tmp_path / "out")["full"]
    assert (found.rates, found.choice.learning_rate) == ((0.003, 0.01, 0.03), 0.03)
    summary = summarise(tmp_path / "out")
    ends = {row.name: row.tuned.end for row in summary.tables[0].rows if row.kind == "run"}
    assert ends == {"full": "highest", "readout_only": ""}
    assert "| lr 0.03 (highest) |" in markdown(summary)
    assert "which took 9 to 12 tuning runs a row" in markdown(summary)
    assert ",9,3,highest," in csv(summary)


def test_what_broke_once_is_run_again_and_the_rounds_go_on(ladder, made_up, tmp_path):
    broken = []

    def once(config):
        if config.algorithm == "full" and config.purpose == "tuning" and config not in broken:
            broken.append(config)
            raise ZeroDivisionError("no such luck")

    made_up(once)
    told = Told()
    summary = run_suite(ladder(), tmp_path / "out", reporter=told)
    # In the first round all of full's break, and are run again; of the rates beyond, once chosen from, no other is.
    assert told.phases[:3] == [("Tuning", 18), ("Tuning, again", 9), ("Tuning, round 2", 3)]
    assert summary.statuses == {"done": 4}
    assert groups(tmp_path / "out")["full"].choice.learning_rate == 0.01
    table = summarise(tmp_path / "out").tables[0]
    (row,) = [row for row in table.rows if row.name == "full"]
    assert row.tuned.end == "highest", "the rate beyond broke: nothing is known of it"
    made_up()
    run_suite(ladder(), tmp_path / "out")
    assert groups(tmp_path / "out")["full"].rates == RATES["full"], "the next call tries it again, and goes on"


def test_where_all_break_it_stops(ladder, made_up, tmp_path):
    def fail(config):
        if config.purpose == "tuning" and config.algorithm == "full":
            raise ZeroDivisionError("no such luck")

    made_up(fail)
    told = Told()
    summary = run_suite(ladder(), tmp_path / "out", reporter=told)
    assert summary.statuses == {"error": 2, "done": 2}
    assert groups(tmp_path / "out")["full"].rates == (0.001, 0.003, 0.01)
    assert [phase for phase in told.phases if phase[0] == "Tuning, again"] == [("Tuning, again", 9)]


def test_where_some_broke_and_some_diverged_it_goes_down(ladder, made_up, tmp_path):
    def fail(config):
        if config.learning_rate == 0.01:
            raise ZeroDivisionError("no such luck")
        return config.learning_rate > 1e-4

    made_up(fail)
    assert run_suite(ladder(), tmp_path / "out", only={"algorithm": "full"}).statuses == {"done": 2}
    found = groups(tmp_path / "out")["full"]
    assert (found.rates, found.choice.learning_rate) == ((0.001, 0.003, 0.01, 3e-4, 1e-4, 3e-5), 1e-4)


def test_where_all_diverged_the_smallest_rate_of_all_stands_for_them(ladder, made_up, tmp_path):
    made_up(lambda config: True)
    summary = run_suite(ladder(), tmp_path / "out", only={"algorithm": "full"})
    assert summary.statuses == {"diverged": 2}
    assert groups(tmp_path / "out")["full"].choice.learning_rate == 1e-5


def test_fixed_lists_leave_no_word_of_rates_in_the_manifest(ladder, made_up, tmp_path):
    made_up()
    run_suite(ladder("[0.01, 0.02]"), tmp_path / "out")
    assert '"rates"' not in (tmp_path / "out" / "manifest.json").read_text(encoding="utf-8")
