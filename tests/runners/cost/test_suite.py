"""Cost suites: what ships, what a file may say, and what is said of a mistake."""

import pytest
from typer.testing import CliRunner

from throughtime.runners.commands.cli import app
from throughtime.runners.cost.suite import cost_suite_names, load_cost_suite

MISTAKES = {
    "unknown algorithm": ('"rtrl"', '"rtlr"', ["no algorithm is called 'rtlr'", "did you mean 'rtrl'?"]),
    "unknown cell": ('["rnn"]', '["gnu"]', ["no cell is called 'gnu'", "did you mean 'gru'?"]),
    "unknown field": ("rounds = 3", "round = 3", ["unknown field 'round'", "did you mean 'rounds'?"]),
    "field in a sweep": ("length = [3,", "lenght = [3,", ["sweep 1", "'lenght'", "did you mean 'length'?"]),
    "two lists": ("batch_size = 2", "batch_size = [2, 3]", ["sweep 1", "exactly one of", "length and batch_size"]),
    "no list": ("length = [3, 4, 5, 6]", "length = 3", ["exactly one of length, hidden_size", "got no list"]),
    "size of 0": ("[3, 4, 5, 6]", "[0, 4]", ["length.0", "greater than 0", "got 0"]),
    "size twice": ("[3, 4, 5, 6]", "[4, 4]", ["length", "4 is listed twice"]),
    "text for a size": ("hidden_size = 4", 'hidden_size = "4"', ["hidden_size", "must be a list", 'got "4"']),
    "truth for a size": ("hidden_size = 4", "hidden_size = true", ["hidden_size", "valid integer", "got true"]),
    "missing size": ("batch_size = 2", "", ["lacks the field 'batch_size'"]),
    "no algorithm": ('["full", "rtrl"]', "[]", ["algorithms", "must list at least one"]),
    "sweeps as a list": ("[[sweeps]]\nlength", "sweeps = 3\nlength", ["must be written as [[sweeps]] tables"]),
    "malformed TOML": ("rounds = 3", "rounds = = 3", ["is not valid TOML", "line 8"]),
}


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """Call the command line and expect a refusal that writes nothing: the message is returned."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        before = sorted(tmp_path.rglob("*"))
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == 2, result.output
        assert sorted(tmp_path.rglob("*")) == before, "something was written"
        return result.stderr

    return call


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_in_a_cost_suite(refused, cost_file, mistake):
    old, new, expected = MISTAKES[mistake]
    if mistake == "sweeps as a list":
        path = cost_file()
        path.write_text("sweeps = 3\n" + path.read_text().split("[[sweeps]]")[0])
    else:
        path = cost_file(old, new)
    message = refused("cost", path, "--out", "out")
    for part in expected:
        assert part in message


def test_unknown_cost_suite(refused):
    assert "no cost suite is called 'costs'; did you mean 'cost'? There is: cost" in refused("cost", "costs")
    assert "there is no cost suite file 'nowhere.toml'" in refused("cost", "nowhere.toml")


def test_run_says_who_measures_a_cost_suite(refused):
    assert "`throughtime cost cost` measures it" in refused("run", "cost")


def test_unwritable_directory(refused, tmp_path, cost_file):
    assert "results can't be written to '/proc/out'" in refused("cost", cost_file(), "--out", "/proc/out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    assert "holds no throughtime costs (there is 'thesis.txt')" in refused("cost", cost_file(), "--out", "mine")
    assert "is a file" in refused("cost", cost_file(), "--out", "mine/thesis.txt")


def test_results_of_another_kind_are_left_alone(refused, tmp_path, cost_file):
    for command, other in (("cost", "manifest.json"), ("run", "cost.json")):
        folder = tmp_path / command
        folder.mkdir()
        (folder / other).write_text("{}")
        (folder / ".lock").touch()
        assert f"there is '{other}'" in refused(command, "smoke" if command == "run" else cost_file(), "--out", folder)


def test_costs_of_another_version(refused, tmp_path, cost_file):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cost.json").write_text('{"format": 99, "version": "9.9"}')
    assert "costs of format 99, written by throughtime 9.9; this" in refused("cost", cost_file(), "--out", "out")


@pytest.mark.parametrize("words", [[], ["--peers"]], ids=["suite", "peers"])
def test_cuda_without_a_gpu(refused, cost_file, monkeypatch, words):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    message = refused("cost", cost_file(), *words, "--device", "cuda")
    assert ("--peers compares on one CPU thread" if words else "no CUDA GPU on this machine") in message


@pytest.mark.parametrize("name", cost_suite_names())
def test_what_ships_has_enough_sizes_for_an_exponent_and_is_told_of(name):
    for sweep in load_cost_suite(name).sweeps:
        assert len(sweep.sizes(sweep.axis)) >= 4
    listed = CliRunner().invoke(app, ["list"]).output
    assert f"\n  {name:<44}{load_cost_suite(name).title}" in listed
    described = CliRunner().invoke(app, ["describe", name]).output
    assert f"measure it: throughtime cost {name}" in described


def test_a_sweep_overrides_what_stands_at_the_top(cost_file):
    first, second = load_cost_suite(cost_file()).sweeps
    assert (first.axis, first.held, first.algorithms) == ("length", "n = 4, B = 2", ("full", "rtrl"))
    assert (second.axis, second.held, second.algorithms) == ("hidden_size", "T = 3, B = 2", ("full",))
    assert [(p.length, p.hidden_size) for p in second.points("rnn", "full", "cpu")] == [(3, 2), (3, 3), (3, 4)]
