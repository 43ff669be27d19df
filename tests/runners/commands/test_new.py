"""What `throughtime new` writes works at once, is short, and overwrites nothing."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from throughtime import runners
from throughtime.algorithms import ALGORITHMS, estimate_gradient, make_algorithm
from throughtime.networks import CELLS, make_network
from throughtime.parts import registry
from throughtime.runners.commands.cli import app
from throughtime.runners.suite.plugins import forget, load_plugin
from throughtime.tasks import TASKS, make_task

from ...warm import POSSIBLE, in_a_copy, warm_pytest, warm_workers
from ..conftest import environment

ROOT = Path(__file__).parents[3]
NAMES = {"algorithm": "an_idea", "task": "a_new_task", "cell": "another_cell"}
REGISTRIES = {"algorithm": ALGORITHMS, "task": TASKS, "cell": CELLS}

kinds = pytest.mark.parametrize("kind", NAMES)


@pytest.fixture(autouse=True)
def _nothing_stays():
    """Each test ends without plugins."""
    path = list(sys.path)
    yield
    forget()
    sys.path[:] = path
    registry.installed.cache_clear()
    for name in NAMES.values():
        sys.modules.pop(name, None)


@pytest.fixture
def new(tmp_path, monkeypatch):
    """Call the command in an empty folder: the exit code and what was printed."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        result = CliRunner().invoke(app, ["new", *map(str, words)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    return call


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with a part of each kind as files, and one of each as a package below `packages`."""
    folder = tmp_path_factory.mktemp("new")
    for kind, name in NAMES.items():
        for words in ([], ["--package"]):
            out = folder / "packages" if words else folder
            result = CliRunner().invoke(app, ["new", kind, name, "--out", str(out), *words])
            assert result.exit_code == 0, result.output
    return folder


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


def start(*words, cwd, **variables):
    """Run a command to its end, which must be a good one: its output."""
    process = subprocess.run(
        list(map(str, words)), cwd=cwd, env={**environment(), **variables}, capture_output=True, text=True, timeout=240
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def must_have_checks(kind):
    """Skip where throughtime has no checks of this kind, which the written test imports."""
    if not hasattr(runners, f"{kind}_checks"):
        pytest.skip(f"throughtime.runners has no {kind}_checks")


class TestFiles:
    @kinds
    def test_they_are_short(self, written, kind):
        name = NAMES[kind]
        assert len((written / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= 60
        test = ast.parse((written / f"test_{name}.py").read_text(encoding="utf-8"))
        assert len(test.body) == 5, "a docstring, three imports, a test"

    @kinds
    def test_they_use_public_names_alone(self, written, kind):
        text = (written / f"{NAMES[kind]}.py").read_text(encoding="utf-8")
        for module, names in re.findall(r"^from (throughtime\S*) import (.+)$", text, flags=re.MULTILINE):
            assert set(names.split(", ")) <= set(importlib.import_module(module).__all__)
        assert "from throughtime." in text

    @kinds
    def test_they_are_known_as_plugins(self, written, kind):
        plugin = load_plugin(written / f"{NAMES[kind]}.py")
        assert plugin.names == ((kind, NAMES[kind]),)

    @kinds
    def test_a_package_holds_the_same_files(self, written, kind):
        name, package = NAMES[kind], written / "packages" / NAMES[kind]
        assert (package / "src" / f"{name}.py").read_bytes() == (written / f"{name}.py").read_bytes()
        assert (package / "tests" / f"test_{name}.py").read_bytes() == (written / f"test_{name}.py").read_bytes()

    def test_nothing_is_left_unfilled(self, written):
        files = [path for path in written.rglob("*") if path.is_file() and path.suffix != ".pyc"]
        assert len([path for path in files if "$" in path.read_text(encoding="utf-8")]) == 0

    @pytest.mark.parametrize("words", [["check"], ["format", "--check"]], ids=" ".join)
    def test_they_are_linted_by_the_rules_of_this_project(self, new, tmp_path, words):
        if importlib.util.find_spec("ruff") is None:
            pytest.skip("ruff is not installed here")
        for kind in NAMES:
            for name in ("a", "z" * 40, "_".join(["word"] * 8)):
                assert new(kind, name, "--out", kind)[0] == 0
            # Of tests neither annotations nor docstrings of functions are asked, as in tests/.
            options = ["--extend-per-file-ignores", "test_*:ANN", "--extend-per-file-ignores", "test_*:D103"]
            configuration = ["--no-cache", "--config", ROOT / "pyproject.toml"]
            options = options if words == ["check"] else []
            start(sys.executable, "-m", "ruff", *words, *configuration, *options, ".", cwd=tmp_path / kind)


class TestAlgorithm:
    @pytest.mark.parametrize("k", [pytest.param(1, marks=pytest.mark.long), 5])
    def test_it_keeps_its_promises(self, written, k):
        load_plugin(written / "an_idea.py")
        runners.check_algorithm(make_algorithm("an_idea", k=k))

    def test_it_refuses_a_wrong_parameter(self, written):
        load_plugin(written / "an_idea.py")
        with pytest.raises(ValueError, match="k must be at least 1, got 0"):
            make_algorithm("an_idea(k=0)")


class TestTask:
    def test_its_floor_is_that_of_no_memory(self, written):
        load_plugin(written / "a_new_task.py")
        floor, optimum = make_task("a_new_task").references()
        assert (floor.kind, optimum.kind) == ("floor", "optimum")
        # The mean square of 32 000 draws from a normal distribution, within three of its standard errors.
        assert floor.value == pytest.approx(1, abs=3 * (2 / 32_000) ** 0.5)

    def test_its_optimum_is_reached_by_memory(self, written):
        load_plugin(written / "a_new_task.py")
        task = make_task("a_new_task(lag=3)")
        test = task.test()
        assert task.score(test.inputs.roll(3, dims=0), test) == task.references()[1].value
        assert task.score(test.inputs.roll(2, dims=0), test) > 1

    @pytest.mark.parametrize("spec", ["a_new_task(lag=0)", "a_new_task(lag=5, length=5)"])
    def test_it_refuses_a_wrong_parameter(self, written, spec):
        load_plugin(written / "a_new_task.py")
        with pytest.raises(ValueError, match="lag must be at least 1 and less than length"):
            make_task(spec)


class TestCell:
    def test_it_is_the_equation_of_its_docstring(self, written):
        load_plugin(written / "another_cell.py")
        network = make_network("another_cell", input_size=2, hidden_size=3, output_size=1, seed=0, dtype=torch.float64)
        cell = network.cell
        x, h = torch.randn(2, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).unbind()
        x = x[:, :2]
        z = x @ cell.weight_ih_l0.T + cell.bias_ih_l0 + h @ cell.weight_hh_l0.T + cell.bias_hh_l0
        expected = h + torch.sigmoid(z[:, 3:]) * (torch.tanh(z[:, :3]) - h)
        assert torch.allclose(cell.step(x, (h,))[0], expected, rtol=1e-12, atol=1e-12)

    @pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
    def test_forward_mode_is_exact_on_it(self, written):
        load_plugin(written / "another_cell.py")
        task = make_task("two_lag", length=12)
        batch = task.sample(3, generator=torch.Generator().manual_seed(0)).to(dtype=torch.float64)
        network = make_network("another_cell", input_size=1, hidden_size=3, output_size=2, seed=0, dtype=torch.float64)
        expected = estimate_gradient(make_algorithm("full"), network, batch)
        for name, gradient in estimate_gradient(make_algorithm("rtrl"), network, batch).items():
            assert torch.allclose(gradient, expected[name], rtol=1e-9, atol=1e-15)


class TestWhatIsPrinted:
    @kinds
    def test_the_files_and_what_to_type_next(self, new, kind):
        code, output = new(kind, "mine")
        assert code == 0
        assert output.startswith("written: mine.py\n         test_mine.py\nnext: throughtime verify mine.py ")
        for command in (
            "pytest test_mine.py ",
            "throughtime describe mine --plugin mine.py ",
            "throughtime run SUITE.toml --plugin mine.py ",
        ):
            assert f"      {command}" in output

    def test_a_package_is_installed_by_its_path(self, new, tmp_path):
        assert "next: pip install -e ./mine " in new("task", "mine", "--package")[1]
        assert "next: pip install -e ./in/here/mine " in new("task", "mine", "--package", "--out", "in/here")[1]
        output = new("task", "mine", "--package", "--out", tmp_path / "a b")[1]
        assert f"next: pip install -e '{tmp_path}/a b/mine' " in output
        assert f"      pytest '{tmp_path}/a b/mine' " in output

    def test_describe_and_list_know_it(self, written, throughtime_here):
        part = written / "an_idea.py"
        assert "algorithm an_idea" in throughtime_here("describe", "an_idea", "--plugin", part, cwd=written).stdout
        assert f"[{part}]" in throughtime_here("list", "--plugin", part, cwd=written).stdout

    def test_help(self):
        result = CliRunner().invoke(app, ["new", "--help"])
        assert "algorithm, task or cell" in result.output


REFUSED = {
    "MyIdea": "write my_idea, whose class is MyIdea",
    "my-idea": "write my_idea, whose class is MyIdea",
    "my idea": "write my_idea, whose class is MyIdea",
    "my_idea.py": "write my_idea, whose class is MyIdea",
    "2fast": "of the letters a to z, digits and underscores; my_idea is one",
    "idée": "of the letters a to z, digits and underscores; ",
    "": "of the letters a to z, digits and underscores; my_idea is one",
    "a_b": "its class would be AB, which is found as 'ab'; write that",
    "idea_2": "its class would be Idea2, which is found as 'idea2'; write that",
    "my__idea": "which is found as 'my_idea'; write that",
    "a" * 41: "it has 41 characters; take one of 40 or fewer",
    "lambda": "it is a word of Python's own; take another, such as my_lambda",
    "list": "it is a word of Python's own; take another, such as my_list",
    "rtrl": "there is an algorithm of that name already; take another, such as my_rtrl",
    "two_lag": "there is a task of that name already",
    "lstm": "there is a cell of that name already",
    "teacher": "there is a forcing of that name already",
    "random": "random.py would hide the module random; take another, such as my_random",
    "torch": "torch.py would hide the module torch",
    "throughtime": "throughtime.py would hide the module throughtime",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_name_is_told_what_is_wrong_and_what_to_do(new, tmp_path, name):
    code, output = new("algorithm", name)
    assert code == 2
    assert output.startswith(f"throughtime: {name!r} can't be the name of an algorithm: ")
    assert REFUSED[name] in output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "name"), [("algorithm", "update"), ("algorithm", "network"), ("task", "batch"), ("cell", "sequence")]
)
def test_a_name_whose_class_the_file_imports_is_refused(new, kind, name):
    assert f"its class would hide the {name.capitalize()} that it is written with" in new(kind, name)[1]


def test_another_kind_is_told_which_there_are(new):
    code, output = new("algoritm", "mine")
    assert code == 2
    for kind in NAMES:
        assert f"'{kind}'" in output


class TestNothingIsOverwritten:
    @pytest.mark.parametrize("there", ["mine.py", "test_mine.py"])
    def test_not_a_file(self, new, tmp_path, there):
        (tmp_path / there).write_text("a year's work", encoding="utf-8")
        code, output = new("algorithm", "mine")
        assert code == 2
        assert f"'{there}' is there already, and is left as it is; take another name, or another --out DIR" in output
        assert [path.name for path in tmp_path.iterdir()] == [there]
        assert (tmp_path / there).read_text(encoding="utf-8") == "a year's work"

    @pytest.mark.parametrize("make", ["mkdir", "touch"])
    def test_not_a_folder(self, new, tmp_path, make):
        getattr(tmp_path / "mine", make)()
        code, output = new("algorithm", "mine", "--package")
        assert code == 2
        assert "'mine' is there already" in output
        assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]

    def test_not_a_link_that_leads_nowhere(self, new, tmp_path):
        (tmp_path / "mine.py").symlink_to("nowhere.py")
        assert new("algorithm", "mine")[0] == 2
        assert not (tmp_path / "nowhere.py").exists()

    def test_not_its_own(self, new, tmp_path):
        assert new("cell", "mine")[0] == 0
        before = (tmp_path / "mine.py").read_bytes()
        assert new("task", "mine")[0] == 2
        assert (tmp_path / "mine.py").read_bytes() == before

    def test_a_package_may_stand_beside_the_file_that_it_grew_from(self, new):
        assert new("cell", "mine")[0] == new("cell", "mine", "--package")[0] == 0


class TestNothingIsHalfWritten:
    def test_where_a_folder_is_a_file(self, new, tmp_path):
        (tmp_path / "out").touch()
        code, output = new("cell", "mine", "--out", "out")
        assert code == 2
        assert "'out/mine.py' can't be written (Not a directory); choose another --out DIR" in output

    @pytest.mark.parametrize("package", [[], ["--package"]], ids=["files", "package"])
    @pytest.mark.parametrize(
        "error", [OSError(28, "No space left on device", "out/mine"), KeyboardInterrupt()], ids=repr
    )
    def test_where_the_last_file_fails(self, new, tmp_path, monkeypatch, package, error):
        real = Path.open

        def fail(self, mode="r", *rest, **more):
            if self.name == "test_mine.py" and "x" in mode:
                raise error
            return real(self, mode, *rest, **more)

        monkeypatch.setattr(Path, "open", fail)
        code, output = new("cell", "mine", "--out", "out/of/the/way", *package)
        if isinstance(error, OSError):
            assert code == 2
            assert "'out/mine' can't be written (No space left on device); choose another --out DIR" in output
        else:
            assert code == 130
            assert "interrupted; nothing is written." in output
        assert not list(tmp_path.iterdir())


def passes(*words, cwd):
    """Run pytest in a folder, where all must pass: its output."""
    process = warm_pytest("-v", "-p", "no:cacheprovider", *words, cwd=cwd)
    assert process.returncode == 0, process.stdout + process.stderr
    output = process.stdout
    # torch warns of itself where it first differentiates forward, as a cell's Jacobians are.
    assert re.search(r"^=+ \d+ passed(, \d+ deselected)?(, \d+ warnings)? in ", output, flags=re.MULTILINE)
    return output


def test_the_written_tests_pass(written):
    """All in one process, which takes longer to start than each of them."""
    for kind in NAMES:
        must_have_checks(kind)
    files = [f"test_{name}.py" for name in NAMES.values()]
    output = passes(*files, cwd=written)
    for file in files:
        assert re.search(rf"^{file}::.* PASSED ", output, flags=re.MULTILINE)


@kinds
def test_the_written_test_of_a_package_passes(written, kind):
    must_have_checks(kind)
    few = ["-k", "losses_are_means"] if kind == "algorithm" else []  # of checks that the test before has all done
    assert f"tests/test_{NAMES[kind]}.py::" in passes(*few, cwd=written / "packages" / NAMES[kind])


@kinds
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # where torch goes forward
def test_verify_passes(written, kind, throughtime_here):
    must_have_checks(kind)
    process = throughtime_here("verify", f"{NAMES[kind]}.py", cwd=written)
    assert process.returncode == 0, process.stdout + process.stderr
    assert "FAILED" not in process.stdout


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
