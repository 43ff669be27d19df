"""Three ways in: files beside the built-ins, installed packages, loose files; and which name is whose."""

import sys

import pytest

from throughtime.algorithms import ALGORITHMS, make_algorithm
from throughtime.parts import BadInput, Broken, registry
from throughtime.runners import load_results, run_suite
from throughtime.runners.commands.descriptions import description, listing
from throughtime.runners.suite.plugins import load_plugin, loaded
from throughtime.runners.suite.suite import parse_suite
from throughtime.tasks import make_task

from .conftest import GOOD, TINY

pytestmark = pytest.mark.usefixtures("nothing_stays")


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a package with an entry point on the path, as an installer does."""

    def to(text=GOOD, value="tenth_package.inner:Tenth", name="tenth", group="throughtime.algorithms"):
        package = tmp_path / "site" / "tenth_package"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "inner.py").write_text(text, encoding="utf-8")
        about = tmp_path / "site" / "tenth_package-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tenth-package\nVersion: 1.0\n", encoding="utf-8")
        (about / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n", encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path / "site")
        for module in ("tenth_package", "tenth_package.inner"):
            monkeypatch.delitem(sys.modules, module, raising=False)
        registry.installed.cache_clear()
        return package / "inner.py"

    return to


class TestLooseFile:
    def test_its_classes_are_known_by_name(self, write):
        plugin = load_plugin(write())
        assert plugin.names == (("algorithm", "tenth"),)
        assert make_algorithm("tenth(share=0.5)").share == 0.5
        assert "tenth" in ALGORITHMS.names()

    def test_it_is_loaded_once(self, write):
        assert load_plugin(write()) is load_plugin(write())
        assert len(loaded()) == 1

    def test_list_and_describe_say_where_it_is_from(self, write):
        path = write()
        load_plugin(path)
        assert f"A tenth of the gradient. [{path}]" in " ".join(listing().split())
        assert f"from:    {path}" in description("tenth")

    def test_wrong_parameters_are_told_as_those_of_built_ins(self, write):
        load_plugin(write())
        with pytest.raises(BadInput, match="has no parameter 'shaer'; did you mean 'share'"):
            make_algorithm("tenth(shaer=1)")
        with pytest.raises(BadInput, match="share must be 0 or more, got -1"):
            make_algorithm("tenth(share=-1.0)")

    def test_a_part_of_every_kind_is_found(self, write):
        text = (
            "from throughtime.tasks.two_lag import TwoLag\nfrom throughtime.networks.rnn import RNN\n"
            "from throughtime.forcings.free import Free\nclass MyTask(TwoLag): pass\nclass MyCell(RNN): pass\n"
            "class MyForcing(Free): pass\nclass _Hidden(TwoLag): pass\n"
        )
        plugin = load_plugin(write(text=text))
        assert set(plugin.names) == {("task", "my_task"), ("cell", "my_cell"), ("forcing", "my_forcing")}
        assert make_task("my_task", length=20).length == 20

    def test_a_file_beside_it_can_be_imported(self, write):
        write("beside_it.py", "SHARE = 0.25")
        load_plugin(write(text="from beside_it import SHARE\n" + GOOD.replace("= 0.1", "= SHARE")))
        assert make_algorithm("tenth").share == 0.25


def test_two_files_with_one_name_are_both_named(write):
    load_plugin(write())
    with pytest.raises(BadInput, match=r"two things are the algorithm 'tenth': .*tenth\.py and .*other\.py"):
        load_plugin(write("other.py"))
    assert make_algorithm("tenth").share == 0.1  # the first is as it was


def test_two_files_called_alike_are_refused(write, tmp_path):
    load_plugin(write())
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInput, match="another plugin has the same file name"):
        load_plugin(write("folder/tenth.py", GOOD.replace("Tenth", "Other")))


def test_a_clash_in_the_middle_of_a_file_leaves_none_of_it(write):
    with pytest.raises(BadInput, match="'rtrl'"):
        load_plugin(write(text=GOOD + "\n\nclass RTRL(Tenth):\n    pass\n"))
    assert "tenth" not in ALGORITHMS.names()


class TestInstalledPackage:
    def test_its_entry_point_is_a_name(self, install):
        install()
        assert make_algorithm("tenth(share=0.5)").share == 0.5
        assert "A tenth of the gradient." in listing()

    def test_a_clash_with_a_built_in_names_both_files(self, install):
        install(name="rtrl")
        with pytest.raises(
            BadInput, match=r"'rtrl': .*algorithms/rtrl\.py and .*inner\.py \(installed with tenth-pack"
        ):
            make_algorithm("rtrl")
        assert "two things are the algorithm 'rtrl'" in listing()

    def test_a_clash_with_a_loose_file_names_both_files(self, install, write):
        install()
        with pytest.raises(BadInput, match=r"'tenth': .*tenth\.py and .*inner\.py \(installed"):
            load_plugin(write())

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"text": "1 / 0"}, "importing the algorithm 'tenth' from .*inner.py.*ZeroDivisionError"),
            ({"value": "tenth_package.inner:NoSuch"}, "NoSuch"),
            ({"value": "tenth_package.inner:Task"}, "is no class derived from Algorithm"),
            ({"value": "tenth_package.inner:Algorithm"}, "lacks updates"),
        ],
    )
    def test_what_is_wrong_is_contained_and_listed(self, install, changes, message):
        install(**changes)
        with pytest.raises(Broken, match=message):
            make_algorithm("tenth")
        assert "can't be used" in listing()
        assert make_algorithm("full").online is False

    def test_a_suite_goes_on_without_it(self, install, tmp_path, in_this_process):
        install(text="1 / 0")
        summary = run_suite(parse_suite(TINY, "tiny", origin="tiny.toml"), tmp_path / "out", workers=1)
        assert summary.statuses == {"done": 1, "error": 1}
        results = load_results(tmp_path / "out").set_index("algorithm")
        assert "ZeroDivisionError" in results.loc["tenth", "reason"]


LATER = """
from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from throughtime.algorithms.full import Full

if TYPE_CHECKING:
    from collections.abc import Sequence


class Later(Full):
    \"\"\"As linters ask for it.\"\"\"

    def __init__(self, rate: float = 0.5, kind: Literal["a", "b"] = "a", names: Sequence[str] | None = None) -> None:
        self.rate, self.kind, self.names = rate, kind, names
"""


class TestAnnotationsThatAreText:
    @pytest.fixture(autouse=True)
    def _later(self, write):
        load_plugin(write("later.py", LATER))

    def test_what_is_imported_for_a_type_checker_alone_may_be_anything(self):
        assert make_algorithm("later(names=['x'])").names == ["x"]

    def test_the_other_parameters_are_checked(self):
        assert make_algorithm("later(rate=0.25, kind='b')").kind == "b"
        with pytest.raises(BadInput, match="rate='fast' is not allowed"):
            make_algorithm("later(rate='fast')")
        with pytest.raises(BadInput, match="kind='c' is not allowed"):
            make_algorithm("later(kind='c')")

    def test_it_is_described(self):
        assert "written: later(rate=0.5, kind='a', names=None)" in description("later")
