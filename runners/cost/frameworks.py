"""Ratios to JAX, Flax and Keras, where they are installed: whole training steps, with clipping and Adam on both sides.

Theirs have our parameters in them, and no time is taken before their gradients equal ours. All run in this process, in
turns, on one thread: nothing of JAX is imported, and no client of it made, but by `start_jax`.
"""

import functools
import importlib.util
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.networks import Cell, Network, make_network
from throughtime.parts import BadInput
from throughtime.runners.training.measure import count_updates
from throughtime.runners.training.stepping import make_stepper
from throughtime.runners.training.timing import Spread, Work, in_turns, ratio
from throughtime.tasks import Batch
from throughtime.tasks.losses import cross_entropy

from .row import Row
from .training_loop import run_config

if TYPE_CHECKING:
    from .jitted import Peer

NEEDS = {"JAX": ("jax", "optax"), "Flax": ("jax", "optax", "flax"), "Keras": ("jax", "optax", "keras")}
HOW = "not installed: pip install 'throughtime[frameworks]'"
TOLERANCE = 1e-5
"""How far a gradient may be from ours, relative to its largest entry."""


@dataclass(frozen=True)
class At:
    """The sizes of one comparison: batch, units, steps, and the depth of `online`."""

    batch_size: int
    hidden_size: int
    length: int
    depth: int

    def __str__(self) -> str:
        return f"T={self.length} B={self.batch_size} n={self.hidden_size}"


SIZES: dict[str, tuple[At, ...]] = {
    "rnn": (At(48, 16, 16, 9), At(1, 64, 50, 10), At(8, 32, 50, 10), At(16, 64, 50, 10), At(32, 64, 100, 10)),
    "gru": (At(8, 32, 50, 10), At(16, 64, 50, 10)),
    "lstm": (At(8, 32, 50, 10), At(16, 64, 50, 10)),
}
ALGORITHMS = {"rnn": ("full", "online", "rtrl"), "gru": ("full", "online"), "lstm": ("full", "online")}


class Ours:
    """One algorithm's training on one batch: its updates, and after each of them the trainer's own step."""

    def __init__(self, algorithm: str, cell: str, at: At) -> None:
        self.spec = f"online(depth={at.depth})" if algorithm == "online" else algorithm
        self.algorithm, self.network, self.batch = make_algorithm(self.spec), network_at(cell, at), batch_at(at)
        sizes = {"length": at.length, "hidden_size": at.hidden_size, "batch_size": at.batch_size}
        self.stepper = make_stepper(run_config(self.spec, **sizes, steps=at.length), self.network)

    def run(self) -> None:
        """All updates of the batch."""
        for update in self.algorithm.updates(self.network, self.batch):
            self.stepper.step(update)

    def gradients(self) -> dict[str, Tensor]:
        """The mean over the updates, at frozen parameters."""
        return estimate_gradient(self.algorithm, self.network, self.batch)


def network_at(cell: str, at: At) -> Network:
    """One input, two classes. The bias that only Flax's GRU lacks is zero, so that all start from the same."""
    network = make_network(cell, input_size=1, hidden_size=at.hidden_size, output_size=2, seed=0)
    if cell == "gru":
        assert isinstance(network.cell, Cell)
        with torch.no_grad():
            network.cell.bias_hh_l0[2 * at.hidden_size :] = 0
    return network


def batch_at(at: At) -> Batch:
    """Coins, and a class at every step. One class is the rarer: where both are as frequent, the gradient by the
    readout's bias is a sum of terms that cancel, and in float32 rounding is all that is left of it.
    """
    draws, shape = torch.Generator().manual_seed(0), (at.length, at.batch_size)
    inputs = torch.randint(2, (*shape, 1), generator=draws).float()
    return Batch(inputs, (torch.rand(shape, generator=draws) < 0.8).long(), cross_entropy)


def installed(framework: str) -> bool:
    """Whether everything that a framework's comparison needs is there."""
    return all(importlib.util.find_spec(module) for module in NEEDS[framework])


def start_jax() -> None:
    """Let JAX make its client for the CPU, where it has none yet, with one thread in its pool, which does all its work.

    The size of the pool is read from NPROC at that moment. The usual XLA_FLAGS for one thread hold neither a batched
    product nor a large one to it. Calls stay asynchronous, as they are by default: the calling thread would else work
    beside the pool.
    """
    with patch.dict(os.environ, NPROC="1"):
        import jax

        jax.config.update("jax_platforms", "cpu")
        jax.devices()


def peers_of(algorithm: str, cell: str, depth: int, network: Network) -> "dict[str, Callable[[], Peer]]":
    """What makes the peers that are installed, by framework: JAX for each algorithm, layers for full BPTT alone."""

    def in_jax() -> "Peer":
        from .jax_loops import jax_peer

        return jax_peer(algorithm, depth, network, cell)

    def in_flax() -> "Peer":
        from .flax_layers import flax_peer

        return flax_peer(network, cell)

    def in_keras() -> "Peer":
        from .keras_layers import keras_peer

        return keras_peer(network, cell)

    start_jax()
    makers = {"JAX": in_jax, **({"Flax": in_flax, "Keras": in_keras} if algorithm == "full" else {})}
    return {framework: make for framework, make in makers.items() if installed(framework)}


def distance(ours: Mapping[str, Tensor], theirs: Mapping[str, np.ndarray]) -> float:
    """Between two gradients: the largest difference of a parameter's over the largest entry of ours; of all the worst.

    Raises:
        BadInput: theirs has nothing for some weight, or another shape.
    """
    worst = 0.0
    for name, gradient in ours.items():
        a, b = gradient.double().numpy(), theirs.get(name)
        if b is None and "bias_hh" in name:  # where one bias does for two
            continue
        if b is None or a.shape != b.shape:
            raise BadInput(f"{name}: ours is {a.shape}, theirs {None if b is None else b.shape}")
        with np.errstate(all="ignore"):
            worst = max(worst, float(np.nan_to_num(np.abs(a - b).max() / np.abs(a).max(), nan=np.inf)))
    return worst


def against_frameworks(cell: str, sizes: Sequence[At], rounds: int) -> list[Row]:
    """Every algorithm that there is a peer of; a row for each framework that is absent, once."""
    rows = []
    if cell == next(iter(SIZES)):
        absent = [framework for framework in NEEDS if not installed(framework)]
        rows += [Row(f"ours / {framework}", "", None, "×", None, reason=HOW) for framework in absent]
    if installed("JAX"):
        for at in sizes:
            for algorithm in ALGORITHMS[cell]:
                rows += compared(algorithm, cell, at, rounds)
    return rows


def compared(algorithm: str, cell: str, at: At, rounds: int, seconds: float = 10.0) -> list[Row]:
    """One algorithm at one size beside all its peers: time in turns, in as many rounds as the seconds allow; memory."""
    from .jitted import Jitted

    ours = Ours(algorithm, cell, at)
    exact, updates = ours.gradients(), 1 if algorithm == "full" else at.length
    rows, works = [], {"ours": Block(ours.run)}
    others = {}
    for framework, make in peers_of(algorithm, cell, at.depth, ours.network).items():
        try:
            peer = make()
            other = Jitted(peer, ours.batch, updates)
            error = distance(exact, other.gradients())
            reason = f"its gradient is {error:.2g} from ours, and {TOLERANCE:g} is allowed"
        except Exception as failure:  # another version of it may have changed anything
            error, reason = math.inf, f"{type(failure).__name__}: {failure}"
        if error > TOLERANCE:
            what, reason = f"{ours.spec} / {framework}, {cell}: time", f"not timed, {reason}"
            rows.append(Row(what, str(at), None, "×", 1.0, reason=reason))
        else:
            others[peer.name], works[peer.name] = other, Block(other.run, other.wait)
    if not others:
        return rows
    a_round = sum(block.warm_up() for block in works.values())
    rounds = min(max(int(seconds / a_round), 3), rounds)
    took = in_turns({name: block.run for name, block in works.items()}, rounds=rounds, warm_up=1)
    least = smallest_update(algorithm, cell) * updates / at.length
    a_step = {name: 1e6 * took[name] / works[name].calls / at.length for name in works}
    mine = count_updates(ours.algorithm, ours.network, ours.batch).peak_bytes
    for name, other in others.items():
        reason = (
            f"{np.median(a_step['ours']):.3g} µs a step, theirs {np.median(a_step[name]):.3g}; "
            f"{least:.2g} µs of ours are there without arithmetic (B=1, n=1, depth 1)"
        )
        measured = ratio(a_step["ours"], a_step[name])
        rows.append(Row(f"{ours.spec} / {name}, {cell}: time", str(at), measured, "×", 1.0, reason=reason))
        memory = Spread.of(np.array([mine / other.peak_bytes()]))
        rows.append(Row(f"{ours.spec} / {name}, {cell}: peak memory", str(at), memory, "×", None))
    return rows


@functools.cache
def smallest_update(algorithm: str, cell: str) -> float:
    """The microseconds of an update with its step where there is next to no arithmetic: one sequence, one unit."""
    at = At(1, 1, 16, 1)
    block = Block(Ours(algorithm, cell, at).run)
    return 1e6 * block.warm_up() / block.calls / (1 if algorithm == "full" else at.length)


class Block:
    """Some work so many times over that it takes milliseconds, of which the part of a clock, of a cold cache and of
    waiting for another thread is small.

    Args:
        work: what is done.
        wait: what is called at the block's end, until all of it is done.
        seconds: that a block takes at least.
    """

    def __init__(self, work: Work, wait: Work = lambda: None, seconds: float = 0.02) -> None:
        self.work, self.wait, self.seconds, self.calls = work, wait, seconds, 1

    def warm_up(self) -> float:
        """Compile what is to be compiled, and find how many calls a block has; the seconds that it takes."""
        once = min(self._timed() for _ in range(3))
        self.calls = max(math.ceil(self.seconds / once), 1)
        return self.calls * once

    def run(self) -> None:
        """One block."""
        for _ in range(self.calls):
            self.work()
        self.wait()

    def _timed(self) -> float:
        start = time.perf_counter()
        self.run()
        return time.perf_counter() - start
