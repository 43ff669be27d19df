"""Three ways in: files beside the built-ins, installed packages, loose files; and what is said where one is wrong."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from throughtime.algorithms import ALGORITHMS, make_algorithm
from throughtime.parts import BadInput, Broken, containment, registry
from throughtime.runners import load_results, run_suite
from throughtime.runners.commands.descriptions import description, listing
from throughtime.runners.execution.run import plan_suite
from throughtime.runners.records.manifest import RunStore
from throughtime.runners.showing.plots import draw_figures
from throughtime.runners.showing.summary import summarise
from throughtime.runners.suite.fingerprint import Code
from throughtime.runners.suite.plugins import load_plugin, load_plugins, loaded
from throughtime.runners.suite.suite import parse_suite
from throughtime.tasks import make_task

from ..conftest import BROKEN

GOOD = '''
"""A test's algorithm."""

from throughtime.algorithms import Algorithm, Update
from throughtime.tasks import Task


class Tenth(Algorithm):
    """A tenth of the gradient."""

    exact_up_to, unbiased, online = 0, False, False

    def __init__(self, share: float = 0.1) -> None:
        if share < 0:
            raise ValueError(f"share must be 0 or more, got {share}")
        self.share = share

    def updates(self, network, batch, carry=None, *, generator=None):
        outputs, _ = network.unroll(batch.inputs)
        loss = batch.mean_loss(outputs)
        network.zero_grad()
        (self.share * loss).backward()
        yield Update(loss.detach(), 1.0, None)
'''

TINY = """
tasks = ["two_lag(length=16)"]
algorithms = ["full", "tenth"]
hidden_size = 4
batch_size = 4
learning_rates = [0.01]
budget = { steps = 64 }
evaluations = 1
seeds = 1
deadline = 60
"""


REFUSING = """    def refuses(self, network):
        gates = len(network.cell.weight_hh_l0) // network.cell.hidden_size
        return "" if gates == 1 else f"it knows one gate, and there are {gates}"

    def updates("""


@pytest.fixture(autouse=True)
def _nothing_stays():
    """Each test begins and ends without plugins."""
    path = list(sys.path)
    yield
    from throughtime.runners.suite import plugins

    plugins.forget()
    sys.path[:] = path
    sys.modules.pop("beside_it", None)
    registry.installed.cache_clear()


@pytest.fixture
def write(tmp_path):
    """Write a plugin, by default the good one, and give its path."""

    def to(name="tenth.py", text=GOOD):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return to


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


WRONG = {
    "no such file": ("nowhere.py", None, "a plugin is a Python file, and there is none"),
    "no Python": ("plugin.txt", GOOD, "a plugin is a Python file"),
    "no name for a module": ("my-plugin.py", GOOD, "letters, digits and underscores"),
    "nothing in it": ("empty.py", "x = 1", "it needs a class derived from one of Algorithm, Forcing, Task, AnyCell"),
    "unfinished": (
        "unfinished.py",
        "from throughtime.algorithms import Algorithm\nclass Mine(Algorithm): pass",
        "its class Mine lacks updates",
    ),
    "a built-in's name": (
        "clash.py",
        GOOD.replace("Tenth", "RTRL"),
        r"two things are the algorithm 'rtrl': .*rtrl\.py and .*clash\.py; rename",
    ),
}

FAILING = {
    "a syntax error": (
        "x = 1\ndef f(:\n",
        r"importing the plugin .*failing\.py failed \(.*failing\.py, line 2\): SyntaxE",
    ),
    "a missing package": ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
    "an exception": ("\n\n1 / 0", r"\(.*failing\.py, line 3\): ZeroDivisionError"),
    "an exit": ("import sys\nsys.exit('good bye')", "SystemExit: good bye"),
    "an endless loop": ("while True: pass", "took longer than 0.2 s"),
    "a Ctrl-C of its own": ("\nraise KeyboardInterrupt", r"\(.*failing\.py, line 2\): KeyboardInterrupt$"),
    "a cancelled task": ("import asyncio\nraise asyncio.CancelledError", "CancelledError$"),
    "the end of a generator": ("raise GeneratorExit", "GeneratorExit$"),
    "a test that is skipped": ("import pytest\npytest.importorskip('no_such_package')", "Skipped: could not import"),
    "a name that is no text": (
        "import os\nopen(os.fsdecode(b'/no/such/\\xff'))",
        r"FileNotFoundError: \[Errno 2\] No such file or directory: '/no/such/",
    ),
    "an error that fails": (
        "class Mute(Exception):\n    def __str__(self):\n        return {}['no words']\n\n\nraise Mute",
        r"Mute: its message can't be told \(KeyError\)",
    ),
    "a loop that catches it once": (
        "try:\n    while True: pass\nexcept BaseException: pass\nwhile True: pass",
        "took longer than 0.2 s",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_a_file_is_said(tmp_path, what):
    name, text, message = WRONG[what]
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=message):
        load_plugin(tmp_path / name)
    assert not loaded()


@pytest.mark.parametrize("what", FAILING)
def test_a_file_that_cannot_be_imported_is_contained(write, monkeypatch, capsys, what):
    monkeypatch.setattr(containment, "SECONDS", 0.2)
    text, message = FAILING[what]
    with pytest.raises(Broken, match=message) as caught:
        load_plugin(write("failing.py", text))
    assert str(caught.value).encode()  # halves of characters can be neither printed nor kept
    assert not loaded()
    assert capsys.readouterr() == ("", "")


SWALLOWING = {
    "computing": "while True:\n    try:\n        while True: pass\n    except BaseException:\n        pass\n",
    "waiting": "import time\nwhile True:\n    try:\n        time.sleep(9)\n    except BaseException:\n        pass\n",
}

LOADING = """
import sys
from throughtime.parts import containment
from throughtime.runners.suite.plugins import load_plugin

containment.SECONDS = 0.2
load_plugin(sys.argv[1])
"""


@pytest.mark.parametrize("what", SWALLOWING)
def test_a_file_that_catches_whatever_would_stop_it_ends_the_process_with_a_word(write, what):
    words = [sys.executable, "-c", LOADING, str(write("endless.py", SWALLOWING[what]))]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert ended.returncode in (1, 2)  # 1 where an alarm hit the moment between two times of catching: `Broken`
    words = r"importing the plugin \S*endless\.py took longer than 0\.2 s \(\S*endless\.py, line \d\)"
    if ended.returncode == 2:
        words = f"throughtime: {words} and catches what would stop it: leave the code out or mend it\n"
        assert re.fullmatch(words, ended.stderr)
    assert re.search(words, ended.stderr)


def test_a_file_that_never_comes_back_from_c_ends_the_process_with_the_place(write):
    path = write("endless.py", "import itertools\n\nsum(itertools.repeat(1))\n")
    words = [sys.executable, "-c", LOADING, str(path)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert f'File "{path}", line 3 in <module>' in ended.stderr


@pytest.mark.parametrize("text", ["time.sleep(60)", "try:\n    time.sleep(60)\nexcept BaseException:\n    pass"])
def test_a_ctrl_c_of_the_user_is_one_whatever_a_file_does_with_it(write, text):
    path = write("slow.py", f"import time\n{text}\n{GOOD}")
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        load_plugin(path)
    timer.join()
    assert not loaded()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_time_in_which_the_process_stood_still_is_not_the_files(write, monkeypatch):
    looks = iter(range(10**6))

    def now():
        return time.monotonic() + (0.0 if next(looks) < 2 else 1e6)  # as after a night with the lid closed

    monkeypatch.setattr(containment, "now", now)
    monkeypatch.setattr(containment, "SECONDS", 4.0)
    load_plugin(write(text=f"import time\ntime.sleep(1.5)\n{GOOD}"))
    assert "tenth" in ALGORITHMS.names()


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


class TestRecords:
    def keys(self, path, tmp_path):
        """Run the tiny suite with a plugin in a fresh state, for its summary and the record of the plugin's run."""
        from throughtime.runners.suite import plugins

        plugins.forget()
        load_plugin(path)
        summary = run_suite(parse_suite(TINY, "tiny", origin="tiny.toml"), tmp_path / "out", workers=1)
        store = RunStore.open(tmp_path / "out")
        keys = {group.algorithm: group.report[0] for group in store.manifest().groups}
        return summary, store.record(keys["full"]), store.record(keys["tenth"])

    def test_an_edited_plugin_is_run_again_and_no_other(self, write, tmp_path, in_this_process):
        first, full, tenth = self.keys(write(), tmp_path)
        assert first.executed == 2
        assert not full.plugins
        assert list(tenth.plugins) == ["plugin_tenth"]
        again, _, _ = self.keys(write(), tmp_path)
        assert (again.executed, again.cached) == (0, 2)
        reworded, _, _ = self.keys(write(text=GOOD.replace("A tenth of", "Some of") + "# a comment\n"), tmp_path)
        assert (reworded.executed, reworded.cached) == (0, 2)
        edited, _, changed = self.keys(write(text=GOOD.replace("self.share * loss", "-self.share * loss")), tmp_path)
        assert (edited.executed, edited.cached) == (1, 1)
        assert changed.plugins != tenth.plugins

    def test_edited_code_that_it_imports_is_run_again(self, write, tmp_path, in_this_process):
        write("beside_it.py", "SHARE = 0.25")
        path = write(text="from beside_it import SHARE\n" + GOOD)
        _, _, tenth = self.keys(path, tmp_path)
        assert list(tenth.plugins) == ["beside_it", "plugin_tenth"]
        write("beside_it.py", "SHARE = 0.5")
        edited, _, changed = self.keys(path, tmp_path)
        assert (edited.executed, edited.cached) == (1, 1)
        assert changed.plugins["beside_it"] != tenth.plugins["beside_it"]

    def test_libraries_count_by_their_version(self, write, monkeypatch):
        load_plugin(write(text="import numpy\n" + GOOD))
        before = Code(("plugin_tenth",)).fingerprint("")
        monkeypatch.setattr("throughtime.runners.suite.fingerprint._version_of_library", lambda name: "0.0")
        assert Code(("plugin_tenth",)).fingerprint("") != before
        assert list(Code(("plugin_tenth",)).plugins) == ["plugin_tenth"]

    def test_a_plugin_that_meddles_changes_no_run_after_it(self, tmp_path, workers_start_at_once):
        load_plugins([BROKEN])
        text = TINY.replace('"full", "tenth"', '"meddling", "chattering", "full"')
        assert run_suite(parse_suite(text, "tiny", origin="tiny.toml"), tmp_path / "out", workers=1).statuses == {
            "done": 3
        }
        scores = load_results(tmp_path / "out").set_index("algorithm")["test"]
        assert scores["chattering"] == scores["full"]


def test_results_are_read_without_the_plugins_that_made_them(write, tmp_path, in_this_process):
    from throughtime.runners.suite import plugins

    task = "from throughtime.tasks.two_lag import TwoLag\n\n\nclass Mine(TwoLag):\n    pass\n"
    load_plugins([write(), write("mine.py", task)])
    text = TINY.replace('["two_lag(length=16)"]', '["mine(length=16)", "two_lag(length=16)"]')
    run_suite(parse_suite(text, "tiny", origin="tiny.toml"), tmp_path / "out", workers=2)
    plugins.forget()
    tables = summarise(tmp_path / "out").tables
    assert [table.task for table in tables] == ["mine(length=16)", "two_lag(length=16)"]
    assert "tenth" in {row.name for row in tables[0].rows}
    assert draw_figures(tmp_path / "out")


@pytest.mark.parametrize(
    "reference", ['float("nan"), "floor", ""', '0.5, "floor", "", free=float("inf")', "None, 5, 5"]
)
def test_a_reference_that_is_no_number_fails_its_own_task_alone(write, tmp_path, in_this_process, reference):
    task = (
        "from throughtime.tasks import Reference\nfrom throughtime.tasks.two_lag import TwoLag\n\n\n"
        f"class Mine(TwoLag):\n    def references(self):\n        return [Reference('guess', {reference})]\n"
    )
    load_plugins([write(), write("mine.py", task)])
    text = TINY.replace('["two_lag(length=16)"]', '["mine(length=16)", "two_lag(length=16)"]')
    summary = run_suite(parse_suite(text, "tiny", origin="tiny.toml"), tmp_path / "out", workers=2)
    assert set(summary.statuses) == {"done", "error"}
    mine, _ = summarise(tmp_path / "out").tables
    assert {row.statuses.keys() == {"error"} for row in mine.rows} == {True}
    assert "references of the task 'mine(length=16)' failed" in mine.rows[0].reason
    assert "pydantic" not in mine.rows[0].reason


class TestRefusal:
    @pytest.fixture
    def suite(self, write):
        load_plugin(write(text=GOOD.replace("    def updates(", REFUSING)))
        text = TINY.replace('algorithms = ["full", "tenth"]', 'algorithms = ["full", "tenth"]\ncells = ["rnn", "gru"]')
        return parse_suite(text, "tiny", origin="tiny.toml")

    def test_the_row_is_skipped_with_the_reason_in_the_plan(self, suite, tmp_path):
        outlook = plan_suite(suite, tmp_path / "out")
        reason = "tenth does not serve gru: it knows one gate, and there are 3"
        assert list(outlook.skipped.values()) == [reason]
        assert outlook.report == 3

    def test_the_others_run_and_it_is_a_row(self, suite, tmp_path, in_this_process):
        summary = run_suite(suite, tmp_path / "out", only={"algorithm": "tenth"})
        assert summary.statuses == {"done": 1, "skipped": 1}
        assert summary.failed == 0

    def test_describe_says_which_cells_it_serves(self, suite):
        text = description("tenth")
        assert "cells:       leaky, rnn\n" in text
        assert "not lstm: it knows one gate, and there are 4" in text
        assert "not lru: asking it whether it serves lru failed" in text

    def test_one_that_fails_when_it_is_asked_is_a_row(self, write, tmp_path):
        load_plugin(write(text=GOOD.replace("    def updates(", REFUSING.replace("return", "1 / 0\n        return"))))
        outlook = plan_suite(parse_suite(TINY, "tiny", origin="tiny.toml"), tmp_path / "out")
        assert "ZeroDivisionError" in next(iter(outlook.broken.values()))


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
