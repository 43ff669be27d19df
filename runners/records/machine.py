"""The machine and the versions that a result was made with, and whether the machine is busy."""

import functools
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import psutil
import torch

from throughtime.algorithms.compiled.choose import available

from .git import git_state

PACKAGES = ("throughtime", "torch", "numpy", "scipy", "pandas", "scikit-learn", "statsmodels", "pydantic", "numba")

BUSY_LOAD = 0.5
"""The share of the cores that may be busy before timings are doubted."""


def machine(device: str) -> str:
    """What timings depend on: processor, cores, memory in GiB, and the GPU where it is used. No host name."""
    memory = round(psutil.virtual_memory().total / 2**30)
    cores = f"{_processor()}, {os.cpu_count()} cores, {memory} GiB"
    if device != "cuda":
        return cores
    return f"{cores}, {torch.cuda.get_device_name() if torch.cuda.is_available() else 'no GPU'}"


def arithmetic(device: str) -> str:
    """What the last digits of a run depend on besides its code and torch: the machine, and the kernels in use on it.

    The kernels that torch and the BLAS libraries take can be set from outside (ATEN_CPU_CAPABILITY, MKL_CBWR,
    OPENBLAS_CORETYPE), and so can the processor that Numba compiles for; ours are there with Numba, and call SciPy's
    BLAS for large products.
    """
    capability = torch.backends.cpu.get_cpu_capability()
    set_outside = ("MKL_CBWR", "OPENBLAS_CORETYPE", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")
    chosen = [os.environ.get(name, "") for name in set_outside]
    ours = f"Numba {_version('numba')}, SciPy {_version('scipy')}" if available() else "torch alone"
    return ", ".join([machine(device), capability, *chosen, ours])


def compute_in_full_precision() -> None:
    """float32 is float32 on a GPU too. By default cuDNN's recurrences round products to TF32, and plain products don't:
    full BPTT by the one and RTRL by the other would differ in the third digit.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def environment(device: str) -> dict[str, Any]:
    """Everything that a reader of a result may want to know of where it was made."""
    return {
        "machine": machine(device),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "threads_per_run": 1,
        "float32_products": "in float32 (TF32 is off)",
        "load_average": os.getloadavg(),
        "packages": {name: _version(name) for name in PACKAGES},
        "git": git_state(Path(__file__).resolve().parents[2]),
    }


def busy() -> str:
    """Why timings are to be doubted now, for a warning; empty where nothing else is running, or nothing tells."""
    load = _load()
    if load is None or load <= BUSY_LOAD * (os.cpu_count() or 1):
        return ""
    advice = "scores are safe, timings are not: wait, or trust the exact counts only"
    return f"{load_in_words()}: the machine is busy; {advice}"


def load_in_words() -> str:
    """How many processes ran or waited in the last minute: "load 0.3 on 2 cores"."""
    load = _load()
    return "this system does not tell its load" if load is None else f"load {load:.1f} on {os.cpu_count()} cores"


def _load() -> float | None:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


@functools.cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@functools.cache  # to look for one takes milliseconds, and every row of a suite asks
def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
