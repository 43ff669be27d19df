"""What a plugin does to the process at its import changes no other part's runs, nor the parent."""

import random
import sys

import numpy as np
import pytest
import torch

from throughtime.algorithms import make_algorithm
from throughtime.parts import BadInput, Broken
from throughtime.parts.process import changed, state
from throughtime.runners import load_results, run_suite
from throughtime.runners.execution.plan import make_plan
from throughtime.runners.suite import plugins
from throughtime.runners.suite.plugins import load_plugin, load_plugins, loaded
from throughtime.runners.suite.suite import parse_suite
from throughtime.runners.training import train  # noqa: F401 (as in a worker: what is loaded can be compared)
from throughtime.runners.verify.run import Part

MINE = "from throughtime.algorithms.full import Full\n\n\nclass {name}(Full):\n    pass\n"

MEDDLING = {
    "grad mode": "torch.set_grad_enabled(False)",
    "dtype": "torch.set_default_dtype(torch.float64)",
    "device": "torch.set_default_device('meta')",
    "inference mode": "kept = torch.inference_mode()\nkept.__enter__()",
    "torch's seed": "torch.manual_seed(7)",
    "numpy's seed": "np.random.seed(7)",
    "Python's seed": "random.seed(7)",
    "threads": "torch.set_num_threads(torch.get_num_threads() + 1)",
    "determinism": "torch.use_deterministic_algorithms(True)",
    "matrix products": "torch.set_float32_matmul_precision('medium')",
    "denormals": "torch.set_flush_denormal(True)",
    "cuDNN": "torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark",
    "anomalies": "torch.autograd.set_detect_anomaly(True)",
    "numpy's errors": "np.seterr(all='raise')",
    "recursion": "sys.setrecursionlimit(5000)",
    "folder": "os.chdir('..')",
    "environment": "os.environ['MINE'] = '1'\nos.environ.pop('PATH', None)",
    "warnings": "warnings.simplefilter('ignore')",
    "figures": "import matplotlib\nmatplotlib.rcParams['font.size'] = 3.0",
    "collector": "import gc\ngc.disable()",
    "signals": "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)",
}

REPLACING = {
    "torch.Tensor.backward": "torch.Tensor.backward = None",
    "torch.Tensor.add": "torch.Tensor.add = lambda *a: None",
    "torch.nn.functional.cross_entropy": "torch.nn.functional.cross_entropy = lambda *a, **k: 0",
    "torch.optim.adam.Adam.step": "torch.optim.Adam.step = lambda *a: None",
    "math.isfinite": "import math\nmath.isfinite = lambda x: True",
    "throughtime.tasks.two_lag.TwoLag.sample": (
        "from throughtime.tasks.two_lag import TwoLag\nTwoLag.sample = lambda *a, **k: None"
    ),
    "throughtime.runners.training.train.DIVERGED_FACTOR": (
        "from throughtime.runners.training import train\ntrain.DIVERGED_FACTOR = 0"
    ),
}

IMPORTS = "import os, random, sys, warnings\nimport numpy as np\nimport torch\n"

TINY = """
tasks = ["two_lag(length=16)"]
algorithms = ["first", "second"]
hidden_size = 4
batch_size = 4
learning_rates = [0.01]
budget = { steps = 64 }
evaluations = 1
seeds = 1
deadline = 60
"""


@pytest.fixture(autouse=True)
def _nothing_stays():
    yield
    plugins.forget()


@pytest.fixture
def write(tmp_path):
    """Write a file, which has one algorithm of the file's name by default, and give its path."""

    def to(name, text="", folder="plugins"):
        path = tmp_path / folder / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{IMPORTS}{text}\n{MINE.format(name=name.capitalize())}", encoding="utf-8")
        return path

    return to


@pytest.mark.parametrize("what", MEDDLING)
def test_what_an_import_changes_is_put_back(write, what, monkeypatch):
    monkeypatch.chdir(write("first").parent)
    before = state()
    load_plugin(write("first", MEDDLING[what]))
    assert changed(before) == []


@pytest.mark.parametrize("what", MEDDLING)
def test_what_a_constructor_changes_is_put_back(write, what):
    body = "".join(f"        {line}\n" for line in MEDDLING[what].split("\n"))
    path = write("first")
    path.write_text(path.read_text().replace("    pass\n", f"    def __init__(self):\n{body}"))
    load_plugin(path)
    before = state()
    make_algorithm("first")
    assert changed(before) == []


def test_the_settings_are_really_read():
    before = state()
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002 (what a plugin may use)
    assert {"numpy's random state", "Python's random state"} <= set(changed(before))


@pytest.mark.parametrize("name", REPLACING)
def test_what_an_import_replaces_is_put_back_and_refused(write, name):
    with pytest.raises(Broken, match=rf"replaced {name}, which every other part computes with; it was put back"):
        load_plugin(write("first", REPLACING[name]))
    assert not loaded()
    weights = torch.ones(2, requires_grad=True)
    torch.nn.functional.cross_entropy(weights.add(1.0), torch.tensor(0)).backward()
    assert weights.grad is not None


def test_what_a_library_replaces_in_itself_is_its_own_affair(write):
    load_plugin(write("first", "import torch._dynamo, torch.utils.data, pandas, seaborn"))


def test_a_failing_import_is_undone_too(write):
    before = state()
    with pytest.raises(Broken, match="ZeroDivisionError"):
        load_plugin(write("first", "torch.set_grad_enabled(False)\nos.chdir('..')\n1 / 0"))
    assert changed(before) == []


def suite(algorithms='["first", "second"]'):
    return parse_suite(TINY.replace('["first", "second"]', algorithms), "tiny", origin="tiny.toml")


def test_a_run_loads_the_files_of_its_own_parts_alone(write):
    first, second = write("first"), write("second")
    load_plugins([first, second])
    rows = make_plan(suite('["full", "first", "second"]')).rows
    files = {row.group.algorithm: job.files for row in rows for jobs in row.report.values() for job in jobs}
    assert files == {"full": (), "first": (str(first),), "second": (str(second),)}


def test_a_run_loads_the_files_of_its_task_cell_and_forcing(write):
    task = write("mine", "from throughtime.tasks.two_lag import TwoLag\nclass Lags(TwoLag): pass\n")
    cell = write("cells", "from throughtime.networks.rnn import RNN\nclass Own(RNN): pass\n")
    load_plugins([task, cell, write("second")])
    text = TINY.replace("two_lag", "lags").replace('["first", "second"]', '["full"]\ncells = ["own"]')
    (row,) = make_plan(parse_suite(text, "tiny", origin="tiny.toml")).rows
    assert {job.files for jobs in row.report.values() for job in jobs} == {(str(task), str(cell))}


def test_verify_loads_the_part_and_cells_alone(write):
    first, second = write("first"), write("second")
    cell = write("cells", "from throughtime.networks.rnn import RNN\nclass Own(RNN): pass\n")
    load_plugins([first, second, cell])
    assert Part("algorithm", "first").files == (str(first), str(cell))
    assert Part("task", "two_lag").files == ()
    assert Part("cell", "own").files == (str(cell),)


def test_another_plugin_changes_no_score(write, tmp_path, workers_start_at_once):
    load_plugins(
        [write("first"), write("second", "torch.set_default_dtype(torch.float64)\ntorch.set_grad_enabled(False)")]
    )
    assert run_suite(suite(), tmp_path / "both", workers=1).statuses == {"done": 2}
    scores = load_results(tmp_path / "both").set_index("algorithm")["test"]
    plugins.forget()
    load_plugin(write("first"))
    run_suite(suite('["first"]'), tmp_path / "alone", workers=1)
    assert list(load_results(tmp_path / "alone")["test"]) == [scores["first"]]
    assert scores["first"] == scores["second"]


class TestHelpers:
    """Two plugins, each with a file of one name beside it."""

    def two(self, write, tmp_path, names=("helpers", "helpers")):
        paths = []
        for plugin, helper, share in zip(("first", "second"), names, (1, 2), strict=True):
            path = write(plugin, f"from {helper} import SHARE", folder=plugin)
            file = tmp_path.joinpath(plugin, *helper.split(".")).with_suffix(".py")
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"SHARE = {share}\n", encoding="utf-8")
            paths.append(path)
        return paths

    @pytest.mark.parametrize("helper", ["helpers", "kit.helpers"])
    def test_of_one_name_are_refused_with_both_files(self, write, tmp_path, helper):
        first, second = self.two(write, tmp_path, (helper, helper))
        load_plugin(first)
        file = f"{helper.replace('.', '/')}.py"
        with pytest.raises(BadInput, match=rf"imports '{helper}', .*second/{file} beside it, and .*first/{file}"):
            load_plugin(second)
        assert [plugin.path for plugin in loaded()] == [first]

    def test_of_two_names_are_each_plugins_own(self, write, tmp_path):
        load_plugins(self.two(write, tmp_path, ("one_helper", "other_helper")))
        assert sys.modules["plugin_first"].SHARE == 1
        assert sys.modules["plugin_second"].SHARE == 2

    def test_imported_by_a_helper_is_refused_too(self, write, tmp_path):
        first, second = self.two(write, tmp_path, ("helpers", "between"))
        (tmp_path / "second" / "between.py").write_text("def f():\n    import helpers\nSHARE = 2", encoding="utf-8")
        (tmp_path / "second" / "helpers.py").write_text("", encoding="utf-8")
        load_plugin(first)
        with pytest.raises(BadInput, match="imports 'helpers'"):
            load_plugin(second)

    def test_with_a_librarys_name_is_refused(self, write, tmp_path):
        path = write("first", "import seaborn")
        (path.parent / "seaborn.py").write_text("", encoding="utf-8")
        with pytest.raises(BadInput, match=r"imports 'seaborn', .*plugins/seaborn.py beside it, and .*seaborn/__init"):
            load_plugin(path)

    def test_of_a_plugin_that_is_forgotten_is_forgotten(self, write, tmp_path):
        first, second = self.two(write, tmp_path)
        load_plugin(first)
        plugins.forget()
        load_plugin(second)
        assert sys.modules["plugin_second"].SHARE == 2
        assert str(first.parent) not in sys.path

    def test_in_one_folder_is_shared(self, write, tmp_path):
        (tmp_path / "plugins").mkdir()
        (tmp_path / "plugins" / "helpers.py").write_text("SHARE = 3", encoding="utf-8")
        load_plugins([write("first", "import helpers"), write("second", "import helpers")])
        assert sys.modules["plugin_first"].helpers is sys.modules["plugin_second"].helpers
