"""A run's fingerprint changes with everything that its numbers depend on, and with nothing else."""

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
