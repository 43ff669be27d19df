"""Writes what README and docs say of the reference results from the results, each piece between two marks."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from throughtime.algorithms import make_algorithm
from throughtime.runners import load_suite
from throughtime.runners.cost.scaling import TOLERANCE, Quantity
from throughtime.runners.cost.store import load_costs
from throughtime.runners.cost.suite import LETTERS
from throughtime.runners.gradients.beliefs import Belief, beliefs
from throughtime.runners.gradients.store import open_gradients
from throughtime.runners.showing.statistics import LEAST_SEEDS
from throughtime.runners.showing.summary import Row, TaskTable, summarise
from throughtime.runners.showing.verdicts import NOT_LEARNED, TOO_FEW
from throughtime.runners.showing.words import bytes_in_words

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "results" / "reference"


def which() -> str:
    """For each thing that a reader may want, the algorithm of the quickstart that gives it, on each task."""
    tables = summarise(REFERENCE / "quickstart").tables
    rows = []
    for wish, pick in WISHES.items():
        rows.append({"you want": wish, **{table.task: _answer(table, pick(table)) for table in tables}})
    floors = {table.task: f"{_number(_floor(table))} ({_floor(table).name})" for table in tables}
    rows.append({"you want": "*beside it: the floor, no dependency learned*", **floors})
    body = pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
    return f"{body}\n\n{_limits()}"


def _runs(table: TaskTable) -> list[Row]:
    return [row for row in table.rows if row.kind == "run" and row.score is not None and row.verdict != NOT_LEARNED]


def _as_good_as_full(table: TaskTable) -> list[Row]:
    """Those that no test finds worse than full BPTT; empty where one has too few seeds to be tested."""
    sign = 1 if table.metric.better == "lower" else -1
    rows = [row for row in _runs(table) if row.difference is None or row.difference.supported is not None]
    if len(rows) < len(_runs(table)):
        return []
    return [
        row
        for row in rows
        if row.difference is None or not (row.difference.supported and sign * row.difference.interval.mean > 0)
    ]


def _cheapest(table: TaskTable, cost: str) -> Row | None:
    return min(_as_good_as_full(table), key=lambda row: row.costs[cost] or math.inf, default=None)


WISHES: dict[str, Callable[[TaskTable], Row | None]] = {
    "the best score": lambda table: _runs(table)[0],
    "as little memory as possible, no worse than `full`": lambda table: _cheapest(table, "peak_bytes"),
    "as little time as possible, no worse than `full`": lambda table: _cheapest(table, "time_per_step"),
    "memory that does not grow with the sequence": lambda table: next(
        row for row in _runs(table) if make_algorithm(row.name).online
    ),
    "the exact gradient, whatever the cost": lambda table: next(row for row in _runs(table) if row.name == "full"),
    "to know what recurrent learning is worth: the control": lambda table: next(
        row for row in _runs(table) if row.name == "readout_only"
    ),
}


def _answer(table: TaskTable, row: Row | None) -> str:
    if row is None:
        return TOO_FEW
    memory, wall = row.costs["peak_bytes"] or 0.0, row.costs["time_per_step"] or 0.0
    assert row.score is not None
    return f"`{row.name}`: {row.score.mean:.4f}, {bytes_in_words(memory)}, {1e3 * wall:.2g} ms a step"


def _floor(table: TaskTable) -> Row:
    return next(row for row in table.rows if row.kind == "floor")


def _limits() -> str:
    """What the table does not show, with the suite's own numbers."""
    suite = load_suite("quickstart")
    tables = summarise(REFERENCE / "quickstart").tables
    seeds = min(one.seeds for one in suite.experiments)
    rates = max(len(one.rates) for one in suite.experiments)
    steps = " and ".join(str(one.budget) for one in suite.experiments)
    units = max(one.hidden_size for one in suite.experiments)
    metrics = "; ".join(f"{table.task.partition('(')[0]}: {table.metric.name}" for table in tables)
    unproven = "What a test over so few seeds does not find is not proven equal"
    if seeds < LEAST_SEEDS:
        unproven = "So few seeds allow no verdict"
    return (
        f"Test scores ({metrics}; lower is better), peak memory of 16 sequences' updates, time of a training step of a "
        f"batch.\n\n**What this does not show.** These are small problems: {units} units, {steps}, {seeds} seeds, "
        f"{rates} learning rates tried for each algorithm. {unproven}, and longer dependencies, other cells and larger "
        "networks may rank otherwise: run a suite of your own."
    )


def whole_table() -> str:
    """The quickstart's table as it is."""
    return (REFERENCE / "quickstart" / "table.md").read_text(encoding="utf-8").strip()


def real() -> str:
    """For each task of the suite `real`, the best run beside the best floor and the best classical method."""
    tables = summarise(REFERENCE / "real").tables
    rows = [_best_of(table) for table in tables]
    body = pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
    return f"{body}\n\n{_networks_and_classics(tables)} {FLATTERED}"


FLATTERED = (
    "A method is beaten where the verdict of a table says so. The best run is the best row of a table on this very "
    "test data, which flatters it a little; other test data might decide otherwise, and how much it might is in the "
    "verdicts on accuracies alone."
)


def _networks_and_classics(tables: Sequence[TaskTable]) -> str:
    """On which tasks a run beats every baseline, on which none does, and on which the seeds are too few to tell."""
    found: dict[str, list[str]] = {}
    for name in dict.fromkeys(table.task.partition("(")[0] for table in tables):
        found.setdefault(_best_known([one for one in tables if one.task.partition("(")[0] == name]), []).append(name)
    words = {
        "beaten": "a recurrent network beats the best classical method on {}",
        "unbeaten": "on {} none is found to",
        TOO_FEW: "on {} there are too few seeds for a verdict",
    }
    told = "; ".join(words[one].format(_listed(found[one])) for one in words if one in found)
    return f"{told[:1].upper()}{told[1:]}."


def _best_known(tables: Sequence[TaskTable]) -> str:
    """Of the tables of one task: whether a run beats the best baseline, or the floor where there is none."""
    verdicts = []
    for table in tables:
        known = next((row.name for row in table.rows if row.kind == "baseline"), table.floor and table.floor.name)
        verdicts += [known in row.beaten or row.verdict for row in table.rows if row.kind == "run"]
    return "beaten" if True in verdicts else TOO_FEW if TOO_FEW in verdicts else "unbeaten"


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
    tables = [
        pd.DataFrame(list(found)).to_markdown(index=False, disable_numparse=True) for found in (rows.values(), beside)
    ]
    if frameworks := _beside_frameworks(peers):
        tables.append(pd.DataFrame(frameworks).to_markdown(index=False, disable_numparse=True))
    met = f"{(judged['verdict'] == 'met').sum()} of {len(judged)} limits are met;"
    links = "[every cell and point](../results/reference/cost/table.md)"
    links += ", [every ratio](../results/reference/cost/peers.md)"
    about = f"{met} the others are told with their reasons. Measured on: {costs.measured_on}; {links}."
    return "\n\n".join([tables[0], agree, *tables[1:], about])


def _beside_frameworks(peers: pd.DataFrame) -> list[dict[str, str]]:
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


def verdicts() -> str:
    """Each belief with its verdict and the number that decides it."""
    rows = [{"what is said": one.claim, "verdict": f"**{one.verdict}**", "by": one.number} for one in _beliefs()]
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def numbers() -> str:
    """Why, belief by belief."""
    parts = [f"### {one.claim}: {one.verdict}\n\n{one.told}\n\nRule: {one.rule}." for one in _beliefs()]
    found = open_gradients(REFERENCE / "vanishing")
    return "\n\n".join([*parts, f"Measured on: {found.measured_on}."])


def _beliefs() -> list[Belief]:
    return beliefs(open_gradients(REFERENCE / "vanishing"))


QUANTITIES: dict[Quantity, str] = {"flops": "FLOPs", "peak_bytes": "memory"}


def many() -> str:
    """What ten thousand runs cost besides themselves."""
    found = json.loads((REFERENCE / "many" / "measured.json").read_text(encoding="utf-8"))
    rows = []
    for name, words in (("local", "local"), ("dask", "dask, a cluster of this machine")):
        rows.append({"": f"{words}, {found['workers']} workers", **_overhead(found[name])})
    made_up = found["made up"]
    rows.append({"": f"{made_up['workers']:,} workers that are made up", **_overhead(made_up)})
    body = pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
    second, table = found["second call"], found["table"]
    rate = 1e3 / made_up["client's cpu ms"]
    times = [
        f"{one['wall s']:.1f} s ({one['cpu s']:.1f} s of CPU) and {one['memory MB']:.0f} MB" for one in (second, table)
    ]
    return f"""{found["runs"]:,} runs that do nothing, on {found["machine"]}
(`python results/many_runs.py`); milliseconds a run:

{body}

Before {made_up["workers"]:,} workers the coordinator hands out and takes in {rate:,.0f} runs a second: it packs a job,
reads a record, and writes its file. Its one process can't do more; before that come the disk, which each
record waits for (the difference between wall and CPU), and dask's scheduler.

A second call that finds all {found["runs"]:,} finished takes {times[0]}, `throughtime table` {times[1]}."""


def _overhead(found: dict[str, float]) -> dict[str, str]:
    milliseconds = {name.removesuffix(" ms"): f"{value:.1f}" for name, value in found.items() if name.endswith(" ms")}
    return milliseconds | {"client's memory": "{:.0f} MB".format(found["client's MB"])}


def coverage() -> str:
    """How often intervals, marks and verdicts are wrong."""
    return (REFERENCE / "statistics" / "coverage.md").read_text(encoding="utf-8").strip()


PAGES: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"which": which},
    "docs/results.md": {"quickstart table": whole_table, "coverage": coverage, "real": real},
    "docs/forcings.md": {"forcing": forcing},
    "docs/cost.md": {"cost": cost},
    "docs/misconceptions.md": {"verdicts": verdicts, "numbers": numbers},
    "docs/many-machines.md": {"many": many},
}
"""Of each page the pieces by their marks."""


def updated(page: str, text: str) -> str:
    """A page's text with every piece between its marks."""
    for name, write in PAGES[page].items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{write()}\n\n{end}{after}"
    return text


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
    for page in PAGES:
        path = ROOT / page
        path.write_text(updated(page, path.read_text(encoding="utf-8")), encoding="utf-8")
