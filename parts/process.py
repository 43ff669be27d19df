"""What is one for the whole process, random states and settings: read, compared, and put back.

Code of others that is only looked at, at its import say, must change the numbers of no other part. What can be read is
put back after it; a function of torch, numpy, Python or throughtime that was replaced is put back too, and told.
"""

import gc
import locale
import os
import random
import signal
import sys
import threading
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

State = dict[str, object]
"""What a process is in, by what it is called in a message."""


class _Setting(NamedTuple):
    read: Callable[[], object]
    put_back: Callable[[Any], object]


def _put_environment_back(before: dict[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update({name: value for name, value in before.items() if os.environ.get(name) != value})


def _put_filters_back(before: list[Any]) -> None:
    warnings.filters[:] = before  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _put_deterministic_back(before: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def _folder() -> str | None:
    try:
        return str(Path.cwd())
    except FileNotFoundError:  # it was removed meanwhile
        return None


def _put_folder_back(before: str | None) -> None:
    if before is not None:
        os.chdir(before)


def _flushes() -> bool:
    """Whether numbers too small for full precision become 0; torch has no word for it."""
    return float(torch.tensor(1e-40, dtype=torch.float32, device="cpu") * 0.5) == 0


def _handlers() -> tuple[Any, ...]:
    return tuple(signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM))


def _put_handlers_back(before: tuple[Any, ...]) -> None:
    if threading.current_thread() is threading.main_thread():
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)


def _autocast() -> tuple[bool, bool]:
    return torch.is_autocast_enabled("cpu"), torch.is_autocast_enabled("cuda")


def _put_autocast_back(before: tuple[bool, bool]) -> None:
    torch.set_autocast_enabled("cpu", before[0])
    torch.set_autocast_enabled("cuda", before[1])


def _figures() -> dict[str, Any]:
    """What figures look like, where it is not as matplotlib was loaded; nobody may have loaded it yet."""
    plots = sys.modules.get("matplotlib")
    if plots is None or not hasattr(plots, "rcParamsOrig"):
        return {}
    now = dict(dict.items(plots.rcParams))  # of a dict: to ask the class itself for the backend would choose one
    return {name: value for name, value in now.items() if name != "backend" and value != plots.rcParamsOrig[name]}


def _put_figures_back(before: dict[str, Any]) -> None:
    plots: Any = sys.modules["matplotlib"]
    loaded = {name: value for name, value in dict.items(plots.rcParamsOrig) if name != "backend"}
    dict.update(plots.rcParams, {**loaded, **before})


def _put_locale_back(before: str) -> None:
    locale.setlocale(locale.LC_ALL, before)


def _put_collector_back(before: tuple[bool, tuple[int, int, int]]) -> None:
    (gc.enable if before[0] else gc.disable)()
    gc.set_threshold(*before[1])


_guards: list[torch.inference_mode] = []
"""A mode ends with the object that began it."""


def _put_inference_mode_back(before: bool) -> None:
    _guards.append(torch.inference_mode(before))
    _guards[-1].__enter__()


_CUDNN = ("enabled", "benchmark", "deterministic", "allow_tf32")


def _put_cudnn_back(before: tuple[bool, ...]) -> None:
    for name, value in zip(_CUDNN, before, strict=True):
        setattr(torch.backends.cudnn, name, value)


def _put_device_back(before: torch.device) -> None:
    # None takes the device's own hook away, which slows every operator down.
    torch.set_default_device(None if before == torch.device("cpu") else before)


_SETTINGS: dict[str, _Setting] = {
    "torch's random state": _Setting(torch.get_rng_state, torch.set_rng_state),
    "numpy's random state": _Setting(np.random.get_state, np.random.set_state),
    "Python's random state": _Setting(random.getstate, random.setstate),
    "the default dtype": _Setting(torch.get_default_dtype, torch.set_default_dtype),
    "the default device": _Setting(torch.get_default_device, _put_device_back),
    "the number of threads": _Setting(torch.get_num_threads, torch.set_num_threads),
    "whether gradients are recorded": _Setting(torch.is_grad_enabled, torch.set_grad_enabled),
    "whether anomalies are detected": _Setting(torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    "whether algorithms must be deterministic": _Setting(_deterministic, _put_deterministic_back),
    "whether the smallest numbers are flushed to zero": _Setting(_flushes, torch.set_flush_denormal),
    "whether inference mode is on": _Setting(torch.is_inference_mode_enabled, _put_inference_mode_back),
    "whether autocast is on": _Setting(_autocast, _put_autocast_back),
    "the precision of matrix products": _Setting(
        torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
    ),
    "the settings of cuDNN": _Setting(
        lambda: tuple(getattr(torch.backends.cudnn, name) for name in _CUDNN), _put_cudnn_back
    ),
    "numpy's error state": _Setting(np.geterr, lambda before: np.seterr(**before)),
    "numpy's way of printing": _Setting(np.get_printoptions, lambda before: np.set_printoptions(**before)),
    "the recursion limit": _Setting(sys.getrecursionlimit, sys.setrecursionlimit),
    "the garbage collector": _Setting(lambda: (gc.isenabled(), gc.get_threshold()), _put_collector_back),
    "the working directory": _Setting(_folder, _put_folder_back),
    "the environment variables": _Setting(lambda: dict(os.environ), _put_environment_back),
    "the locale": _Setting(lambda: locale.setlocale(locale.LC_ALL), _put_locale_back),
    "the warnings filters": _Setting(lambda: list(warnings.filters), _put_filters_back),
    "the handlers of signals": _Setting(_handlers, _put_handlers_back),
    "how figures look": _Setting(_figures, _put_figures_back),
}


def state() -> State:
    """By what it is called in a message."""
    return {name: setting.read() for name, setting in _SETTINGS.items()}


def changed(before: State) -> list[str]:
    """What is not as it was, by name."""
    return [name for name, value in state().items() if not _same(value, before[name])]


def restore(before: State) -> None:
    """Put all of it back."""
    for _ in range(2):  # one may change another: to leave inference mode records gradients
        for name in changed(before):
            _SETTINGS[name].put_back(before[name])


def _same(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


_SHARED = (
    "builtins",
    "math",
    "random",
    "time",
    "numpy",
    "numpy.linalg",
    "numpy.random",
    "torch",
    "torch.autograd",
    "torch.linalg",
    "torch.nn",
    "torch.nn.functional",
    "torch.nn.utils",
    "torch.optim",
)
"""Modules outside of throughtime that every run computes with."""

Names = dict[str, tuple[object, dict[str, object]]]
"""Modules and classes by their full names, each with what it has by name."""


def names_in_use() -> Names:
    """What throughtime and the libraries that it computes with define, as it is now."""
    ours = [name for name in sys.modules if name.partition(".")[0] == "throughtime"]
    found: Names = {}
    for module_name in [*_SHARED, *ours]:
        module = sys.modules.get(module_name)
        if module is None:
            continue
        found[module_name] = (module, dict(vars(module)))
        for value in list(vars(module).values()):
            if isinstance(value, type) and value.__module__.partition(".")[0] == module_name.partition(".")[0]:
                found[f"{value.__module__}.{value.__qualname__}"] = (value, dict(vars(value)))
    return found


def put_names_back(before: Names) -> list[str]:
    """Put back what code of others has replaced, deleted or hidden, and give its full names.

    What a library replaces in itself, as torch does when its compiler is loaded, is its own affair.
    """
    found = []
    for owner_name, (owner, names) in before.items():
        now = dict(vars(owner))
        for name, value in names.items():
            if now.get(name, _GONE) is not value and _foreign(name, value, now.get(name, _GONE), owner_name):
                found.append(f"{owner_name}.{name}")
                setattr(owner, name, value)
        if isinstance(owner, type):
            for name in now.keys() - names.keys():
                hidden = [vars(base)[name] for base in owner.__mro__[1:] if name in vars(base)]
                if hidden and _foreign(name, hidden[0], now[name], owner_name):
                    found.append(f"{owner_name}.{name}")
                    delattr(owner, name)
    return sorted(found)


_GONE = object()

_CALLED = (types.FunctionType, types.BuiltinFunctionType, type, staticmethod, classmethod, property)


def _foreign(name: str, before: object, now: object, owner: str) -> bool:
    """Whether others have replaced what matters: Python and libraries keep changing notes of their own in a class."""
    constant = not callable(before) and not name.startswith("_") and owner.startswith("throughtime.")
    matters = isinstance(before, _CALLED) or (callable(before) and not name.startswith("_abc")) or constant
    return matters and not _own(now, owner)


def _own(value: object, owner: str) -> bool:
    """Whether a new value comes from the same library as what it is in; the file of its code tells, not its name."""
    top = owner.partition(".")[0]
    code = getattr(value, "__code__", None)
    if code is not None:
        folders = getattr(sys.modules.get(top), "__path__", ())
        return any(code.co_filename.startswith(folder) for folder in folders)
    name = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
    return str(name).partition(".")[0] == top
