"""Ratios to other code, in one process on one thread: who is compared, the limit, and what is known of a miss.

Times that are compared are taken in turns and divided round by round, so that a slow stretch of the machine hits both.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import threadpoolctl
import torch

from throughtime.parts import BadInput
from throughtime.runners.execution.local import worker_pool
from throughtime.runners.execution.pool import Died, Overran, Stopped
from throughtime.runners.training.measure import carried, count, count_updates
from throughtime.runners.training.stepping import make_stepper
from throughtime.runners.training.timing import Spread, in_turns, ratio
from throughtime.runners.training.workload import Prepared, Workload

from .frameworks import SIZES, At, against_frameworks
from .other_code import NumpyRTRL, Products, TorchNN
from .row import Row
from .training_loop import drained, run_config, trained

CELLS = ("rnn", "gru", "lstm")


@dataclass(frozen=True)
class Sizes:
    """Of everything that is compared.

    Attributes:
        length, batch_size, hidden_size: of an update by backpropagation.
        depth: k of the truncated algorithms.
        influence: batch and hidden size of RTRL beside its bare product, by cell.
        chunk: steps of RTRL in a round.
        rounds: of every comparison; the slow ones take a third.
        starts: how often a process is started.
        frameworks: of the training steps beside JAX, Flax and Keras, by cell.
    """

    length: int = 100
    batch_size: int = 32
    hidden_size: int = 64
    depth: int = 10
    influence: Mapping[str, tuple[int, int]] = field(
        default_factory=lambda: {"rnn": (16, 64), "gru": (8, 32), "lstm": (8, 32)}
    )
    chunk: int = 5
    rounds: int = 45
    starts: int = 5
    frameworks: Mapping[str, tuple[At, ...]] = field(default_factory=lambda: SIZES)

    def __str__(self) -> str:
        return f"T={self.length} B={self.batch_size} n={self.hidden_size}"

    def workload(self, algorithm: str, cell: str) -> Workload:
        """An update at these sizes."""
        return Workload(algorithm, cell, self.length, self.hidden_size, self.batch_size)


def against_torch_nn(sizes: Sizes, cell: str) -> list[Row]:
    """Full BPTT beside torch.nn and autograd: time and memory of one update."""
    prepared = sizes.workload("full", cell).prepare()
    other = TorchNN(cell, prepared)
    seconds = in_turns({"full": prepared.run, "torch.nn": other.run}, rounds=sizes.rounds)
    mine = count_updates(prepared.algorithm, prepared.network, prepared.batch).peak_bytes
    theirs = count(other.run, other.known, torch.device("cpu")).peak_bytes
    what = f"full / torch.nn.{cell.upper()}"
    limit = {"rnn": 0.5, "gru": 0.7, "lstm": 1.05}[cell]
    return [
        Row(f"{what}: time", str(sizes), ratio(seconds["full"], seconds["torch.nn"]), "×", limit),
        Row(f"{what}: peak memory", str(sizes), Spread.of(np.array([mine / theirs])), "×", 1.0),
    ]


def against_full(sizes: Sizes, cell: str) -> list[Row]:
    """The truncated algorithms beside full BPTT on the same steps; for the reason, full BPTT on a window alone."""
    k = sizes.depth
    limits = {f"truncated(k1={k}, k2={k})": 1.15, f"truncated(k1=1, k2={k})": 1.3 * k, f"online(depth={k})": 1.3 * k}
    works = {spec: sizes.workload(spec, cell).prepare().run for spec in ("full", *limits)}
    works["window"] = Workload("full", cell, k, sizes.hidden_size, sizes.batch_size).prepare().run
    seconds = in_turns(works, rounds=max(sizes.rounds // 3, 3))
    a_step = ratio(seconds["window"] / k, seconds["full"] / sizes.length)
    reason = f"every update pays what full BPTT pays once: its own step costs {a_step.median:.2g} × where T = {k}"
    rows = []
    for spec, limit in limits.items():
        measured = ratio(seconds[spec], seconds["full"])
        rows.append(Row(f"{spec} / full, {cell}: time", str(sizes), measured, "×", limit, reason=reason))
    return [*rows, Row(f"full at T={k} / full, {cell}: time a step", str(sizes), a_step, "×", None)]


class Updates:
    """One long sequence's updates, some at a time."""

    def __init__(self, prepared: Prepared) -> None:
        self.updates = prepared.algorithm.updates(prepared.network, prepared.batch)
        self.last = next(self.updates)

    def pull(self, number: int, after: Callable[[], object] = lambda: None) -> None:
        """The next ones; `after` is called after each."""
        for _ in range(number):
            self.last = next(self.updates)
            after()


def against_a_product(sizes: Sizes, cell: str) -> list[Row]:
    """RTRL's steps beside the bare products of their shapes."""
    batch_size, hidden_size = sizes.influence[cell]
    rounds, warm_up = sizes.rounds, 2
    length = (rounds + warm_up) * sizes.chunk + 5
    prepared = Workload("rtrl", cell, length, hidden_size, batch_size).prepare()
    updates, products = Updates(prepared), Products(prepared.network, batch_size)
    works = {"rtrl": lambda: updates.pull(sizes.chunk), "bmm": lambda: products.run(sizes.chunk)}
    seconds = in_turns(works, rounds=rounds, warm_up=warm_up)
    rate = ratio(seconds["bmm"], seconds["rtrl"])
    at, limit = f"B={batch_size} n={hidden_size}", 0.7 if cell == "rnn" else 0.5
    product, whole = (1e3 * float(np.median(seconds[name])) / sizes.chunk for name in ("bmm", "rtrl"))
    reason = (
        f"the product is {product:.2g} ms of a step's {whole:.2g} ms; the rest: linearization, readout, "
        "the other state parts and a pass over the matrix for the gradient"
    )
    known = [*prepared.network.parameters(), prepared.batch.inputs, prepared.batch.targets]
    known += [*carried(updates.last.carry)]
    matrix = products.now.numel() * products.now.element_size()
    fresh = count(lambda: updates.pull(1), known, torch.device("cpu")).peak_bytes / matrix
    return [
        Row(f"rtrl, {cell}: rate / that of the bare torch.bmm", at, rate, "×", limit, at_least=True, reason=reason),
        Row(f"rtrl, {cell}: new memory in a step / influence matrix", at, Spread.of(np.array([fresh])), "×", 0.1),
    ]


def against_numpy(sizes: Sizes) -> list[Row]:
    """One step of RTRL for one sequence with the trainer's Adam update, clipped, beside plain numpy, not clipped."""
    steps, n = 4 * sizes.chunk, sizes.hidden_size
    length = (sizes.rounds + 3) * steps
    prepared = Workload("rtrl", "rnn", length, n, 1).prepare()
    config = run_config("rtrl", length=length, hidden_size=n, batch_size=1, steps=length)
    stepper, plain = make_stepper(config, prepared.network), NumpyRTRL(prepared, config.learning_rate)
    updates = Updates(prepared)
    works = {
        "rtrl": lambda: updates.pull(steps, lambda: stepper.step(updates.last)),
        "numpy": lambda: plain.run(steps),
    }
    seconds = in_turns(works, rounds=sizes.rounds)
    at = f"B=1 n={n}"
    milliseconds = {name: Spread.of(1e3 * values / steps) for name, values in seconds.items()}
    reason = f"the product alone, A (n, n) by M (n, P), is {2 * n * n * plain.weights.size:.2g} operations"
    return [
        Row("rtrl, rnn: a step with its Adam update", at, milliseconds["rtrl"], "ms", 1.0, reason=reason),
        Row("plain numpy RTRL: a step with its Adam update", at, milliseconds["numpy"], "ms", None),
        Row("rtrl / plain numpy RTRL: time", at, ratio(seconds["rtrl"], seconds["numpy"]), "×", None),
    ]


def against_others(sizes: Sizes, cell: str) -> list[Row]:
    """Whole training steps beside those of JAX, Flax and Keras."""
    return against_frameworks(cell, sizes.frameworks[cell], sizes.rounds)


def trainers_work(sizes: Sizes) -> list[Row]:
    """What the trainer adds to the updates: per update, and recording's share of a run."""
    fields = {"length": sizes.length, "hidden_size": sizes.hidden_size, "batch_size": sizes.batch_size}
    rounds = max(sizes.rounds // 3, 3)
    cheap = run_config("readout_only", **fields, steps=5 * sizes.length)
    added, plain, recorded = (np.empty(rounds) for _ in range(3))
    for turn in range(-1, rounds):
        seconds, updates = trained(cheap)
        bare, stepped = (drained(cheap, optimizer=optimizer) for optimizer in (False, True))
        if turn >= 0:
            added[turn], plain[turn] = 1e6 * (seconds - bare) / updates, 1e6 * (stepped - bare) / updates
    usual = run_config(f"online(depth={sizes.depth})", **fields, steps=2 * sizes.length)
    for turn in range(-1, rounds):
        seconds, _ = trained(usual)
        if turn >= 0:
            recorded[turn] = 1 - drained(usual, optimizer=True) / seconds
    optimizing, at = "optimizer, clipping, recording: time an update", f"rnn, n={sizes.hidden_size}"
    reason = "torch's own clipping and Adam step of a small network cost as much: the row below"
    return [
        Row(f"trainer: {optimizing}", at, Spread.of(added), "µs", 100.0, reason=reason),
        Row("torch's clip_grad_norm_ and fused Adam alone: time an update", at, Spread.of(plain), "µs", None),
        Row(f"trainer: recording / run, {usual.algorithm}", str(sizes), Spread.of(recorded), "×", 0.03),
    ]


def starting(sizes: Sizes) -> list[Row]:
    """A worker process, and the command line's help."""
    workers, helps = np.empty(max(sizes.starts // 2, 1)), np.empty(sizes.starts)
    for turn in range(len(workers)):
        workers[turn] = _seconds_to_start()
    command = [sys.executable, "-c", "from throughtime.runners.commands.cli import main; main()", "--help"]
    for turn in range(len(helps)):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        helps[turn] = time.perf_counter() - start
    return [
        Row("starting a worker", "imports included", Spread.of(workers), "s", 3.0),
        Row("throughtime --help", "a new process", Spread.of(helps), "s", 0.5),
    ]


def _seconds_to_start(tries: int = 3) -> float:
    """Of a worker process; one that is killed meanwhile is not counted."""
    for _ in range(tries):
        start = time.perf_counter()
        with worker_pool(1) as pool, contextlib.suppress(Died, Overran, Stopped):
            pool.schedule(os.getpid, timeout=60.0).result()
            return time.perf_counter() - start
    raise BadInput(f"a worker process was killed {tries} times before it answered: give the same command again")


PEERS: dict[str, Callable[[Sizes], list[Row]]] = {
    **{f"torch.nn, {cell}": partial(against_torch_nn, cell=cell) for cell in CELLS},
    **{f"truncated and online, {cell}": partial(against_full, cell=cell) for cell in CELLS},
    **{f"rtrl and its product, {cell}": partial(against_a_product, cell=cell) for cell in CELLS},
    "plain numpy": against_numpy,
    **{f"JAX, Flax and Keras, {cell}": partial(against_others, cell=cell) for cell in CELLS},
    "the trainer": trainers_work,
    "starting": starting,
}
"""The comparisons that are measured one after the other."""


def measured_rows(sizes: Sizes | None = None, on_group: Callable[[str], None] = lambda name: None) -> list[Row]:
    """Every comparison; `on_group` is called after each group of them with its name."""
    rows = []
    with one_thread():
        for name, rows_of in PEERS.items():
            rows += rows_of(sizes or Sizes())
            on_group(name)
    return rows


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for torch and for numpy's products, as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpoolctl.threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)
