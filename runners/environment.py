"""The machine, the versions and the code that a result depends on."""

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import psutil
import torch

PACKAGES = ("throughtime", "torch", "numpy", "scipy", "pandas", "scikit-learn", "statsmodels", "pydantic", "pebble")


def machine(device: str) -> str:
    """What timings depend on: processor, cores, memory in GiB, and the GPU where it is used. No host name."""
    memory = round(psutil.virtual_memory().total / 2**30)
    cores = f"{_processor()}, {os.cpu_count()} cores, {memory} GiB"
    return f"{cores}, {torch.cuda.get_device_name()}" if device == "cuda" else cores


def environment(device: str) -> dict[str, Any]:
    """Everything that a reader of a result may want to know of where it was made."""
    return {
        "machine": machine(device),
        "system": platform.platform(),
        "python": platform.python_version(),
        "threads_per_run": 1,
        "load_average": os.getloadavg(),
        "packages": {name: _version(name) for name in PACKAGES},
        "git": git_state(Path(__file__).resolve().parent),
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """The commit of the checkout that a folder belongs to, and whether code in it differs; None outside one."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)  # a checkout of throughtime, not one around an install
        return {
            "commit": git("rev-parse", "HEAD"),
            "dirty": bool(git("status", "--porcelain", "--", ":/*.py", ":/*.toml")),
        }
    except (OSError, subprocess.CalledProcessError):
        return None


def fingerprint(modules: tuple[str, ...], data: str, device: str) -> str:
    """The hash of all that a run's numbers depend on besides its config: code, data, torch, machine.

    Args:
        modules: the import names where the run's code begins; what they import of throughtime counts as well.
        data: the checksum of the task's data file.
        device: "cpu" or "cuda".
    """
    code = {name: source_hash(name) for root in modules for name in sorted(imported(root))}
    text = json.dumps([code, data, torch.__version__, machine(device)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def imported(module: str) -> frozenset[str]:
    """A module of throughtime and all the modules of throughtime that it imports, directly or through others."""
    found: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        path = _source(name)
        if name in found or path is None:
            continue
        found.add(name)
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ImportFrom):
                base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
                todo += [base, *(f"{base}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                todo += [alias.name for alias in node.names]
        todo = [name for name in todo if name.startswith("throughtime.")]
    return frozenset(found)


def _source(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


@functools.cache
def source_hash(module: str) -> str:
    """The sha256 of a module's source; empty where there is none."""
    path = _source(module)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path is not None else ""


@functools.cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
