"""Writes the table of influence balancing's truncated gradient against the steps it looks back, as `online` finds it.

In the steady state at θ = 0.5, where h[0] = −3 and the loss falls by 4 as h[0] rises by 1: what is left after dividing
by that is dh[0]/dθ through the last K steps. It has the wrong sign up to K = 40, and tends to the exact −6.
"""

from pathlib import Path

import pandas as pd
import torch

from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.tasks import make_task

TABLE = Path(__file__).resolve().parent / "reference" / "influence_balancing" / "truncated_gradient.md"
STEPS = [1, 2, 5, 10, 20, 30, 38, 39, 40, 41, 42, 43, 45, 50, 60, 80, 100, 150]


def by_steps() -> str:
    """K and dh[0]/dθ, a row each, as Markdown."""
    task = make_task("influence_balancing")
    network = task.make_network(task.own_cell, hidden_size=1, seed=0, dtype=torch.float64, device="cpu")
    batch = task.test().to(dtype=torch.float64)
    rows = []
    for steps in STEPS:
        by_theta = float(estimate_gradient(make_algorithm("online", depth=steps), network, batch)["cell.theta"])
        slope = by_theta / -4
        rows.append({"K": steps, "dh[0]/dθ": f"{slope:.6f}", "sign": "wrong" if slope > 0 else "right"})
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True) + "\n"


if __name__ == "__main__":
    TABLE.write_text(by_steps(), encoding="utf-8")
