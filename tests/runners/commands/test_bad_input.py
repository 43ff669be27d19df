"""A mistake gets one message that says what was given and what is allowed, exit code 2, and nothing is written."""

import json
import os

import pytest
from typer.testing import CliRunner

from throughtime.runners.commands.cli import app

# what is replaced in the tiny suite, by what, and what the message must say
MISTAKES = {
    "unknown task": ('"two_lag(length=16)"', '"two_lags"', ["no task is called 'two_lags'", "did you mean 'two_lag'?"]),
    "unknown cell": ("seeds = 2", 'seeds = 2\ncells = ["gnu"]', ["no cell is called 'gnu'", "did you mean 'gru'?"]),
    "unknown algorithm": ('"full"', '"rtlr"', ["no algorithm is called 'rtlr'", "did you mean 'rtrl'?", "stochastic"]),
    "unknown parameter": ('"full"', '"truncated(k1=1, k3=2)"', ["no parameter 'k3'", "did you mean 'k2'?"]),
    "missing parameter": ('"full"', '"truncated(k1=1)"', ["needs a value for 'k2'"]),
    "mistyped parameter": ('"full"', "\"truncated(k1='a', k2=2)\"", ["k1='a' is not allowed", "integer"]),
    "positional parameter": ('"full"', '"truncated(1, 2)"', ["a value without a name", "truncated(k1=5, k2=20)"]),
    "code in a spec": ('"full"', '"truncated(k1=print(1), k2=2)"', ["k1=print(1) is not a number"]),
    "k2 < k1": ('"full"', '"truncated(k1=3, k2=2)"', ["k2 must be at least k1", "k1=3, k2=2"]),
    "k1 < 1": ('"full"', '"truncated(k1=0, k2=2)"', ["k1 must be at least 1, got 0"]),
    "negative length": ("length=16", "length=-1", ["length must exceed the longer lag, 8; got -1"]),
    "empty grid": ("[0.01]", "[]", ["learning_rates", "must list at least one"]),
    "negative learning rate": ("[0.01]", "[-0.1]", ["learning_rates", "greater than 0", "-0.1"]),
    "zero seeds": ("seeds = 2", "seeds = 0", ["seeds", "greater than 0", "got 0"]),
    "zero budget": ("steps = 64", "steps = 0", ["budget.steps", "greater than 0"]),
    "two budgets": ("steps = 64", "steps = 64, updates = 3", ["exactly one of steps, updates, seconds"]),
    "unknown field": ("seeds = 2", "seed = 2", ["unknown field 'seed'", "did you mean 'seeds'?"]),
    "unknown optimizer": ("seeds = 2", 'optimizer = "adm"', ["optimizer", "must be 'sgd' or 'adam'", 'got "adm"']),
    "a word for a ladder misspelt": (
        "[0.01]",
        '"automatic"',
        ["learning_rates: must be a list, such as [0.003, 0.01], or a word; did you mean 'auto'?", 'got "automatic"'],
    ),
    "a ladder that starts between its rates": (
        "[0.01]",
        "{ start = 0.002 }",
        ["learning_rates: start must be 1 or 3 times a power of ten, such as 0.003; got { start = 0.002,"],
    ),
    "a ladder without a rate above its start": (
        "[0.01]",
        "{ start = 0.01, most = 0.02 }",
        ["learning_rates: least and most must leave a rate on either side of start"],
    ),
    "a ladder's field misspelt": (
        "[0.01]",
        "{ strat = 0.01 }",
        ["unknown field 'learning_rates.strat'", "did you mean 'start'"],
    ),
    "a ladder that starts with a word": (
        "[0.01]",
        '{ start = "low" }',
        ["learning_rates.start: must be a valid number", 'got "low"'],
    ),
    "a ladder on one seed": (
        "learning_rates = [0.01]",
        'learning_rates = "auto"\ntuning_seeds = 2',
        ['tuning_seeds: must be at least 3 where learning_rates is "auto" or a table', "got 2"],
    ),
    "a word in a list of rates": ("[0.01]", '[0.01, "x"]', ["learning_rates.1: must be a valid number", 'got "x"']),
    "missing field": ("learning_rates = [0.01]", "", ["lacks the field 'learning_rates'"]),
    "no algorithm": ('["full", "readout_only"]', "[]", ["algorithms", "must list at least one"]),
    "one forcing": (
        "batch_size = 4",
        'batch_size = 4\nforcing = "free"',
        ["forcing", 'must be a list, such as ["free"]'],
    ),
    "forcing misspelt": ("batch_size = 4", 'batch_size = 4\nforcing = ["teachr"]', ["did you mean 'teacher'"]),
    "algorithm twice": ('"readout_only"', '"full"', ["algorithms", "'full' is listed twice"]),
    "text for a number": ("seeds = 2", 'seeds = "2"', ["seeds", "valid integer", 'got "2"']),
    "truth for a number": ("seeds = 2", "seeds = true", ["seeds", "valid integer", "got true"]),
    "infinite learning rate": ("[0.01]", "[inf]", ["learning_rates", "finite number"]),
    "a word of another kind in a table": (
        "steps = 64",
        "step = 64",
        ["unknown field 'budget.step'", "did you mean 'steps'"],
    ),
    "a number in place of a list": ("[0.01]", "0.01", ["learning_rates: must be a list, such as [0.01]; got 0.01"]),
    "a number in place of a table": (
        "budget = { steps = 64 }",
        "budget = 64",
        ["budget: must be a table, such as { steps = 1000 }; got 64"],
    ),
    "a cell with a parameter of another": (
        "seeds = 2",
        'seeds = 2\ncells = ["rnn(leak=0.1)"]',
        ["cell 'rnn' has no parameter 'leak'", "There is: sparsity, init, gain, layers"],
    ),
    "a cell with a size of its own": (
        "seeds = 2",
        'seeds = 2\ncells = ["rnn(hidden_size=3)"]',
        ["cell 'rnn': hidden_size is its network's to give, not its spec's"],
    ),
    "a cell that another size would suit": (
        "hidden_size = 4",
        'hidden_size = 3\ncells = ["lru"]',
        ["cell 'lru': a unit's state is 2 numbers: hidden_size must be a multiple; got 3"],
    ),
    "a cell in two spellings": (
        "seeds = 2",
        'seeds = 2\ncells = ["leaky", "leaky(leak=0.5)"]',
        ["cells: 'leaky' and 'leaky(leak=0.5)' are one cell in two spellings; list it once: leaky"],
    ),
    "malformed TOML": ("seeds = 2", "seeds = = 2", ["is not valid TOML", "line 8"]),
}


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """Call the command line in this process, and expect a refusal: the message is returned."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        before = sorted(tmp_path.rglob("*"))
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == 2, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert "Traceback" not in result.output
        assert sorted(tmp_path.rglob("*")) == before, "something was written"
        return result.stderr

    return call


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_in_a_suite(refused, suite_file, mistake):
    old, new, expected = MISTAKES[mistake]
    message = refused("run", suite_file(replace={old: new}), "--out", "out")
    for part in expected:
        assert part in message


def test_unknown_suite(refused):
    message = refused("run", "quikstart")
    assert "did you mean 'quickstart'? There is: core, forcing, influence_balancing, literature" in message


def test_missing_suite_file(refused):
    message = refused("run", "nowhere.toml")
    assert "there is no suite file 'nowhere.toml'; built-in suites: core, forcing, influence_balancing" in message


def test_suite_file_that_is_not_text(refused, tmp_path):
    (tmp_path / "suite.toml").write_bytes(b"\xff\xfe\x00")
    assert "'suite.toml' can't be read as UTF-8 text" in refused("run", "suite.toml")


def test_filter_given_twice(refused):
    message = refused("run", "smoke", "--only", "algorithm=rtrl", "--only", "algorithm=full")
    assert "--only algorithm=… is given twice" in message


def test_filter_without_value(refused):
    assert "write AXIS=NAME" in refused("run", "smoke", "--only", "algorithm")


def test_filter_on_unknown_axis(refused):
    assert "did you mean 'algorithm'?" in refused("run", "smoke", "--only", "algoritm=full")


def test_filter_that_matches_nothing(refused):
    assert "nothing in the suite has algorithm=rtlr; did you mean 'rtrl'?" in refused(
        "run", "smoke", "--only", "algorithm=rtlr"
    )


def test_no_workers(refused):
    assert "greater than or equal to 1" in refused("run", "smoke", "--workers", "0")


def test_cuda_without_a_gpu(refused, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "no CUDA GPU on this machine; use --device cpu" in refused("run", "smoke", "--device", "cuda")


def test_unknown_device(refused):
    assert "device must be cpu or cuda, got 'gpu'" in refused("run", "smoke", "--device", "gpu")


def test_results_directory_that_is_a_file(refused, tmp_path):
    (tmp_path / "out").write_text("mine")
    assert "'out' is a file" in refused("run", "smoke", "--out", "out")


def test_results_directory_with_something_else_in_it(refused, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    message = refused("run", "smoke", "--out", "out")
    assert "holds no throughtime results (there is 'thesis.txt')" in message


def test_unwritable_results_directory(refused, tmp_path, monkeypatch):
    locked = tmp_path / "locked"
    locked.mkdir()
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != str(locked) and real(path, mode))
    message = refused("run", "smoke", "--out", locked / "out")
    assert "can't be written" in message
    assert "no permission" in message


def test_unwritable_file_system(refused):
    assert "results can't be written to '/proc/out'" in refused("run", "smoke", "--out", "/proc/out")


@pytest.mark.parametrize("command", [["run", "smoke", "--out"], ["table"], ["plot"]], ids=lambda words: words[0])
def test_results_of_another_version(refused, tmp_path, command):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text(json.dumps({"format": 99, "version": "9.9"}))
    message = refused(*command, "out")
    assert "format 99, written by throughtime 9.9; this version reads format 3" in message


@pytest.mark.parametrize("command", ["table", "plot"])
def test_directory_without_results(refused, tmp_path, command):
    assert "there is no directory 'nowhere'" in refused(command, "nowhere")
    assert "holds no throughtime results" in refused(command, tmp_path)


def test_unknown_name_to_describe(refused):
    assert "nothing is called 'truncate'; did you mean 'truncated'?" in refused("describe", "truncate")


def test_unknown_command(refused):
    assert "Did you mean 'run'?" in refused("runn")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_no_message_speaks_pydantics_words(refused, suite_file, mistake):
    old, new, _ = MISTAKES[mistake]
    message = refused("run", suite_file(replace={old: new}), "--out", "out")
    for words in ("Value error", "instance of", "Input should", "dictionary"):
        assert words not in message


def test_a_suite_file_may_shout(suite_file, monkeypatch, tmp_path):
    suite_file().rename(tmp_path / "SUITE.TOML")
    result = CliRunner().invoke(app, ["run", str(tmp_path / "SUITE.TOML"), "--out", str(tmp_path / "o"), "--dry-run"])
    assert result.exit_code == 0, result.output
