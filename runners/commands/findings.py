"""Is this machine ready? Each finding is ok, a note, a warning or an error, with what to do."""

import importlib.metadata
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from throughtime.algorithms.compiled.choose import missing
from throughtime.networks.compiled.cache import cache_folder
from throughtime.runners.records.machine import busy, load_in_words, machine
from throughtime.tasks import TASKS


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    subject: str
    verdict: Literal["ok", "note", "warn", "error"]
    text: str


def examine(folder: str | Path = ".") -> list[Finding]:
    """Look at the machine and at the folder that results would be written under."""
    return [_python(), _torch(), _machine(), _kernels(), _load(), _gpu(), _disk(Path(folder)), *_tasks()]


def _python() -> Finding:
    return Finding("python", "ok", platform.python_version())


def _torch() -> Finding:
    version = importlib.metadata.version("torch")
    return Finding("torch", "ok", f"{version}; each run uses one thread")


def _machine() -> Finding:
    return Finding("machine", "ok", machine("cpu"))


def _kernels() -> Finding:
    """What recurrent networks are computed by on the CPU."""
    if reason := missing():
        return Finding("kernels", "warn", f"all works, by torch alone and several times slower: {reason}")
    folder = cache_folder()
    if folder is None:
        text = "no folder can be written for compiled kernels, and every process compiles its own; set XDG_CACHE_HOME"
        return Finding("kernels", "warn", text)
    compiled = len(list(folder.glob("*.compiled")))
    version = importlib.metadata.version("numba")
    return Finding("kernels", "ok", f"Numba {version}; {compiled} compiled so far, in {folder}")


def _load() -> Finding:
    """Whether something else is running."""
    told = busy()
    return Finding("load", "warn" if told else "ok", told or load_in_words())


def _gpu() -> Finding:
    if torch.cuda.is_available():
        return Finding("gpu", "ok", f"{torch.cuda.get_device_name()}; use it with --device cuda")
    return Finding("gpu", "note", "torch finds no CUDA GPU; everything runs on the CPU")


def _disk(folder: Path) -> Finding:
    if not os.access(folder, os.W_OK):
        return Finding("disk", "error", f"no permission to write in {folder.resolve()}; use --out DIR elsewhere")
    free = shutil.disk_usage(folder).free / 2**30
    if free < 1:
        return Finding("disk", "warn", f"{free:.2f} GiB free; a large suite may not fit")
    return Finding("disk", "ok", f"{free:.0f} GiB free")


def _tasks() -> list[Finding]:
    findings = []
    for name in TASKS.names():
        available, reason = TASKS.get(name).available()
        if not available:
            findings.append(Finding(f"task {name}", "note", reason))
    return findings or [Finding("tasks", "ok", "the data of every task is installed")]
