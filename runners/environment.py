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
import sys
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
        modules: the import names where the run's code begins. What they import of throughtime counts as well, and of
            plugins whatever they import that is not an installed library; of a library, its version.
        data: the checksum of the task's data file.
        device: "cpu" or "cuda".
    """
    found = {name for root in modules for name in imported(root)}
    code = {name: source_hash(name) for name in sorted(found)}
    libraries = {name: _version_of_library(name) for name in sorted(_libraries(frozenset(found)))}
    known = [code, data, torch.__version__, machine(device)]
    text = json.dumps([*known, libraries] if libraries else known, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def look_again() -> None:
    """Forget what was read of sources: they may have been edited since."""
    source_hash.cache_clear()
    imported.cache_clear()


def plugin_sources(modules: tuple[str, ...]) -> dict[str, str]:
    """The sha256 of each file from outside of throughtime that code beginning in these modules uses, by module."""
    found = {name for root in modules for name in imported(root) if not _ours(name)}
    return {name: source_hash(name) for name in sorted(found)}


@functools.cache
def imported(module: str) -> frozenset[str]:
    """A module and all the modules that it imports, directly or through others, but for libraries and Python's own.

    Found in the text: imports inside of functions count, a module whose name is made at run time does not.
    """
    found: set[str] = set()
    todo = [module]
    own = module.partition(".")[0]
    while todo:
        name = todo.pop()
        path = _source(name) if _followed(name, own) else None
        if name in found or path is None:
            continue
        found.add(name)
        todo += _imports(name, path)
    return frozenset(found)


def _imports(module: str, path: Path) -> list[str]:
    """What may be modules among the words that a module's source imports."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return names


def _ours(module: str) -> bool:
    return module.partition(".")[0] == "throughtime"


def _followed(module: str, own: str) -> bool:
    """Whether a module's source is looked into: throughtime's, a plugin's own, and any that no library's folder has."""
    top = module.partition(".")[0]
    if top in ("throughtime", own):
        return True
    path = None if top in sys.stdlib_module_names else _source(top)
    return path is not None and not _LIBRARY_FOLDERS & set(path.parts)


_LIBRARY_FOLDERS = {"site-packages", "dist-packages"}


def _libraries(modules: frozenset[str]) -> set[str]:
    """The libraries that modules from outside of throughtime import, by import name; torch stands in every key."""
    found = set()
    for name in modules:
        path = None if _ours(name) else _source(name)
        if path is not None:
            own = name.partition(".")[0]
            tops = {word.partition(".")[0] for word in _imports(name, path)}
            found |= {top for top in tops - sys.stdlib_module_names if not _followed(top, own)}
    return found - {"torch"}


def _version_of_library(module: str) -> str | None:
    packages = importlib.metadata.packages_distributions().get(module)
    return _version(packages[0]) if packages else None


def _source(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except Exception:  # a word that is no module, a module without a spec, or whose package can't be imported
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


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
