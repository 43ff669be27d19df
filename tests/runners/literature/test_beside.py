"""Published scores beside those of a suite: what agrees, what differs, and what was not run."""

import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from throughtime.networks import CELLS
from throughtime.runners import load_suite
from throughtime.runners.execution.run import run_suite
from throughtime.runners.literature.beside import Beside, Compared, compare
from throughtime.runners.literature.published import Score, Setting, load_published
from throughtime.runners.literature.tables import markdown, print_tables, write
from throughtime.runners.records.results import Results
from throughtime.runners.showing.statistics import Interval
from throughtime.runners.suite.experiment import own_cell
from throughtime.runners.suite.spelling import in_one_spelling
from throughtime.runners.suite.suite import parse_suite
from throughtime.tasks import TASKS

SUITE = """
tasks = ["add(length=20)"]
algorithms = ["truncated(k1=10, k2=10)", "readout_only"]
hidden_size = 4
batch_size = 1
optimizer = "sgd"
learning_rates = [0.03]
budget = { steps = 200 }
evaluations = 1
"""


ENDINGS = """
tasks = ["influence_balancing"]
algorithms = ["rtrl", "online(depth=10)", "readout_only"]
batch_size = 1
optimizer = "sgd"
learning_rates = [0.0001]
budget = { steps = 1000 }
evaluations = 1
dtype = "float64"
"""


@pytest.fixture(scope="module", params=[5, 2])
def results(request, tmp_path_factory, without_workers):
    """Results on five seeds, and on too few."""
    suite = parse_suite(f"seeds = {request.param}\n{SUITE}", "little", origin="little.toml")
    folder = tmp_path_factory.mktemp("little")
    with without_workers():
        run_suite(suite, folder)
    return Results.of(folder)


def setting(**changes):
    known = {
        "name": "Add",
        "source": "A paper",
        "told": "a few steps",
        "metric": "nats",
        "task": "add(length=20, a=5)",
        "cell": "rnn",
        "floors": {"both lags": 0.45, "nobody's": 0.1},
        "scores": (Score(algorithm="readout_only", score=0.7),),
    }
    return Setting(**{**known, **changes})


def ours(results, algorithm):
    runs = [run["test"] for run in results.runs.values() if run["algorithm"] == algorithm]
    return math.fsum(runs) / len(runs), results.manifest.suite.experiments[0].seeds


def test_a_score_in_the_range_of_our_runs_agrees_and_one_beyond_differs(results):
    mean, seeds = ours(results, "readout_only")
    scores = tuple(Score(algorithm="readout_only", score=one) for one in (mean, mean - 1, mean + 1))
    (found,) = compare([setting(scores=scores)], results)
    expected = ["agrees", "differs", "differs"] if seeds == 5 else ["too few seeds"] * 3
    assert [row.finding for row in found.rows] == expected
    assert {round(row.ours.mean, 9) for row in found.rows} == {round(mean, 9)}


def test_a_row_is_found_however_its_parts_are_spelt(results):
    scores = (Score(algorithm="truncated(k2=10, k1=10)", score=1.0),)
    (found,) = compare([setting(scores=scores, task="add(b=9, length=20)")], results)
    assert found.rows[0].ours is not None


def test_a_control_without_a_published_score_stands_beside_the_others(results):
    (found,) = compare([setting(scores=(Score(algorithm="readout_only"),))], results)
    assert found.rows[0].finding == "not published"
    assert found.rows[0].ours.mean == pytest.approx(ours(results, "readout_only")[0])
    assert "| readout_only | –" in markdown([found])


def test_what_is_not_among_the_results_was_not_run(results):
    for changes in ({"cell": "gru"}, {"task": "two_lag"}, {"scores": (Score(algorithm="full", score=1.0),)}):
        (found,) = compare([setting(**changes)], results)
        assert (found.rows[0].finding, found.rows[0].ours) == ("not run", None)


def with_diverged(results, count):
    """The same results, of whose runs of readout_only some diverged."""
    asked = [key for key, one in results.records.items() if one.config.algorithm.startswith("readout_only")]
    lost = {key: results.records[key].model_copy(update={"status": "diverged", "test": None}) for key in asked[:count]}
    return replace(results, records=results.records | lost)


def test_runs_of_ours_that_diverge_are_told(results):
    scores = (Score(algorithm="readout_only", score=0.7),)
    (found,) = compare([setting(scores=scores)], with_diverged(results, 1))
    seeds = results.manifest.suite.experiments[0].seeds
    assert (found.rows[0].diverged, found.rows[0].ours.n) == (1, seeds - 1)
    assert f"; 1 of {seeds} diverged" in markdown([found])


def test_where_all_of_ours_diverge_a_published_score_differs(results):
    seeds = results.manifest.suite.experiments[0].seeds
    (found,) = compare([setting()], with_diverged(results, seeds))
    assert (found.rows[0].finding, found.rows[0].ours) == ("differs", None)
    assert f"| {seeds} of {seeds} diverged" in markdown([found])


@pytest.fixture(scope="module")
def endings(tmp_path_factory, without_workers):
    """Results of a task on which one algorithm converges, one stays and one diverges, on one seed."""
    folder = tmp_path_factory.mktemp("endings")
    with without_workers():
        run_suite(parse_suite(f"seeds = 1\n{ENDINGS}", "endings", origin="endings.toml"), folder)
    return Results.of(folder)


@pytest.mark.parametrize(
    ("algorithm", "ends", "shown"),
    [
        ("rtrl", "converges", "1.6e-05 [1.6e-05, 1.6e-05]"),
        ("readout_only", None, "8.0000 [8.0000, 8.0000]"),
        ("online(depth=10)", "diverges", "1 of 1 diverged"),
    ],
)
def test_how_training_ended_agrees_where_ours_ends_so_on_all_seeds(algorithm, ends, shown, endings):
    scores = tuple(Score(algorithm=algorithm, score=one) for one in ("converges", "diverges"))
    (found,) = compare([setting(task="influence_balancing", cell="linear", scores=scores)], endings)
    assert {row.published.score: row.finding for row in found.rows} == {
        one: "agrees" if one == ends else "differs" for one in ("converges", "diverges")
    }
    assert f"| {ends or 'converges'}" in markdown([found])
    assert shown in markdown([found])


def test_ours_that_diverge_differ_from_a_published_score(endings):
    scores = (Score(algorithm="online(depth=10)", score=0.5),)
    (found,) = compare([setting(task="influence_balancing", cell="linear", scores=scores)], endings)
    assert (found.rows[0].finding, found.rows[0].diverged, found.rows[0].ours) == ("differs", 1, None)


def test_floors_stand_beside_the_published_ones(results):
    (found,) = compare([setting()], results)
    assert found.floors == {"both lags": pytest.approx(0.45445, abs=1e-5)}
    text = markdown([found])
    assert "| both lags    | 0.4500" in text
    assert "| nobody's     | 0.1000" in text


def test_a_difference_is_told_with_its_reason(results):
    scores = (Score(algorithm="readout_only", score=9.0, reason="theirs is of another planet"),)
    found = compare([setting(scores=scores), setting(task="", obstacle="it takes a year")], results)
    text = markdown(found)
    few = results.manifest.suite.experiments[0].seeds < 5
    assert ("readout_only: theirs is of another planet." in text) is not few
    assert "Not run here: it takes a year." in text
    assert write(results.store.directory, found).read_text(encoding="utf-8") == text


def test_so_is_one_that_a_run_reaches_and_the_mean_does_not():
    def told(score, finding="agrees", reason="ours still learns"):
        published = Score(algorithm="full", score=score, reason=reason)
        row = Beside(published, Interval(1.0, 0.9, 1.1, 8), Interval(1.0, 0.5, 1.5, 8), 0, finding)
        return markdown([Compared(setting(scores=(published,)), (row,), {})])

    note = "full: agrees with a run of ours, and not with their mean: ours still learns."
    assert note in told(1.3)
    assert "ours still learns" not in told(1.05)
    assert "no reason" not in told(1.3, reason="")
    assert "full: ours still learns." in told(2.0, "differs")


def printed(found, **terminal):
    screen = io.StringIO()
    print_tables(found, Console(file=screen, width=200, **terminal))
    return screen.getvalue()


def test_a_log_gets_the_markdown():
    found = compare([setting()], None)
    assert printed(found, force_terminal=False) == markdown(found) + "\n"


def test_a_terminal_gets_drawn_tables():
    text = printed(compare([setting(obstacle="it takes a year")], None), force_terminal=True, color_system=None)
    assert "━" in text
    assert "| " not in text
    for words in ("Add: nats", "readout_only", "A paper. rnn; a few steps.", "Not run here: it takes a year."):
        assert words in text


def test_without_results_all_of_it_is_published_alone():
    found = compare(load_published(), None)
    assert {row.finding for one in found for row in one.rows} == {"not run"}


def test_every_setting_with_a_task_is_in_the_suite():
    """And what is not has an obstacle."""
    rows = {(group.task, group.cell, group.algorithm) for group in load_suite("literature").groups()}
    for one in load_published():
        assert bool(one.task) != bool(one.obstacle)
        if one.task:
            task = in_one_spelling(TASKS, one.task)
            cell = own_cell(task) or in_one_spelling(CELLS, one.cell)
            assert {(task, cell, score.algorithm) for score in one.scores} <= rows


def test_the_command_shows_published_scores_and_says_how_to_make_ours(throughtime_here, tmp_path):
    ended = throughtime_here("literature", cwd=tmp_path)
    assert ended.returncode == 0
    assert "0.4602" in ended.stdout
    assert "throughtime run literature makes them" in ended.stdout
    ended = throughtime_here("literature", "nowhere", cwd=tmp_path)
    assert ended.returncode == 2
    assert "nowhere" in ended.stderr


def test_the_command_writes_the_comparison(results, throughtime_here, tmp_path):
    ended = throughtime_here("literature", results.store.directory, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert (
        (results.store.directory / "literature.md").read_text(encoding="utf-8").startswith("A published score agrees")
    )
