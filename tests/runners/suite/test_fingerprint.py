"""A run's fingerprint changes with everything that its numbers depend on, and with nothing else."""

import importlib

import pytest

from throughtime.runners.suite import fingerprint
from throughtime.runners.suite.fingerprint import Code, imported

ALGORITHM = "throughtime.algorithms.truncated"


def mark(*modules, data="", arithmetic="of this processor"):
    return Code(modules or (ALGORITHM,), data).fingerprint(arithmetic)


@pytest.fixture
def edited(monkeypatch):
    """Pretend that a module's source was edited."""

    def edit(module):
        real = fingerprint.source_hash.__wrapped__
        monkeypatch.setattr(fingerprint, "source_hash", lambda name: real(name) + "edited" * (name == module))

    return edit


def test_imports_are_followed():
    found = imported("throughtime.algorithms.online")
    expected = {"algorithms.online", "algorithms.truncated", "algorithms.base", "networks.base", "tasks.base"}
    assert {f"throughtime.{name}" for name in expected} <= found


def test_other_algorithms_do_not_count():
    assert not {"throughtime.algorithms.rtrl", "throughtime.algorithms.stochastic"} & imported(ALGORITHM)


def test_the_training_loop_counts_and_the_screen_does_not():
    found = imported("throughtime.runners.training.train")
    assert {"throughtime.runners.training.measure", "throughtime.runners.suite.config"} <= found
    assert (
        not {
            "throughtime.runners.commands.cli",
            "throughtime.runners.execution.progress",
            "throughtime.runners.showing.tables",
        }
        & found
    )


@pytest.mark.parametrize("module", [ALGORITHM, "throughtime.algorithms.base", "throughtime.networks.base"])
def test_an_edit_changes_the_fingerprint(edited, module):
    before = mark()
    edited(module)
    assert mark() != before


def test_an_edit_elsewhere_does_not(edited):
    before = mark()
    edited("throughtime.algorithms.rtrl")
    assert mark() == before


def test_data_counts():
    assert mark(data="a") != mark(data="b")


def test_the_machine_counts():
    assert mark() != mark(arithmetic="of another processor")


def test_torch_version_counts(monkeypatch):
    before = mark()
    monkeypatch.setattr("torch.__version__", "99.0")
    assert mark() != before


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write the source of a module that is imported by its name, and give the fingerprint of code that begins there."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(text):
        (tmp_path / "somebodys.py").write_text(text, encoding="utf-8")
        importlib.invalidate_caches()
        fingerprint.look_again()
        return mark("somebodys")

    yield write
    fingerprint.look_again()


@pytest.mark.parametrize("target", [True, False], ids=["where pip installed it", "a folder of one's own"])
def test_a_library_in_any_folder_counts_by_its_version(module, tmp_path, target):
    """`pip install --target` takes any folder; of one's own folder every file is followed."""
    package = tmp_path / "tools"
    package.mkdir()
    (package / "__init__.py").write_text("from . import inner\n", encoding="utf-8")
    (package / "inner.py").write_text("HALF = 0.5\n", encoding="utf-8")
    if target:
        record = tmp_path / "tools-1.0.dist-info" / "RECORD"
        record.parent.mkdir()
        (record.parent / "METADATA").write_text("Metadata-Version: 2.1\nName: tools\nVersion: 1.0\n", encoding="utf-8")
        record.write_text("tools/__init__.py,,\ntools/inner.py,,\n", encoding="utf-8")
    module("import tools\n")
    assert imported("somebodys") - {"somebodys"} == (set() if target else {"tools", "tools.inner"})


SOURCE = '''"""A module."""
SIGN = 1


class Learner:
    """One that learns."""

    def learn(self, x, rate=0.1):
        for _ in range(3):
            x = x - SIGN * rate * x
        return x
'''

REWORDED = {
    "a comment": ("SIGN = 1", "SIGN = 1  # not -1"),
    "a comment of its own line": ("    def learn", "    # what it is for\n    def learn"),
    "a docstring": ("One that learns.", "One that descends."),
    "no docstring": ('    """One that learns."""\n\n', ""),
    "a docstring of a function": ("        for _", '        """Learn."""\n        for _'),
    "words under a constant": ("SIGN = 1\n", 'SIGN = 1\n"""Which way."""\n'),
    "brackets": ("SIGN * rate * x", "(SIGN * rate) * x"),
    "blank lines": ("\n\n\nclass", "\nclass"),
    "line breaks": ("self, x, rate=0.1", "\n        self,\n        x,\n        rate=0.1,\n    "),
    "a number in other words": ("rate=0.1", "rate=1e-1"),
}
EDITED = {
    "a sign": ("x - SIGN", "x + SIGN"),
    "a constant": ("SIGN = 1", "SIGN = 2"),
    "a default": ("rate=0.1", "rate=0.2"),
    "how often": ("range(3)", "range(4)"),
    "a string that is used": ("return x", "return {'a': x}['a']"),
    "brackets that count": ("x - SIGN * rate * x", "(x - SIGN) * rate * x"),
    "the order of statements": ("        return x", "        return x\n        x = 0"),
}


@pytest.mark.parametrize("what", REWORDED)
def test_wording_and_formatting_keep_every_result(module, what):
    before = module(SOURCE)
    assert SOURCE.replace(*REWORDED[what]) != SOURCE
    assert module(SOURCE.replace(*REWORDED[what])) == before


@pytest.mark.parametrize("what", EDITED)
def test_what_runs_otherwise_is_run_again(module, what):
    before = module(SOURCE)
    assert SOURCE.replace(*EDITED[what]) != SOURCE
    assert module(SOURCE.replace(*EDITED[what])) != before
