"""Where nothing could be tuned nothing is reported on: the row says so, and the next call tries again."""

import pytest

from throughtime.runners import load_results, run_suite
from throughtime.runners.execution.job import RunJob
from throughtime.runners.execution.run import plan_suite
from throughtime.runners.records.manifest import RunStore
from throughtime.runners.showing.summary import summarise
from throughtime.runners.showing.tables import markdown, short_markdown

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture
def tuned(suite_file):
    """A suite that tunes."""
    return suite_file(replace={"[0.01]": "[0.01, 0.02]"})


@pytest.fixture
def breaking(monkeypatch):
    """Make runs break of which a function says so; every run that is begun is kept count of."""
    begun = []
    real = RunJob.execute

    def use(breaks):
        def execute(job, record, note):
            begun.append(job.config)
            if breaks(job.config):
                raise ZeroDivisionError("no such luck")
            real(job, record, note)

        monkeypatch.setattr(RunJob, "execute", execute)
        return begun

    return use


def of_full(config):
    return config.purpose == "tuning" and config.algorithm == "full"


def test_a_row_whose_tuning_broke_is_not_reported_on(tuned, tmp_path, breaking):
    begun = breaking(of_full)
    summary = run_suite(tuned, tmp_path / "out")
    assert summary.statuses == {"error": 2, "done": 2}
    assert summary.failed == 2 + 2
    assert not [config for config in begun if config.algorithm == "full" and config.purpose == "report"]
    results = load_results(tmp_path / "out")
    reported = results[(results["algorithm"] == "full") & (results["purpose"] == "report")]
    assert list(reported["status"]) == ["error", "error"]
    assert set(reported["reason"]) == {
        "tuning failed: 2 of its 2 runs broke, the first by error: ZeroDivisionError: no such luck"
    }
    shown = summarise(tmp_path / "out")
    (row,) = [row for row in shown.tables[0].rows if row.name == "full"]
    assert (row.score, row.choice, row.statuses) == (None, None, {"error": 2})
    assert "tuning failed: 2 of its 2 runs broke" in markdown(shown)
    assert "2 error" in short_markdown(shown)


def test_errors_of_tuning_are_tried_again_before_a_row_is_given_up(tuned, tmp_path, breaking):
    broken = []

    def once(config):
        first = of_full(config) and config not in broken
        broken.extend([config] if first else [])
        return first

    breaking(once)
    summary = run_suite(tuned, tmp_path / "out")
    assert len(broken) == 2
    assert (summary.statuses, summary.failed) == ({"done": 4}, 0)


def test_the_next_call_completes_it(tuned, tmp_path, breaking, monkeypatch):
    with monkeypatch.context():
        breaking(of_full)
        run_suite(tuned, tmp_path / "out")
    assert plan_suite(tuned, tmp_path / "out").again == 2
    breaking(lambda config: False)
    summary = run_suite(tuned, tmp_path / "out")
    assert (summary.executed, summary.statuses, summary.failed) == (4, {"done": 4}, 0)
    assert set(load_results(tmp_path / "out")["status"]) == {"done"}


def test_a_finished_run_of_another_row_is_left_alone(suite_file, tmp_path, breaking):
    """The first choice of the row that fails is what another experiment reports on."""
    both = (
        '[[experiments]]\ntasks = ["two_lag(length=16)"]\nalgorithms = ["full"]\n\n'
        '[[experiments]]\nalgorithms = ["full"]\nlearning_rates = [0.01, 0.02]'
    )
    path = suite_file(replace={"[[experiments]]": both})
    breaking(of_full)
    assert run_suite(path, tmp_path / "out").statuses == {"done": 2, "error": 2}
    again = run_suite(path, tmp_path / "out")
    assert again.statuses == {"done": 2, "error": 2}
    assert again.cached == 2


def test_one_choice_that_worked_is_chosen_and_the_broken_ones_are_told(tuned, tmp_path, breaking):
    breaking(lambda config: of_full(config) and config.learning_rate == 0.01)
    summary = run_suite(tuned, tmp_path / "out")
    assert (summary.statuses, summary.failed) == ({"done": 4}, 1)
    (group,) = [one for one in RunStore.open(tmp_path / "out").manifest().groups if one.algorithm == "full"]
    assert group.choice.learning_rate == 0.02


def test_what_diverged_beside_what_broke_is_no_choice(suite_file, tmp_path, breaking):
    replaced = {"[0.01]": "[0.01, 1e6]", 'algorithms = ["full", "readout_only"]': 'algorithms = ["full"]'}
    path = suite_file(replace={**replaced, "seeds = 2": 'seeds = 2\noptimizer = "sgd"'})
    breaking(lambda config: config.purpose == "tuning" and config.learning_rate == 0.01)
    assert run_suite(path, tmp_path / "out").statuses == {"error": 2}
    assert "1 of its 2 runs broke" in load_results(tmp_path / "out").query("purpose == 'report'")["reason"].iloc[0]


def test_where_all_diverged_the_smallest_rate_stands_for_them(suite_file, tmp_path):
    replaced = {"[0.01]": "[1e6, 2e6]", 'algorithms = ["full", "readout_only"]': 'algorithms = ["full"]'}
    summary = run_suite(suite_file(replace={**replaced, "seeds = 2": 'seeds = 2\noptimizer = "sgd"'}), tmp_path / "out")
    assert (summary.statuses, summary.failed) == ({"diverged": 2}, 2)
