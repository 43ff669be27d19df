"""A process of its own that times blocks of runs of one version of the code: ``python paired_worker.py FOLDER``.

FOLDER holds a folder ``throughtime``, and every module of throughtime must come from there: it is checked. The measure
itself, `training/workload.py`, is loaded by its path from the code that this file belongs to, so that two versions are
timed by the same one. Commands come as lines of JSON on standard input and are answered by a line each on standard
output; between them the process sleeps. Importing, preparing and warming up happen before a clock is read, and garbage
is collected outside the blocks.
"""

import gc
import importlib
import importlib.util
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

WORKLOAD = Path(__file__).resolve().parent.parent / "training" / "workload.py"
WARM_UP = 3


class Elsewhere(RuntimeError):
    """A module of throughtime comes from another place than the folder to be timed."""


def load_workload(folder: Path) -> Any:
    """The class `Workload`, on the throughtime of that folder."""
    sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location("timed_workload", WORKLOAD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.Workload


def check_origin(folder: Path) -> None:
    """`Elsewhere` unless all that is imported of throughtime lies in the folder; links in it are not followed."""
    inside = Path(os.path.abspath(folder))  # noqa: PTH100 (resolve would follow the links)
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if (name == "throughtime" or name.startswith("throughtime.")) and file is not None:
            place = Path(os.path.abspath(file))  # noqa: PTH100
            if inside not in place.parents:
                raise Elsewhere(f"{name} was imported from {place}, not from {inside}: other code would be timed")


class Worker:
    """The workloads that are ready to be timed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workload = load_workload(folder)
        check_origin(folder)
        self.ready: dict[str, Any] = {}

    def names(self) -> dict[str, Any]:
        """The benchmarks that this version would time itself; none where it has no gate yet."""
        try:
            cases = importlib.import_module("throughtime.runners.gate.cases")
        except ImportError:
            return {"names": []}
        return {"names": [str(case) for case in cases.TIMED]}

    def prepare(self, name: str, workload: dict[str, Any]) -> dict[str, Any]:
        """Build a workload and warm it up; the seconds of its last warm-up run, or why it can't run here."""
        try:
            prepared = self.workload(**workload).prepare()
            for _ in range(WARM_UP):
                start = time.perf_counter()
                prepared.run()
                seconds = time.perf_counter() - start
        except Exception as error:  # whatever the code to be timed does
            return {"error": " ".join(f"{type(error).__name__}: {error}".split())[:200]}
        check_origin(self.folder)
        self.ready[name] = prepared
        gc.collect()
        gc.freeze()  # what is there now need not be looked through after each block
        return {"seconds": seconds}

    def block(self, name: str, runs: int) -> dict[str, Any]:
        """Wall seconds of so many runs."""
        run = self.ready[name].run
        gc.disable()
        start = time.perf_counter()
        for _ in range(runs):
            run()
        seconds = time.perf_counter() - start
        gc.enable()
        gc.collect()
        return {"seconds": seconds}


def main() -> None:
    """Answer commands until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the code to be timed prints is no answer
    try:
        import torch

        torch.set_num_threads(1)
        worker = Worker(Path(sys.argv[1]))
    except Exception as error:
        answer: dict[str, Any] = {"error": " ".join(f"{type(error).__name__}: {error}".split())}
    else:
        answer = {"ready": True}
    print(json.dumps(answer), file=answers, flush=True)
    for line in sys.stdin if "ready" in answer else ():
        command = json.loads(line)
        answer = getattr(worker, command.pop("do"))(**command)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
