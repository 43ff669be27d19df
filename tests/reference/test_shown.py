"""What the committed suites show, as the pages say it."""

import pytest
from committed import REFERENCE, best_score, report_runs, results_of, row_of, summary_of, table
from pages.relatives import exact

from throughtime.runners import load_curves
from throughtime.runners.literature.beside import compare
from throughtime.runners.literature.published import load_published
from throughtime.runners.literature.tables import markdown as comparison
from throughtime.runners.records.manifest import RunStore
from throughtime.runners.showing.verdicts import NOT_LEARNED

TWO_LAG = "two_lag(length=16)"
LEARNED = 0.475
STATUSES = ("done", "skipped")


class TestQuickstart:
    @pytest.mark.parametrize("algorithm", ["full", "rtrl", "online(depth=9)"])
    def test_gradients_that_reach_the_second_lag_learn_both(self, algorithm):
        results = report_runs("quickstart")
        scores = results[(results["task"] == TWO_LAG) & (results["algorithm"] == algorithm)]["test"]
        assert float(scores.mean()) < LEARNED

    @pytest.mark.parametrize("algorithm", ["readout_only", "truncated(k1=2, k2=2)"])
    def test_gradients_that_stop_before_the_first_lag_do_not(self, algorithm):
        results = report_runs("quickstart")
        scores = results[(results["task"] == TWO_LAG) & (results["algorithm"] == algorithm)]["test"]
        assert float(scores.min()) > LEARNED

    def test_thirty_five_years_do_not_decide_whether_a_network_beats_the_classical_baseline(self):
        """Its mean is the better one; on 1956-1979, in core, it is not."""
        verdicts = {row.verdict for row in table("quickstart", "sunspots").rows if row.kind == "run"}
        assert "~beats AR(9)" in verdicts
        assert "beats AR(9)" not in verdicts


class TestCore:
    def test_nine_seeds_of_every_row_are_done(self):
        assert set(report_runs("core")["status"]) == {"done"}
        assert {len(row.by_seed) for one in summary_of("core").tables for row in one.rows if row.kind == "run"} == {9}

    def test_sums_over_a_hundred_steps_need_a_gate(self):
        sums = [one for one in summary_of("core").tables if one.task == "adding(length=100)"]
        assert {one.cell for one in sums if row_of(one, "full").verdict != NOT_LEARNED} == {"gru", "lstm"}

    @pytest.mark.parametrize("length", [100, 200])
    def test_where_a_gate_keeps_what_the_gradient_does_not_reach_truncation_learns(self, length):
        cut = row_of(table("core", f"adding(length={length})", "gru"), "truncated")
        assert cut.beaten
        assert cut.difference.interval.mean > 0

    def test_over_two_hundred_steps_it_learns_less(self):
        assert row_of(table("core", "adding(length=200)", "gru"), "truncated").difference.supported


class TestForcing:
    def test_every_forcing_is_crossed_with_every_algorithm(self):
        runs = report_runs("forcing")
        done, skipped = (
            set(runs[runs["status"] == s][["task", "forcing", "algorithm"]].agg(tuple, axis=1)) for s in STATUSES
        )
        assert len(done) == 2 * (4 * 4 + 2)
        assert {row[1:] for row in skipped} == {("professor", "rtrl"), ("professor", "readout_only")}

    def test_a_free_run_is_scored_at_every_lead(self):
        store = RunStore.open(REFERENCE / "forcing")
        for group in store.manifest().groups:
            horizon = store.manifest().tasks[group.task].horizon
            records = [store.record(key) for key in group.report]
            assert {len(record.by_lead) for record in records if record.status == "done"} <= {horizon}


class TestReal:
    @pytest.mark.parametrize(("task", "least"), [("speech", 0.96), ("digits", 0.97)])
    def test_full_bptt_with_64_gru_units_classifies(self, task, least):
        assert best_score("real", task, "gru").mean >= least

    def test_text_is_learned(self):
        assert best_score("real", "text", "gru").mean < 2.4


class TestRelatives:
    def test_on_dense_cells_those_that_promise_it_are_exact(self):
        for cell in ("rnn", "leaky", "gru"):
            reaches = {"adaptive"}  # whose window is as long as most of these sequences
            assert set(exact(cell)) - reaches == {"full", "checkpointed", "rtrl", "blocked_rtrl"}

    def test_on_a_diagonal_cell_what_is_local_is_exact(self):
        of_all = {"full", "checkpointed", "rtrl", "adaptive"}  # whose windows hold all of 20 steps
        assert set(exact("lru")) == {*of_all, "snap", "eprop"}

    def test_of_two_layers_it_is_not(self):
        for cell in ("lru(layers=2)", "elstm(layers=2)"):
            assert set(exact(cell)) == {"full", "rtrl"}


class TestTruncation:
    def test_a_longer_walk_back_learns_more_until_it_holds_both_lags(self):
        runs = report_runs("truncation").query("task.str.startswith('two_lag') and cell == 'rnn'")
        scores = runs.groupby("algorithm")["test"].mean()
        one, two, four, eight, sixteen = (scores[f"truncated(k1=1, k2={k2})"] for k2 in (1, 2, 4, 8, 16))
        assert one > two > max(four, eight) > LEARNED > sixteen  # 8 steps back end one short of the second lag


class TestOnline:
    def test_each_protocol_holds_equal_what_it_says(self):
        runs = report_runs("online").query("status == 'done'")
        steps, updates, seconds = (group for _, group in runs.groupby("budget", sort=False))
        assert steps["steps"].nunique() == 1
        assert updates["updates"].nunique() == 1
        assert seconds["steps"].nunique() > 10


class TestLiterature:
    def test_what_differs_has_a_reason(self):
        found = compare(load_published(), results_of("literature"))
        rows = [row for one in found if one.setting.task for row in one.rows]
        assert {row.finding for row in rows} <= {"agrees", "differs", "not published"}
        assert all(row.published.reason for row in rows if row.finding == "differs")

    def test_rtrl_passes_the_published_score_where_the_reason_says(self):
        of_rtrl = load_curves(REFERENCE / "literature").query("task == 'add' and algorithm == 'rtrl'")
        curves = of_rtrl.groupby("steps")["metric"].mean()
        assert curves[6000] > 0.4602 > curves[12000] > curves[30000]

    def test_the_comparison_follows_from_the_runs(self):
        found = compare(load_published(), results_of("literature"))
        assert (REFERENCE / "literature" / "literature.md").read_text(encoding="utf-8") == comparison(found)


class TestInfluenceBalancing:
    """The loss of θ is ½ (6 θ + 1)²: within 1e-4 of the optimum it is below 1.8e-7."""

    @pytest.mark.parametrize("algorithm", ["rtrl", "online(depth=100)"])
    def test_gradients_that_reach_far_end_at_the_optimum(self, algorithm):
        (loss,) = report_runs("influence_balancing").query("algorithm == @algorithm")["test"]
        assert float(loss) < (6 * 1e-4) ** 2 / 2

    def test_table_of_the_truncated_gradient_turns_at_41_steps(self):
        written = (REFERENCE / "influence_balancing" / "truncated_gradient.md").read_text(encoding="utf-8")
        rows = [line.strip("|").split("|") for line in written.splitlines()[2:]]
        slopes = {int(steps): float(slope) for steps, slope, _ in rows}
        assert all((slope > 0) == (steps <= 40) for steps, slope in slopes.items())
        assert {40, 41} <= set(slopes)
        assert slopes[100] == pytest.approx(-6, abs=1e-5)

    def test_a_gradient_that_does_not_diverges(self):
        (status,) = report_runs("influence_balancing").query("algorithm == 'online(depth=10)'")["status"]
        assert status == "diverged"
