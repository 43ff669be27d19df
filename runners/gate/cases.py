"""The benchmarks by name: every algorithm on every cell, at sizes where all updates of one batch take milliseconds."""

from dataclasses import dataclass

from throughtime.algorithms import ALGORITHMS, make_algorithm
from throughtime.parts.specs import parse_spec
from throughtime.runners.training.workload import Workload

CELLS = ("rnn", "lstm", "gru")

LENGTHS = {
    "full": 100,
    "truncated(k1=10, k2=10)": 20,
    "truncated(k1=2, k2=6)": 20,
    "online(depth=5)": 10,
    "stochastic(length=10)": 20,
    "rtrl": 10,
    "layerwise_rtrl": 5,
    "uoro": 5,
    "snap": 10,
    "snap(order=2)": 5,
    "rflo": 10,
    "eprop": 10,
    "kf_rtrl": 5,
    "ok(rank=3)": 5,
    "sparse_rtrl(paths=4)": 5,
    "readout_only": 20,
    "checkpointed": 100,
    "checkpointed(slots=4)": 20,
    "blocked_rtrl(block=8)": 16,
    "artbp(mean_length=5)": 20,
    "adaptive(delta=0.5, k_max=8)": 20,
    "dni(k=10)": 20,
    "fptt(every=10)": 20,
    "forward_errors": 10,
}
"""Of each algorithm the time steps of a batch."""

HIDDEN_SIZE, BATCH_SIZE = 16, 8


@dataclass(frozen=True)
class Case:
    """One benchmark."""

    algorithm: str
    cell: str

    def __str__(self) -> str:
        return f"{self.algorithm} on {self.cell}"

    @property
    def workload(self) -> Workload:
        """What is counted and timed."""
        return Workload(self.algorithm, self.cell, LENGTHS[self.algorithm], HIDDEN_SIZE, BATCH_SIZE)


CASES = [Case(algorithm, cell) for algorithm in LENGTHS for cell in make_algorithm(algorithm).shown_on or CELLS]
CASES += [Case("full", "leaky"), Case("full", "lru"), Case("rtrl", "lru"), Case("rtrl", "elstm")]
CASES += [Case("rtrl", "rnn(sparsity=0.75)"), Case("rtrl", "rnn(layers=2)")]
"""What tier 0 counts and `tests/benchmarks` times."""

TIMED = [
    Case("full", "rnn"),
    Case("full", "lstm"),
    Case("full", "gru"),
    Case("truncated(k1=2, k2=6)", "rnn"),
    Case("online(depth=5)", "gru"),
    Case("stochastic(length=10)", "rnn"),
    Case("rtrl", "rnn"),
    Case("rtrl", "lstm"),
    Case("readout_only", "gru"),
]
"""What tier 1 times: every cell, and every algorithm that `results/false_alarms.py` was run with, in few cases."""


def without_case() -> list[str]:
    """The algorithms of this package that no case runs."""
    covered = {parse_spec(algorithm)[0] for algorithm in LENGTHS}
    return [name for name in ALGORITHMS.names() if name not in covered]
