"""Two suites of one name do not share a directory; a suite that is edited keeps its own."""

import json
import re
import shutil
import sys

import pytest

from throughtime.parts import BadInput
from throughtime.runners.cost.grid import CostRunner
from throughtime.runners.execution import local
from throughtime.runners.execution.run import plan_suite, run_suite
from throughtime.runners.records.manifest import RunStore
from throughtime.runners.suite.suite import load_suite, parse_suite

SUITE = """
tasks = ["two_lag(length=16)"]
algorithms = ["full", "readout_only"]
hidden_size = 4
batch_size = 4
learning_rates = [0.01]
budget = { steps = 64 }
evaluations = 2
seeds = 1
"""

COSTS = "algorithms = ['full', 'rtrl']\ncells = ['rnn']\nlength = [2, 3]\nhidden_size = 2\nbatch_size = 2\nrounds = 3\n"

OTHER = {
    "other algorithms": ("readout_only", "rtrl"),
    "fewer algorithms": (', "readout_only"', ""),
    "another task": ("length=16", "length=12"),
    "another budget": ("steps = 64", "steps = 80"),
}


@pytest.fixture(autouse=True)
def _nothing_runs(monkeypatch, tmp_path):
    """What matters is the manifest; and results go below the test's folder."""
    monkeypatch.setattr(local, "execute", lambda jobs, **rest: (job.ended("skipped", "by a test") for job in jobs))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def write(tmp_path):
    """Write a suite called mine into a folder, with a replacement, and give its path."""

    def to(folder, old="", new="", text=SUITE):
        assert old in text
        path = tmp_path / folder / "mine.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace(old, new), encoding="utf-8")
        return path

    return to


def algorithms(directory="results/runs/mine"):
    return [group.algorithm for group in RunStore.open(directory).manifest().groups]


@pytest.mark.parametrize("what", OTHER)
def test_another_file_of_the_name_is_refused(write, what):
    run_suite(write("a"))
    match = r"holds the results of another suite of this name, .*a/mine.toml; .* would vanish, such as .*--out"
    for act in (run_suite, plan_suite):
        with pytest.raises(BadInput, match=match):
            act(write("b", *OTHER[what]))
    assert algorithms() == ["full", "readout_only"]
    run_suite(write("b", *OTHER[what]), "elsewhere")


@pytest.mark.parametrize("what", OTHER)
def test_ones_own_suite_is_edited_and_run_again(write, what):
    run_suite(write("a"))
    run_suite(write("a", *OTHER[what]))
    assert len(algorithms()) == (1 if what == "fewer algorithms" else 2)


def test_a_file_that_was_moved_goes_on_and_may_add(write, tmp_path):
    run_suite(write("a"))
    (tmp_path / "a" / "mine.toml").unlink()
    run_suite(write("b", '"readout_only"', '"readout_only", "rtrl"'))
    run_suite(write("b"))  # which is its own file now
    assert algorithms() == ["full", "readout_only"]


def test_a_folder_that_was_moved_with_its_results_goes_on(write, tmp_path):
    run_suite(write("a"), "a/out")
    shutil.move(tmp_path / "a", tmp_path / "elsewhere")
    run_suite(write("elsewhere", *OTHER["fewer algorithms"]), "elsewhere/out")
    assert algorithms("elsewhere/out") == ["full"]


def test_the_manifest_names_no_home(write, tmp_path):
    run_suite(write("a"))
    text = (tmp_path / "results" / "runs" / "mine" / "manifest.json").read_text(encoding="utf-8")
    assert json.loads(text)["file"] == "../../../a/mine.toml"
    assert str(tmp_path) not in text


def test_a_file_with_a_built_in_suites_name_is_refused(write, tmp_path):
    run_suite("smoke")
    file = write("a").rename(tmp_path / "smoke.toml")
    with pytest.raises(BadInput, match="comes from no file: a built-in one"):
        run_suite(file)
    run_suite(file, "mine")
    with pytest.raises(BadInput, match=re.escape("smoke.toml; 2 of its rows would vanish")):
        run_suite("smoke", "mine")


def test_a_suite_made_in_python_is_edited_too(write):
    suite = parse_suite(SUITE, "mine", origin="here")
    run_suite(suite)
    run_suite(parse_suite(SUITE.replace(*OTHER["other algorithms"]), "mine", origin="here"))
    with pytest.raises(BadInput, match="would vanish"):
        run_suite(load_suite(write("a")))


def test_two_scripts_that_make_suites_of_one_name_do_not_share_a_directory(monkeypatch):
    other = parse_suite(SUITE.replace(*OTHER["other algorithms"]), "mine", origin="here")
    script = sys.modules["__main__"]
    monkeypatch.setattr(script, "__file__", "one.py", raising=False)
    run_suite(parse_suite(SUITE, "mine", origin="here"))
    monkeypatch.setattr(script, "__file__", "another.py")
    with pytest.raises(BadInput, match=r"comes from the file .*/one\.py; 1 of its rows would vanish"):
        run_suite(other)
    run_suite(other, "elsewhere")
    monkeypatch.setattr(script, "__file__", "one.py")
    run_suite(other)  # the same one, edited


def test_cost_suites_are_held_to_the_same(write):
    def measure(path):
        runner = CostRunner(path, None, device="cpu")
        with runner.store.locked():
            runner.run()

    measure(write("a", "'full', 'rtrl'", "'full'", text=COSTS))
    measure(write("a", "'full', 'rtrl'", "'readout_only'", text=COSTS))
    for old, new in (("'full', 'rtrl'", "'full'"), ("[2, 3]", "[2, 4]")):
        with pytest.raises(BadInput, match=r"holds the costs of another suite of this name, .*a/mine.toml"):
            measure(write("b", old, new, text=COSTS))
