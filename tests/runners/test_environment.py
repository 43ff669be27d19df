"""A run's fingerprint changes with everything that its numbers depend on, and with nothing else."""

import pytest

from throughtime.runners import environment
from throughtime.runners.environment import fingerprint, imported

ALGORITHM = "throughtime.algorithms.truncated"


@pytest.fixture
def edited(monkeypatch):
    """Pretend that a module's source was edited."""

    def edit(module):
        real = environment.source_hash.__wrapped__
        monkeypatch.setattr(environment, "source_hash", lambda name: real(name) + "edited" * (name == module))

    return edit


def test_imports_are_followed():
    found = imported("throughtime.algorithms.online")
    expected = {"algorithms.online", "algorithms.truncated", "algorithms.base", "networks.base", "tasks.base"}
    assert {f"throughtime.{name}" for name in expected} <= found


def test_other_algorithms_do_not_count():
    assert not {"throughtime.algorithms.rtrl", "throughtime.algorithms.stochastic"} & imported(ALGORITHM)


def test_the_training_loop_counts_and_the_screen_does_not():
    found = imported("throughtime.runners.train")
    assert {"throughtime.runners.measure", "throughtime.runners.experiment"} <= found
    assert not {"throughtime.runners.cli", "throughtime.runners.progress", "throughtime.runners.tables"} & found


@pytest.mark.parametrize("module", [ALGORITHM, "throughtime.algorithms.base", "throughtime.networks.base"])
def test_an_edit_changes_the_fingerprint(edited, module):
    before = fingerprint((ALGORITHM,), "", "cpu")
    edited(module)
    assert fingerprint((ALGORITHM,), "", "cpu") != before


def test_an_edit_elsewhere_does_not(edited):
    before = fingerprint((ALGORITHM,), "", "cpu")
    edited("throughtime.algorithms.rtrl")
    assert fingerprint((ALGORITHM,), "", "cpu") == before


def test_data_counts():
    assert fingerprint((ALGORITHM,), "a", "cpu") != fingerprint((ALGORITHM,), "b", "cpu")


def test_timing_is_never_reused_across_machines(monkeypatch):
    before = fingerprint((ALGORITHM,), "", "cpu")
    monkeypatch.setattr(environment, "_processor", lambda: "another processor")
    assert fingerprint((ALGORITHM,), "", "cpu") != before


def test_torch_version_counts(monkeypatch):
    before = fingerprint((ALGORITHM,), "", "cpu")
    monkeypatch.setattr("torch.__version__", "99.0")
    assert fingerprint((ALGORITHM,), "", "cpu") != before


def test_environment_names_versions_threads_and_load():
    found = environment.environment("cpu")
    assert found["threads_per_run"] == 1
    assert found["packages"]["torch"]
    assert len(found["load_average"]) == 3


def test_outside_a_checkout_there_is_no_commit(tmp_path):
    assert environment.git_state(tmp_path) is None
