"""What `throughtime new` writes works at once and is short, and it prints what to type next."""

import ast
import importlib.util
import re
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from throughtime import runners
from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.networks import make_network
from throughtime.runners.commands.cli import app
from throughtime.runners.suite.plugins import load_plugin
from throughtime.runners.verify import problems
from throughtime.tasks import make_task

from ...warm import warm_pytest
from .conftest import NAMES, kinds, start

pytestmark = pytest.mark.usefixtures("nothing_stays")

ROOT = Path(__file__).parents[3]


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
def test_verify_passes(written, kind, throughtime_here, monkeypatch):
    """An algorithm on one cell: the written test has just verified it on all."""
    must_have_checks(kind)
    monkeypatch.setattr(problems, "CELLS", problems.CELLS[:1])
    process = throughtime_here("verify", f"{NAMES[kind]}.py", cwd=written)
    assert process.returncode == 0, process.stdout + process.stderr
    assert "FAILED" not in process.stdout
