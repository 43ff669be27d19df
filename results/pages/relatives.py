"""README and docs/relatives.md: what the suite `relatives` shows, algorithm by algorithm, and in five sentences."""

import math
from collections.abc import Iterable
from functools import cache

import pandas as pd

from throughtime.algorithms import make_algorithm
from throughtime.runners.records.results import Results
from throughtime.runners.showing.words import bytes_in_words

from .words import REFERENCE, listed, markdown

EXACT = 0.01
"""A gradient whose relative error is less in every run is called exact."""

LEARNED = 0.1
"""Of the best floor: where full BPTT gains less on it, a share of its gain means nothing."""

DENSE = ("rnn", "leaky", "gru")
STACKED = ("lru(layers=2)", "elstm(layers=2)")
NOISY = ("artbp", "kf_rtrl", "ok", "uoro")
"""Those that draw at random, and are unbiased."""

LOCAL = ("snap", "rflo", "eprop")


@cache
def _runs() -> pd.DataFrame:
    """The report runs that are done, with what each keeps of full BPTT's gain over the floor, and its costs by full's.

    The columns `kept`, `memory` and `time` are of means over seeds: of a row of a table, on every one of its runs.
    """
    results = Results.of(REFERENCE / "relatives")
    runs = pd.DataFrame(results.runs.values())
    runs = runs[(runs["purpose"] == "report") & (runs["status"] == "done")]
    floors = {
        task: min(one.value for one in facts.references if one.kind == "floor")
        for task, facts in results.manifest.tasks.items()
    }
    table = ["task", "cell"]
    means = runs.groupby([*table, "algorithm"])[["test", "peak_bytes", "time_per_step"]].mean()
    beside = means.join(means.xs("full", level="algorithm"), on=table, rsuffix="_full")
    floor = beside.index.get_level_values("task").map(floors)
    gain = floor - beside["test_full"]
    beside["kept"] = ((floor - beside["test"]) / gain).where(gain > LEARNED * floor)
    beside["memory"] = beside["peak_bytes"] / beside["peak_bytes_full"]
    beside["time"] = beside["time_per_step"] / beside["time_per_step_full"]
    return runs.join(beside[["kept", "memory", "time"]], on=[*table, "algorithm"])


def _rows(algorithm: str, cells: Iterable[str] = ()) -> pd.DataFrame:
    """One row a table, on some cells or on every one that is not stacked: means over seeds, of the bias medians.

    An algorithm that the suite has once is found by its name. A seed's bias is never below 0: the noise that is taken
    off leaves of none at all 0 in most seeds and much in a few, whose mean would be noise.
    """
    runs = _runs()
    names = [name for name in runs["algorithm"].unique() if algorithm in (name, name.partition("(")[0])]
    assert len(names) == 1, f"{algorithm}: one of {names}"
    there = runs["cell"].isin(list(cells)) if cells else ~runs["cell"].isin(STACKED)
    by_table = runs[(runs["algorithm"] == names[0]) & there].groupby(["task", "cell"])
    means = by_table[["kept", "memory", "time", "cosine", "relative_error", "peak_bytes"]].mean()
    return means.join(by_table[["relative_bias", "relative_bias_error"]].median())


def _median(algorithm: str, column: str, cells: Iterable[str] = (), *, learned: bool = False) -> float:
    """Over the tables, or over those alone that full BPTT learns."""
    rows = _rows(algorithm, cells)
    return float((rows[rows["kept"].notna()] if learned else rows)[column].astype(float).median())


def _kept(algorithm: str, cells: Iterable[str] = ()) -> str:
    return _percent(_median(algorithm, "kept", cells))


def _shared() -> str:
    """The task that every cell has that is not stacked: on it one cell stands beside another."""
    runs = _runs()
    cells = runs[~runs["cell"].isin(STACKED)].groupby("task")["cell"].nunique()
    (task,) = cells[cells == cells.max()].index
    return str(task)


def _percent(share: float) -> str:
    return f"{round(100 * share)} %"


def _on(algorithm: str, *cells: str) -> str:
    """What it keeps on each cell, on the task that all have."""
    kept = _rows(algorithm, cells).loc[_shared(), "kept"]
    return listed([f"{_percent(kept[cell])} on {cell.partition('(')[0]}" for cell in cells])


def exact(cell: str) -> list[str]:
    """The algorithms whose gradient is the exact one in every run on a cell, by name."""
    runs = _runs()
    error = runs[runs["cell"] == cell].groupby("algorithm", sort=False)["relative_error"].max()
    return [str(name).partition("(")[0] for name in error[error < EXACT].index]


def _promise() -> set[str]:
    """Those that promise the exact gradient of any past; of others a window may happen to hold all of this one."""
    specs = _runs()["algorithm"].unique()
    return {spec.partition("(")[0] for spec in specs if math.isinf(make_algorithm(spec).exact_up_to)}


def _cells(name: str) -> set[str]:
    """Those that an algorithm serves."""
    runs = _runs()
    return set(runs[runs["algorithm"].str.partition("(")[0] == name]["cell"])


def table() -> str:
    """A row for each algorithm: medians over its tables, those that keep most first."""
    found = {name: _rows(str(name)) for name in dict.fromkeys(_runs()["algorithm"])}
    order = sorted((name for name in found if len(found[name])), key=lambda name: -found[name]["kept"].median())
    return markdown([_line(name, found[name]) for name in order])


def _line(algorithm: str, rows: pd.DataFrame) -> dict[str, str]:
    learned, medians = rows[rows["kept"].notna()], rows.astype(float).median()
    bias, error = (float(learned[column].astype(float).median()) for column in ("relative_bias", "relative_bias_error"))
    return {
        "algorithm": f"`{algorithm}`",
        "tables": f"{len(rows)}, {len(learned)} learned",
        "of full's gain": _percent(medians["kept"]),
        "least": _percent(rows["kept"].min()),
        "cosine": f"{learned['cosine'].median():.2f}",
        "relative bias": f"{bias:.2g} ± {error:.2g}" if error else f"{bias:.2g}",
        "memory": bytes_in_words(float(medians["peak_bytes"])),
        "memory / full's": f"{medians['memory']:.2f}",
        "time / full's": f"{medians['time']:.3g}",
    }


def told() -> str:
    """Five sentences."""
    cells = (*DENSE, "lru")
    promise = _promise()
    promised = [name for name in exact("rnn") if name in promise]
    common = [name for name in promised if all(name in exact(cell) for cell in cells)]
    served = [name for name in promised if all(name in exact(cell) for cell in _cells(name) & {*cells})]
    dense = [name for name in served if name not in common]
    more = [name for name in exact("lru") if name in LOCAL]
    cosines = listed([f"{_median(one, 'cosine', learned=True):.2f} for `{one}`" for one in NOISY])
    forgotten = _median("forward_errors", "relative_error", DENSE)
    faster = _rows("blocked_rtrl").join(_rows("rtrl"), rsuffix="_rtrl", how="inner")
    sentences = [
        f"{_names(common)} have the exact gradient on every cell, {_names(dense)} on those that it serves; on the "
        f"diagonal `lru`, where a weight acts through one unit alone, so have the local rules {_names(more)}.",
        f"Of full BPTT's gain over the floor on {_shared().partition('(')[0]} `snap` keeps "
        f"{_on('snap', 'gru', 'leaky', 'rnn')}, `rflo` {_on('rflo', 'leaky', 'rnn')}, and an untrained recurrent layer "
        f"{_on('readout_only', 'gru', 'leaky', 'rnn')}.",
        f"Being unbiased is paid for with noise: the cosine with the exact gradient is {cosines}, and of full's gain "
        f"they keep {listed([_kept(one) for one in NOISY])} (medians over the tasks that it learns).",
        f"`checkpointed` needs {_median('checkpointed', 'memory'):.2f} of full's memory and "
        f"{_median('checkpointed', 'time'):.2g} times its time; `blocked_rtrl` takes "
        f"{(faster['time'] / faster['time_rtrl']).median():.2g} times RTRL's time for the same gradient at 16 units.",
        f"With two layers `layerwise_rtrl` is no longer exact: it errs by "
        f"{_percent(_median('layerwise_rtrl', 'relative_error', STACKED))} and keeps "
        f"{_on('layerwise_rtrl', *STACKED)} of full's gain; `forward_errors`, which solves for the past, errs by "
        f"{forgotten:.0e} times the gradient on the dense cells, which forget, and keeps "
        f"{_kept('forward_errors', DENSE)}.",
    ]
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _names(names: Iterable[str]) -> str:
    return listed([f"`{name}`" for name in names])
