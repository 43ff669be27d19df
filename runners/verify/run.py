"""``throughtime verify``: every check of a part, each with a deadline, in a process that the part may wreck."""

import math
import signal
import statistics
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from throughtime.algorithms import ALGORITHMS, Algorithm, make_algorithm
from throughtime.networks import CELLS
from throughtime.networks.registry import Maker
from throughtime.parts import BadInput
from throughtime.parts.specs import nearest, parse_spec
from throughtime.runners.execution.local import worker_pool
from throughtime.runners.execution.pool import Died, Overran, Raised, Stopped
from throughtime.runners.execution.worker import Tail, death, heard, in_worker, one_line
from throughtime.runners.suite.fingerprint import Code
from throughtime.runners.suite.plugins import REGISTRIES, files_of, load_plugin, load_plugins, loaded
from throughtime.runners.suite.reach import check_reach
from throughtime.runners.training.measure import count_updates
from throughtime.tasks import TASKS, make_task

from .algorithm import algorithm_checks
from .cell import cell_checks
from .check import Check, Finding
from .problems import Problem, problem_for
from .task import task_checks

try:
    import resource
except ImportError:  # not on every system
    resource = None  # type: ignore[assignment]

DEADLINE = 120.0
"""CPU seconds for one check, whatever else the machine does; those of the built-ins take about one."""

PATIENCE = 10.0
"""By how much more the clock on the wall may show: a check that waits for what never comes uses no CPU."""


@dataclass(frozen=True)
class Part:
    """What is to be verified: its kind, and its name with parameters."""

    kind: str
    spec: str

    def checks(self) -> list[Check[Any]]:
        """All of them, of a fresh instance."""
        return KINDS[self.kind](self.spec)

    @property
    def files(self) -> tuple[str, ...]:
        """The loose files to load for it: its own, and those of cells, which an algorithm may serve alone."""
        kind = REGISTRIES[f"{self.kind}s"].get(parse_spec(self.spec)[0])
        check_reach([kind])
        modules = set(Code((kind.__module__,)).plugins)
        if self.kind == "algorithm":
            modules |= {plugin.module for plugin in loaded() if any(kind == "cell" for kind, _ in plugin.names)}
        return files_of(modules)

    def __str__(self) -> str:
        return f"{self.kind} {self.spec}"


KINDS: dict[str, Callable[[str], list[Check[Any]]]] = {
    "algorithm": lambda spec: list(algorithm_checks(make_algorithm(spec))),
    "task": lambda spec: list(task_checks(make_task(spec))),
    "cell": lambda spec: _cell_checks(CELLS.maker(spec)),
}


def _cell_checks(maker: Maker) -> list[Check[Any]]:
    return list(cell_checks(maker, getattr(maker.cell, "expected_failures", {})))


def parts(name_or_file: str) -> list[Part]:
    """What a name, a name with parameters, or a plugin's file stands for.

    Raises:
        BadInput: nothing that can be verified has that name.
    """
    if name_or_file.endswith(".py"):
        names = load_plugin(name_or_file).names
        found = [Part(kind, name) for kind, name in names if kind in KINDS]
        if not found:
            kinds = ", ".join(KINDS)
            raise BadInput(f"{name_or_file} defines {_listed(names)}; what can be verified: {kinds}")
        return found
    name = parse_spec(name_or_file)[0]
    known = {"algorithm": ALGORITHMS.names(), "task": TASKS.names(), "cell": CELLS.names()}
    for kind, names_of_kind in known.items():
        if name in names_of_kind:
            return [Part(kind, name_or_file)]
    every = [one for names_of_kind in known.values() for one in names_of_kind]
    raise BadInput(f"nothing that can be verified is called {name!r}; {nearest(name, every)}; or give a file, path.py")


def verify(part: Part, say: Callable[[str], None], deadline: float = DEADLINE) -> list[Finding]:
    """Run every check of a part, and tell each as it ends.

    Args:
        part: what is verified. Making it happens here, once, so that wrong parameters are told at once.
        say: is told of each finding, and of the costs.
        deadline: seconds for one check.
    """
    names = [check.name for check in part.checks()]
    files = part.files
    findings = []
    say(f"{part}: {len(names)} checks\n")
    with worker_pool(1) as pool:
        for name in names:
            future = pool.schedule(_find, args=(part, name, files, deadline), timeout=PATIENCE * deadline)
            finding = _finding(name, future, deadline)
            findings.append(finding)
            say(in_words(finding))
        if part.kind == "algorithm":
            say(_in_words_of_costs(pool.schedule(_costs, args=(part.spec, files), timeout=PATIENCE * deadline)))
    return findings


def in_words(finding: Finding) -> str:
    """A finding as a paragraph."""
    mark = {"passed": "ok", "not promised": "-", "expected failure": "expected"}.get(finding.outcome, "FAILED")
    rows = [("promised", finding.promised), ("measured", finding.measured)]
    if finding.look_at:
        rows.append(("look at" if finding.outcome == "failed" else "because", finding.look_at))
    indent = " " * 19
    lines = [f"{mark:<8} {finding.check}"]
    for title, text in rows:
        lines.append(textwrap.fill(text, 118, initial_indent=f"{'':<9}{title:<10}", subsequent_indent=indent))
    return "\n".join(lines) + "\n"


def tally(findings: Sequence[Finding]) -> str:
    """How many of which outcome."""
    outcomes = [finding.outcome for finding in findings]
    return ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in dict.fromkeys(sorted(outcomes)))


def _find(part: Part, name: str, files: tuple[str, ...], deadline: float) -> Finding:
    """In the worker: one check."""
    _limit_cpu(deadline)
    tail = Tail()
    with heard(tail):
        load_plugins(files)
        (check,) = (check for check in part.checks() if check.name == name)
        return check.find()


def _limit_cpu(seconds: float) -> None:
    """The kernel ends this process by SIGXCPU when it has used so many more seconds, where there are such limits."""
    if resource is not None and in_worker():  # a worker, and nobody else's process
        used = time.process_time()
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used + seconds), most))


def _finding(name: str, future: Any, deadline: float) -> Finding:
    """A check's finding, also where its worker overran or died."""
    try:
        finding: Finding = future.result()
        return finding
    except BadInput:  # no worker can be started, which is not the part's fault
        raise
    except (Overran, Stopped):
        waited = f"{PATIENCE * deadline:g} s went by, and it did not use {deadline:g} s of CPU time"
        return Finding(name, "The check ends.", waited, "not measured", "waiting without an end, or a busy machine")
    except Died as error:
        if error.exitcode == -getattr(signal, "SIGXCPU", 0):
            measured = f"it did not end within {deadline:g} s of CPU time"
            return Finding(name, "The check ends.", measured, "failed", "endless loops, or work that grows too fast")
        measured, look = f"the process {death(error.exitcode)}", "os._exit, a crash in native code, too much memory"
    except Raised as error:
        measured, look = str(error), "what the constructor does"
    except Exception as error:
        measured, look = one_line(error), "what the constructor does"
    return Finding(name, "The check ends.", measured, "failed", look)


LENGTH, SIZE, UNITS, ROUNDS = 50, 8, 16, 7


def _costs(spec: str, files: tuple[str, ...]) -> str:
    """In the worker: what a batch costs beside full BPTT, both timed in turns."""
    with heard(Tail()):
        load_plugins(files)
        torch.set_num_threads(1)
        both = [make_algorithm(spec), make_algorithm("full")]
        problem = problem_for(both[0], LENGTH, SIZE, units=UNITS, dtype=torch.float32)
        seconds: list[list[float]] = [[], []]
        for _ in range(ROUNDS):
            for algorithm, taken in zip(both, seconds, strict=True):
                taken.append(_seconds(algorithm, problem))
        mine, full = (count_updates(algorithm, problem.network, problem.batch) for algorithm in both)
        cell = problem.name.partition(",")[0]
        ratio = statistics.median(a / b for a, b in zip(*seconds, strict=True))
        return (
            f"costs of a batch beside full BPTT's ({cell}, T={LENGTH}, B={SIZE}, {UNITS} units): "
            f"{ratio:.2g} × its time, "
            f"{mine.peak_bytes / full.peak_bytes:.2g} × its peak bytes ({mine.peak_bytes:,}), "
            f"{mine.flops / full.flops:.2g} × its FLOPs, {mine.ops / full.ops:.2g} × its operators"
        )


def _seconds(algorithm: Algorithm, problem: Problem) -> float:
    start = time.perf_counter()
    for _ in problem.updates(algorithm):
        pass
    return time.perf_counter() - start


def _in_words_of_costs(future: Any) -> str:
    try:
        return textwrap.fill(future.result(), 118)
    except (Overran, Stopped):
        return "costs: not measured (they did not end in time)"
    except (Died, Raised) as error:
        return f"costs: not measured ({error})"
    except Exception as error:
        return f"costs: not measured ({one_line(error)})"


def _listed(names: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"the {kind} {name}" for kind, name in names)
