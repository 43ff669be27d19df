"""Two versions of the code timed side by side: two processes that take turns, a few milliseconds at a time.

A slow moment of the machine hits both alike, so the ratio of two neighbouring blocks repeats where times do not. What
else differs between two processes is taken out as far as it can be: both run on the same core, one torch thread, the
same hash seed, and an allocator that gives no memory back, whose page faults would come and go with the heap's layout.
The one that waits sleeps.
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from throughtime.runners.training.workload import Workload

from .judge import Session, slower

SCRIPT = Path(__file__).resolve().parent / "paired_worker.py"
PATIENCE = 120.0
"""Seconds after which a worker that gives no answer is taken to hang."""

SAME_FOR_BOTH = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "MALLOC_TRIM_THRESHOLD_": "1000000000",
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
}


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        sessions: pairs of processes.
        rounds: blocks of each version and benchmark in a session.
        block_seconds: about how long a block is; at least one run.
    """

    sessions: int = 3
    rounds: int = 40
    block_seconds: float = 0.004


@dataclass(frozen=True)
class Pair:
    """What base does and what head does; the same, but in an experiment."""

    base: Workload
    head: Workload


@dataclass
class Measured:
    """What the sessions gave: of each benchmark its sessions, and why it can't run in base or in head.

    Attributes:
        in_base: the benchmarks that base would have timed itself.
    """

    sessions: dict[str, list[Session]] = field(default_factory=dict)
    fails_in_base: dict[str, str] = field(default_factory=dict)
    fails_in_head: dict[str, str] = field(default_factory=dict)
    in_base: list[str] = field(default_factory=list)


class WorkerLost(RuntimeError):
    """A worker died, hangs, or could not start; `side` says which, the message why."""

    def __init__(self, side: str, why: str) -> None:
        super().__init__(why)
        self.side = side


class Worker:
    """The near end of one `paired_worker`."""

    def __init__(self, side: str, folder: Path) -> None:
        self.side = side
        environment = {**os.environ, **SAME_FOR_BOTH}
        words = [sys.executable, "-P", str(SCRIPT), str(folder)]
        # The script's own folder must stay off its path (-P): the modules in it are another version's, perhaps.
        self.process = subprocess.Popen(
            words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()
        self.process.communicate()

    def started(self) -> None:
        """Wait until the imports are done."""
        answer = self._answer("start")
        if "error" in answer:
            raise WorkerLost(self.side, f"{self.side} can't be imported: {answer['error']}")

    def ask(self, command: str, **details: Any) -> dict[str, Any]:
        """One command, one answer."""
        assert self.process.stdin is not None
        line = json.dumps({"do": command, **details}) + "\n"
        try:
            self.process.stdin.write(line.encode())
        except BrokenPipeError:
            raise WorkerLost(self.side, f"the process of {self.side} died") from None
        return self._answer(f"{command} {details.get('name', '')}")

    def _answer(self, doing: str) -> dict[str, Any]:
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            raise WorkerLost(self.side, f"the process of {self.side} gave no answer within {PATIENCE:g} s ({doing})")
        line = self.process.stdout.readline()
        if not line:
            raise WorkerLost(self.side, f"the process of {self.side} died ({doing})")
        answer: dict[str, Any] = json.loads(line)
        return answer


def measure(
    base: Path,
    head: Path,
    pairs: Mapping[str, Pair],
    effort: Effort | None = None,
    say: Callable[[str], object] = lambda text: None,
) -> Measured:
    """All sessions, and where a benchmark seems slower as many again of that one: chance rarely strikes twice.

    Args:
        base: the folder of the code compared with, as `checkout.link` makes it.
        head: the folder of the code in question.
        pairs: the benchmarks by name.
        effort: how much.
        say: is told of each session.
    """
    effort = effort or Effort()
    measured = Measured()
    for number in range(effort.sessions):
        say(f"session {number + 1} of {effort.sessions}: {len(pairs)} benchmarks, {effort.rounds} rounds")
        _session(base, head, pairs, effort, number, measured)
    suspects = {name: pairs[name] for name, sessions in measured.sessions.items() if slower(sessions)}
    for number in range(effort.sessions) if suspects else ():
        say(f"once more, session {number + 1} of {effort.sessions}: {', '.join(suspects)}")
        _session(base, head, suspects, effort, effort.sessions + number, measured)
    return measured


def _session(
    base: Path, head: Path, pairs: Mapping[str, Pair], effort: Effort, number: int, measured: Measured
) -> None:
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(*which)) for which in (("base", base), ("head", head))]
        for worker in workers:
            worker.started()
        _share_a_core(workers, number)
        measured.in_base = workers[0].ask("names")["names"]
        runs = {}
        for name, pair in pairs.items():
            answers = [
                worker.ask("prepare", name=name, workload=asdict(workload))
                for worker, workload in zip(workers, (pair.base, pair.head), strict=True)
            ]
            for answer, fails in zip(answers, (measured.fails_in_base, measured.fails_in_head), strict=True):
                if "error" in answer:
                    fails[name] = answer["error"]
            if not any("error" in answer for answer in answers):
                runs[name] = max(1, round(effort.block_seconds / answers[0]["seconds"]))
        seconds = {name: np.empty((effort.rounds, 2)) for name in runs}
        for turn in range(-1, effort.rounds):  # the first round is thrown away
            for name, count in runs.items():
                for side in (0, 1) if turn % 2 else (1, 0):
                    taken = workers[side].ask("block", name=name, runs=count)["seconds"] / count
                    if turn >= 0:
                        seconds[name][turn, side] = taken
        for name, taken in seconds.items():
            measured.sessions.setdefault(name, []).append(Session.of(taken))


def _share_a_core(workers: list[Worker], number: int) -> None:
    """Put both on one core, another one each session: two cores of a busy machine are not equally fast."""
    if hasattr(os, "sched_setaffinity"):  # not on every system
        cores = sorted(os.sched_getaffinity(0))
        for worker in workers:
            os.sched_setaffinity(worker.process.pid, {cores[number % len(cores)]})
