"""What is noted of the machine, and what of it makes a result another one."""

import pytest
import torch

from throughtime.runners.records import machine
from throughtime.runners.records.git import git_state
from throughtime.runners.records.machine import arithmetic


def test_timing_is_never_reused_across_machines(monkeypatch):
    before = arithmetic("cpu")
    monkeypatch.setattr(machine, "_processor", lambda: "another processor")
    assert arithmetic("cpu") != before


def test_another_set_of_kernels_is_another_arithmetic(monkeypatch):
    before = arithmetic("cpu")
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "NO_AVX")
    assert arithmetic("cpu") != before


@pytest.mark.parametrize("name", ["MKL_CBWR", "OPENBLAS_CORETYPE", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"])
def test_kernels_that_are_set_from_outside_are_another_arithmetic(monkeypatch, name):
    monkeypatch.delenv(name, raising=False)
    before = arithmetic("cpu")
    monkeypatch.setenv(name, "generic")
    assert arithmetic("cpu") != before


def test_a_busy_machine_is_told(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("os.getloadavg", lambda: (9.0, 0.0, 0.0))
    assert machine.busy().startswith("load 9.0 on 2 cores: the machine is busy; scores are safe")
    monkeypatch.setattr("os.getloadavg", lambda: (0.4, 9.0, 9.0))
    assert machine.busy() == ""
    assert machine.load_in_words() == "load 0.4 on 2 cores"


def test_environment_names_versions_threads_and_load():
    found = machine.environment("cpu")
    assert found["threads_per_run"] == 1
    assert found["packages"]["torch"]
    assert len(found["load_average"]) == 3


def test_outside_a_checkout_there_is_no_commit(tmp_path):
    assert git_state(tmp_path) is None


def test_float32_is_float32_on_a_gpu_too():
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    try:
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
        machine.compute_in_full_precision()
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
    assert "TF32 is off" in machine.environment("cpu")["float32_products"]
