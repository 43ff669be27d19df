"""README and docs/cost.md: the quickstart's scores and every algorithm's time on a GPU."""

import pandas as pd

from throughtime.runners.cost.store import load_costs
from throughtime.runners.gate.moved import compare
from throughtime.runners.gate.scores import scores_of
from throughtime.runners.showing.summary import summarise

from .words import REFERENCE, markdown


def same_scores() -> str:
    """How many rows of the quickstart have on a GPU the scores that they have on a CPU.

    As it was when there was a GPU: on two learning rates, chosen by one seed.
    """
    rows = compare(scores_of(REFERENCE / "quickstart_cpu"), scores_of(REFERENCE / "quickstart_gpu"))
    same = sum(row.finding == "" for row in rows)
    digits = sum(f"{row.before:.3g}" == f"{row.now:.3g}" for row in rows)
    card = summarise(REFERENCE / "quickstart_gpu").machine.rpartition(", ")[2]
    return (
        f"Everything runs on a CPU, and with `--device cuda` on a GPU. On an {card} {same} of the quickstart's "
        f"{len(rows)} rows, tuned by one seed then, have the CPU's scores as far as seeds tell, {digits} of them in "
        "three digits. Networks this small keep a GPU waiting: [docs/cost.md](docs/cost.md#on-a-gpu) has the times of "
        "larger ones."
    )


def times() -> str:
    """The time of one step of the whole batch through hidden sizes, in µs."""
    table = pd.read_csv(REFERENCE / "gpu" / "table.csv")
    table["µs"] = 1e6 * table["wall_per_step_median"]
    rows = []
    for (cell, algorithm), found in table.groupby(["cell", "algorithm"], sort=False):
        sizes = found[found["batch_size"] == found["batch_size"].mode()[0]].drop_duplicates("hidden_size")
        batch, steps = sizes["batch_size"].iloc[0], sizes["length"].iloc[0]
        named = {"cell": cell, "algorithm": algorithm, "held": f"T = {steps}, B = {batch}"}
        rows.append(
            named | {f"n = {n}": f"{time:,.0f}" for n, time in zip(sizes["hidden_size"], sizes["µs"], strict=True)}
        )
    sizes = sorted({name for row in rows for name in row if name.startswith("n = ")}, key=lambda name: int(name[4:]))
    ordered = [{name: row.get(name, "–") for name in ("cell", "algorithm", "held", *sizes)} for row in rows]
    costs = load_costs(REFERENCE / "gpu")
    links = "[every cell and point](../results/reference/gpu/table.md)"
    return f"{markdown(ordered)}\n\nMeasured on: {costs.measured_on}; {links}."
