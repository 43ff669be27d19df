"""Packages that `throughtime new` writes, once they are installed: found by name, and run beside built-ins."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from throughtime.algorithms import ALGORITHMS
from throughtime.networks import CELLS
from throughtime.parts import registry
from throughtime.tasks import TASKS

from ...warm import POSSIBLE, in_a_copy, warm_workers
from .conftest import NAMES, kinds, start

pytestmark = pytest.mark.usefixtures("nothing_stays")

REGISTRIES = {"algorithm": ALGORITHMS, "task": TASKS, "cell": CELLS}

SUITE = """
hidden_size = 4
batch_size = 4
learning_rates = [0.01]
budget = { steps = 40 }
evaluations = 1
seeds = 1
deadline = 60

[[experiments]]
tasks = ["a_new_task"]
cells = ["another_cell"]
algorithms = ["full", "an_idea(k=4)"]

[[experiments]]
tasks = ["two_lag(length=16)"]
algorithms = ["an_idea"]
"""

RUN = """
from throughtime.runners import load_results, run_suite
print(run_suite("suite.toml", "out", workers=1).statuses)
print(*sorted(load_results("out")["algorithm"]))
"""


@pytest.fixture(scope="module")
def site(written, tmp_path_factory):
    """The packages, installed into a folder of their own by the setuptools that there is, without a network."""
    for tool in ("setuptools", "pip"):
        if importlib.util.find_spec(tool) is None:
            pytest.skip(f"{tool} is not installed here, and a package can't be built without it")
    folder = tmp_path_factory.mktemp("site")
    packages = [written / "packages" / name for name in NAMES.values()]
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--target", folder]
    start(sys.executable, "-m", "pip", "install", *options, *packages, cwd=folder)
    return folder


class TestPackage:
    @kinds
    def test_its_name_is_found(self, site, monkeypatch, kind):
        monkeypatch.syspath_prepend(site)
        registry.installed.cache_clear()
        assert NAMES[kind] in REGISTRIES[kind].names()
        found = REGISTRIES[kind].get(NAMES[kind])
        assert Path(sys.modules[found.__module__].__file__) == site / f"{NAMES[kind]}.py"

    def test_its_name_is_taken(self, site, new, monkeypatch):
        monkeypatch.syspath_prepend(site)
        registry.installed.cache_clear()
        assert "there is an algorithm of that name already; take another, such as" in new("algorithm", "an_idea")[1]

    def test_it_runs_in_a_suite_beside_built_ins(self, site, tmp_path):
        (tmp_path / "suite.toml").write_text(SUITE, encoding="utf-8")

        def call():
            sys.path.insert(0, str(site))
            with warm_workers():
                exec(RUN, {})

        if POSSIBLE:
            process = in_a_copy(call, ["run.py"], tmp_path)
            assert process.returncode == 0, process.stdout + process.stderr
            output = process.stdout
        else:
            path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
            output = start(sys.executable, "-c", RUN, cwd=tmp_path, PYTHONPATH=path)
        assert output.splitlines()[-2:] == ["{'done': 3}", "an_idea an_idea(k=4) full"]
