"""Writes what the README says of the reference results from the results themselves, each piece between two marks."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from throughtime.runners import load_results
from throughtime.runners.cost.scaling import TOLERANCE, Quantity
from throughtime.runners.cost.store import load_costs
from throughtime.runners.cost.suite import LETTERS
from throughtime.runners.showing.statistics import supported_better
from throughtime.runners.showing.summary import Row, TaskTable, summarise

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "results" / "reference"
README = ROOT / "README.md"


def whole_table() -> str:
    """The quickstart's table as it is."""
    return (REFERENCE / "quickstart" / "table.md").read_text(encoding="utf-8").strip()


def real() -> str:
    """For each task of the suite `real`, the best run beside the best floor and the best classical method."""
    tables = summarise(REFERENCE / "real").tables
    rows = [_best_of(table) for table in tables]
    beaten, unbeaten = (_tasks(tables, won) for won in (True, False))
    words = f"A recurrent network beats the best classical method on {_listed(beaten)}"
    words += f"; on {_listed(unbeaten)} none does." if unbeaten else "."
    body = pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
    how = "A method is beaten where a t-test over three seeds says so (5 %). The best run is the best row of a table on"
    return f"{body}\n\n{words} {how} this very test data, which flatters it a little."


def forcing() -> str:
    """For each task of the suite `forcing`, the score one step ahead and free-running of every pair."""
    parts = []
    for table in summarise(REFERENCE / "forcing").tables:
        runs = {(row.forcing, row.name): _pair(row) for row in table.rows if row.kind == "run"}
        algorithms = list(dict.fromkeys(name for _, name in sorted(runs, key=lambda pair: _order(pair[1]))))
        known = [row for row in table.rows if row.kind in ("floor", "baseline") and row.free is not None]
        lines = [
            {"forcing": name, **{one: runs.get((name, one), "–") for one in algorithms}}
            for name in sorted(table.forcings, key=_order)
        ]
        body = pd.DataFrame(lines).to_markdown(index=False, disable_numparse=True)
        beside = "; ".join(f"{row.kind} {row.name}: {_pair(row)}" for row in known)
        title = f"**{table.task}, {table.cell}: {table.metric.name}, one step ahead → free over {table.horizon} steps**"
        parts += [title, body, f"Beside: {beside}."]
    return "\n\n".join(parts)


def cost() -> str:
    """The tanh RNN's scaling laws, measured from exact counts beside theory, and the kernels beside other code."""
    costs = load_costs(REFERENCE / "cost")
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
    met = f"{(judged['verdict'] == 'met').sum()} of {len(judged)} limits are met;"
    tables = [
        pd.DataFrame(list(found)).to_markdown(index=False, disable_numparse=True) for found in (rows.values(), beside)
    ]
    links = "[every cell and point](results/reference/cost/table.md), [every ratio](results/reference/cost/peers.md)"
    about = f"{met} the others are told with their reasons. Measured on: {costs.measured_on}; {links}."
    return "\n\n".join([tables[0], agree, tables[1], about])


QUANTITIES: dict[Quantity, str] = {"flops": "FLOPs", "peak_bytes": "memory"}

PIECES: dict[str, Callable[[], str]] = {
    "quickstart table": whole_table,
    "real": real,
    "forcing": forcing,
    "cost": cost,
}


def updated(readme: str) -> str:
    """The README's text with every piece between its marks."""
    for name, write in PIECES.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
        before, _, rest = readme.partition(begin)
        _, _, after = rest.partition(end)
        readme = f"{before}{begin}\n{write()}\n\n{end}{after}"
    return readme


def _best_of(table: TaskTable) -> dict[str, str]:
    run = next(row for row in table.rows if row.kind == "run")
    baseline = next((row for row in table.rows if row.kind == "baseline"), None)
    assert table.floor is not None
    return {
        "task": table.task,
        "metric": f"{table.metric.name} {'↓' if table.metric.better == 'lower' else '↑'}",
        "best run": f"{run.name}, {table.cell}",
        "score": _number(run),
        "floor": f"{table.floor.value:.4g} ({table.floor.name})",
        "best classical method": "" if baseline is None else f"{_number(baseline)} ({baseline.name})",
        "verdict": run.verdict,
    }


def _tasks(tables: tuple[TaskTable, ...], won: bool) -> list[str]:
    """The tasks on which a run beats every baseline, or those on which none does."""
    names = {table.task.partition("(")[0]: False for table in tables}
    results = load_results(REFERENCE / "real").query("purpose == 'report' and status == 'done'")
    for table in tables:
        best = next((row.score for row in table.rows if row.kind == "baseline"), None)
        runs = results[(results["task"] == table.task) & (results["cell"] == table.cell)]
        for _, scores in runs.groupby("algorithm")["test"]:
            beats = best is None or supported_better(scores.to_list(), best.mean, table.metric.better)
            names[table.task.partition("(")[0]] |= beats
    return [name for name, beats in names.items() if beats == won]


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names) or "no task"


def _number(row: Row) -> str:
    return "–" if row.score is None else f"{row.score.mean:.4g}"


def _pair(row: Row) -> str:
    return f"{_number(row)} → {'–' if row.free is None else f'{row.free.mean:.4g}'}"


def _order(spec: str) -> tuple[int, str]:
    """As the suites list them."""
    forcings = ["teacher", "free", "scheduled", "generalized", "professor"]
    known = [*forcings, "full", "truncated", "online", "stochastic", "rtrl"]
    name = spec.partition("(")[0]
    return (known.index(name) if name in known else len(known)), spec


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
