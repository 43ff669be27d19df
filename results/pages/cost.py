"""docs/cost.md: scaling laws beside theory, kernels beside other code."""

import math

import pandas as pd

from throughtime.runners.cost.scaling import TOLERANCE, Quantity
from throughtime.runners.cost.store import load_costs
from throughtime.runners.cost.suite import LETTERS

from .words import REFERENCE, markdown


def exponents(suite: str) -> str:
    """The tanh RNN's scaling laws of a cost suite, measured from exact counts, beside theory."""
    costs = load_costs(REFERENCE / suite)
    rows: dict[str, dict[str, str]] = {}
    for line in costs.lines:
        found = line.scaling
        if found.cell == "rnn" and found.axis != "batch_size":
            row = rows.setdefault(found.algorithm, {"algorithm": found.algorithm})
            for quantity, words in QUANTITIES.items():
                law = found.laws.get(quantity)
                row[f"{words} in {LETTERS[found.axis]}"] = f"{found.measured[quantity]:.2f} ({law or '–'})"
    verdicts = [line.scaling.verdict for line in costs.lines]
    agree = (
        f"{verdicts.count('agrees')} of the {len(verdicts)} lines of all cells agree with theory within {TOLERANCE:g}."
    )
    return f"{markdown([*rows.values()])}\n\n{agree}"


def relatives() -> str:
    """Those of the other algorithms."""
    costs = load_costs(REFERENCE / "relatives_cost")
    link = "[every cell and point](../results/reference/relatives_cost/table.md)"
    return f"{exponents('relatives_cost')}\n\nMeasured on: {costs.measured_on}; {link}."


def cost() -> str:
    """The exponents, and the kernels beside other code."""
    costs = load_costs(REFERENCE / "cost")
    peers = pd.read_csv(REFERENCE / "cost" / "peers.csv")
    judged = peers[peers["verdict"].isin(["met", "missed"])]
    shown = judged[judged["what"].str.contains("full / torch|rate / that")]
    beside = [
        {
            "what": row["what"],
            "sizes": row["sizes"],
            "median [quartiles]": f"{row['median']:.3g} [{row['lower']:.3g}, {row['upper']:.3g}] {row['unit']}",
            "limit": f"{'≤' if row['better'] == 'lower' else '≥'} {row['limit']:g}",
            "verdict": row["verdict"],
        }
        for _, row in shown.iterrows()
    ]
    parts = [exponents("cost"), markdown(beside)]
    if frameworks := beside_frameworks(peers):
        parts.append(markdown(frameworks))
    missed = (judged["verdict"] == "missed").sum()
    met = f"{len(judged) - missed} of {len(judged)} limits are met"
    met += f"; {'the one' if missed == 1 else f'the {missed}'} that is not is told with its reason" if missed else ""
    links = "[every cell and point](../results/reference/cost/table.md)"
    links += ", [every ratio and reason](../results/reference/cost/peers.md)"
    about = f"{met}. Measured on: {costs.measured_on}; {links}."
    return "\n\n".join([*parts, about])


def beside_frameworks(peers: pd.DataFrame) -> list[dict[str, str]]:
    """A row for each cell and size, a column for each algorithm and framework: ours over theirs in time."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for _, row in peers[peers["what"].str.contains(r"/ (?:JAX|flax|keras|Flax|Keras).*: time$")].iterrows():
        what, _, cell = row["what"].removesuffix(": time").rpartition(", ")
        algorithm, _, other = what.partition(" / ")
        framework = other.removeprefix("flax.").removeprefix("keras.").partition(".")[0]
        framework = {"nnx": "Flax", "layers": "Keras"}.get(framework, framework)
        line = rows.setdefault((cell, row["sizes"]), {"ours / theirs, time": f"{cell}, {row['sizes']}"})
        found = "not timed" if math.isnan(row["median"]) else f"{row['median']:.2f} ×"
        line[f"{algorithm.partition('(')[0]} / {framework}"] = found + ("" if row["verdict"] == "met" else ", missed")
    columns = list(dict.fromkeys(column for line in rows.values() for column in line))
    return [{column: line.get(column, "–") for column in columns} for line in rows.values()]


QUANTITIES: dict[Quantity, str] = {"flops": "FLOPs", "peak_bytes": "memory"}
