"""Scaling laws: the exponent of a cost in a size, measured from exact counts, beside the one that theory gives.

An exponent is the slope of a least-squares line through the logarithms, over the largest sizes alone: where the
leading term does not dominate yet, a slope is a mixture. Pure functions; nothing here knows of files or screens.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import linregress

from throughtime.algorithms import make_algorithm
from throughtime.networks import CELLS, DiagonalCell
from throughtime.parts.specs import parse_spec

from .point import Axis, Cost

FITTED = 4
"""An exponent is fitted to that many of the largest sizes."""

TOLERANCE = 0.1
"""How far a measured exponent may be from the theoretical one to agree: what terms of lower order leave."""

Quantity = Literal["flops", "peak_bytes"]


@dataclass(frozen=True)
class Law:
    """A theoretical exponent and why.

    Attributes:
        low: the exponent.
        high: the same; more, where two terms compete and which of them leads depends on the sizes.
        reason: in a few words.
    """

    low: float
    high: float
    reason: str

    def allows(self, exponent: float) -> bool:
        """Whether a measured exponent agrees."""
        return self.low - TOLERANCE <= exponent <= self.high + TOLERANCE

    def __str__(self) -> str:
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g}–{self.high:g}"


@dataclass(frozen=True)
class Scaling:
    """How one algorithm's costs on one cell grow along one axis; None: too few sizes were measured.

    Attributes:
        sizes: those that the exponents are fitted to.
        measured: of each counted quantity.
        time: the exponent of the median time, which is a measurement of the machine too.
        laws: the theoretical exponents; none where nothing is claimed.
    """

    cell: str
    algorithm: str
    axis: Axis
    held: str
    sizes: tuple[int, ...]
    measured: dict[Quantity, float | None]
    time: float | None
    laws: dict[Quantity, Law]

    @property
    def verdict(self) -> str:
        """Say "agrees", or what differs."""
        judged = [(name, self.measured[name], law) for name, law in self.laws.items()]
        if not judged:
            return "nothing claimed"
        if any(exponent is None for _, exponent, _ in judged):
            return "too few sizes"
        words = {"flops": "FLOPs", "peak_bytes": "memory"}
        wrong = [words[name] for name, exponent, law in judged if exponent is not None and not law.allows(exponent)]
        return f"{' and '.join(wrong)} differ{'s' if wrong == ['memory'] else ''}" if wrong else "agrees"


def slope(sizes: Sequence[float], values: Sequence[float]) -> float | None:
    """The exponent p of values ∝ sizes^p over the `FITTED` largest sizes; None for fewer than three.

    >>> slope([1, 2, 4, 8, 16], [7.0, 4.0, 16.0, 64.0, 256.0])
    2.0
    """
    largest = sorted(zip(sizes, values, strict=True))[-FITTED:]
    if len(largest) < 3 or any(value <= 0 for _, value in largest):
        return None
    x, y = np.log(np.array(largest, dtype=float)).T
    return round(float(linregress(x, y).slope), 6) + 0.0


def scaling(costs: Sequence[Cost], cell: str, algorithm: str, axis: Axis, held: str) -> Scaling:
    """The exponents of one line of points, of which only those that are done count."""
    done = [cost for cost in costs if cost.status == "done"]
    sizes = [getattr(cost.point, axis) for cost in done]
    times = [cost.wall.median * cost.point.length for cost in done if cost.wall is not None]
    measured: dict[Quantity, float | None] = {
        "flops": slope(sizes, [float(cost.flops or 0) for cost in done]),
        "peak_bytes": slope(sizes, [float(cost.peak_bytes or 0) for cost in done]),
    }
    fitted = tuple(sorted(sizes)[-FITTED:])
    return Scaling(cell, algorithm, axis, held, fitted, measured, slope(sizes, times), theory(algorithm, axis, cell))


_WINDOW = "a window's activations, which grow, and the gradients, which are n² and do not depend on B"

LAWS: dict[str, dict[tuple[Quantity, Axis], Law]] = {
    "full": {
        ("flops", "length"): Law(1, 1, "every step is computed once forward and once backward"),
        ("peak_bytes", "length"): Law(1, 1, "the activations of all T steps are kept for the walk back"),
        ("flops", "hidden_size"): Law(2, 2, "a step multiplies by U, n × n"),
        ("peak_bytes", "hidden_size"): Law(1, 1, "T B n activations; the n² of the gradients are less where T B ≫ n"),
        ("flops", "batch_size"): Law(1, 1, "every sequence is computed"),
        ("peak_bytes", "batch_size"): Law(1, 1, "T B n activations"),
    },
    "truncated": {
        ("flops", "length"): Law(1, 1, "k2 / k1 times full BPTT's step"),
        ("peak_bytes", "length"): Law(0, 0, "one window of k2 steps is alive at a time"),
        ("flops", "hidden_size"): Law(2, 2, "a step multiplies by U, n × n"),
        ("peak_bytes", "hidden_size"): Law(1, 2, "k2 B n activations and n² of gradients"),
        ("flops", "batch_size"): Law(1, 1, "every sequence is computed"),
        ("peak_bytes", "batch_size"): Law(0, 1, _WINDOW),
    },
    "stochastic": {
        ("flops", "length"): Law(0, 1, "a gradient-free pass over T steps, and a window whose length is given"),
        ("peak_bytes", "length"): Law(0, 1, "the pass's hidden states, and a window whose length is given"),
        ("flops", "hidden_size"): Law(2, 2, "a step multiplies by U, n × n"),
        ("peak_bytes", "hidden_size"): Law(1, 2, "activations are n, gradients n²"),
        ("flops", "batch_size"): Law(1, 1, "every sequence is computed"),
        ("peak_bytes", "batch_size"): Law(0, 1, _WINDOW),
    },
    "readout_only": {
        ("flops", "length"): Law(1, 1, "every step is computed once"),
        ("flops", "hidden_size"): Law(2, 2, "a step multiplies by U, n × n"),
        ("peak_bytes", "hidden_size"): Law(1, 2, "activations are n, gradients n²"),
        ("flops", "batch_size"): Law(1, 1, "every sequence is computed"),
        ("peak_bytes", "batch_size"): Law(0, 1, _WINDOW),
    },
}


def _forward(what: str, flops: Law, memory: Law) -> dict[tuple[Quantity, Axis], Law]:
    """Of what goes forward in time and carries one thing for each sequence; what flops and memory are in n is given."""
    return {
        ("flops", "length"): Law(1, 1, "a step is the same wherever it is"),
        ("peak_bytes", "length"): Law(0, 0, f"the {what} is all that is carried"),
        ("flops", "hidden_size"): flops,
        ("peak_bytes", "hidden_size"): memory,
        ("flops", "batch_size"): Law(1, 1, f"every sequence has its {what}"),
        ("peak_bytes", "batch_size"): Law(1, 1, f"every sequence has its {what}"),
    }


LAWS["rtrl"] = _forward(
    "influence matrix",
    Law(4, 4, "∂s/∂s, S n × n, times the influence matrix's n × P, P ~ G n²"),
    Law(3, 3, "the influence matrix is B × S n × P, P ~ G n²"),
)
_TRACES = _forward(
    "trace of each weight",
    Law(2, 2, "a step multiplies by U, n × n; the traces go on elementwise"),
    Law(2, 2, "a trace for each weight and sequence, B × S P, P ~ G n²"),
)
_PRODUCTS = _forward(
    "sum of Kronecker products",
    Law(3, 3, "∂s/∂s, S n × n, times each product's factor, n × G n"),
    Law(2, 2, "a product is B × S n × G n numbers"),
)
LAWS |= {"snap": _TRACES, "rflo": _TRACES, "eprop": _TRACES, "kf_rtrl": _PRODUCTS, "ok": _PRODUCTS}
LAWS["sparse_rtrl"] = LAWS["rtrl"] | {
    ("flops", "hidden_size"): Law(
        3, 3, "the gradient's n × P; what goes along the paths is no product, and not counted"
    )
}
LAWS["uoro"] = _forward(
    "pair of vectors",
    Law(2, 2, "a step multiplies by U, n × n, forward and back"),
    Law(2, 2, "a vector of P numbers for each sequence, P ~ G n²"),
)
_LOCAL: dict[tuple[Quantity, Axis], Law] = {
    ("flops", "hidden_size"): Law(1, 1, "the inputs' products, n m; the influence's recursion is elementwise"),
    ("peak_bytes", "hidden_size"): Law(1, 1, "the influence is B × R P numbers, P ~ G n m"),
}
DIAGONAL = {"rtrl": _LOCAL, "snap": _LOCAL, "eprop": _LOCAL}
"""What is otherwise on a diagonal cell; of every other algorithm a step's products, which have no U there."""

LAWS["checkpointed"] = LAWS["full"] | {
    ("flops", "length"): Law(1, 1, "every step is computed twice forward and once backward"),
    ("peak_bytes", "length"): Law(0.5, 0.5, "√T states and the activations of √T steps"),
    ("peak_bytes", "hidden_size"): Law(1, 2, "√T B n activations and n² of gradients"),
}
LAWS["blocked_rtrl"] = LAWS["rtrl"] | {
    ("flops", "length"): Law(1, 1, "a block is the same wherever it is"),
    ("peak_bytes", "length"): Law(0, 0, "the influence matrix, and the Jacobians of one block"),
    ("flops", "hidden_size"): Law(3, 4, "n³ a step within a block, and n⁴ a block: n³ a step where it has n steps"),
    ("peak_bytes", "hidden_size"): Law(2, 3, "the influence matrix is n × P; a block's Jacobians are block × n²"),
}
LAWS["artbp"] = LAWS["checkpointed"] | {
    ("peak_bytes", "length"): Law(0, 1, "the longest window's states, and of longer sequences longer ones"),
    ("peak_bytes", "hidden_size"): Law(1, 2, "activations are n, gradients n²"),
    ("peak_bytes", "batch_size"): Law(0, 1, _WINDOW),
}
LAWS["adaptive"] = LAWS["truncated"] | {
    ("flops", "length"): Law(1, 1, "twice full BPTT's step, and a probe once in so many steps"),
}
LAWS["dni"] = LAWS["truncated"]
LAWS["fptt"] = LAWS["truncated"]
LAWS["forward_errors"] = _forward(
    "error, with a product of Jacobians,",
    Law(3, 3, "a product of Jacobians; a system that is solved is not counted"),
    Law(2, 2, "Jacobians are n × n"),
)
LAWS["online"] = LAWS["truncated"] | {("flops", "length"): Law(1, 1, "depth times full BPTT's step")}


def theory(spec: str, axis: Axis, cell: str = "rnn") -> dict[Quantity, Law]:
    """The laws of an algorithm along an axis; of one that is not known, what its promise to be online says."""
    algorithm, name, maker = make_algorithm(spec), parse_spec(spec)[0], CELLS.maker(cell)
    known = LAWS.get(name, {})
    if issubclass(maker.cell, DiagonalCell) and maker.layers == 1:
        plain: dict[tuple[Quantity, Axis], Law] = {("flops", "hidden_size"): Law(1, 1, "a step multiplies by W, n × m")}
        known = {**known, **(plain if known else {}), **DIAGONAL.get(name, {})}
    laws = {quantity: law for (quantity, along), law in known.items() if along == axis}
    if name == "online" and math.isinf(algorithm.exact_up_to) and axis == "length":
        laws["flops"] = Law(2, 2, "every step walks back to the sequence's start")
        laws["peak_bytes"] = Law(1, 1, "the activations back to the sequence's start")
    if axis == "length" and "peak_bytes" not in laws and algorithm.online:
        laws["peak_bytes"] = Law(0, 0, "it promises that its memory does not grow with the sequence")
    return laws
