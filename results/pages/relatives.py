"""README and docs/relatives.md: what the suite `relatives` shows, algorithm by algorithm, and in five sentences."""

from collections.abc import Iterable
from functools import cache

import pandas as pd

from throughtime.runners.records.results import Results
from throughtime.runners.showing.words import bytes_in_words

from .words import REFERENCE, listed, markdown

EXACT = 0.01
"""A gradient whose relative error is less in every run is called exact."""

DENSE = ("rnn", "leaky", "gru")


@cache
def _runs() -> pd.DataFrame:
    """The report runs that are done, with what each keeps of full BPTT's gain over the floor, and its costs by full's.

    The columns `kept`, `memory` and `time` are of means over seeds: of a row of a table, on every one of its runs.
    """
    results = Results.of(REFERENCE / "relatives")
    runs = pd.DataFrame(results.runs.values())
    runs = runs[(runs["purpose"] == "report") & (runs["status"] == "done")]
    runs = runs.assign(name=runs["algorithm"].str.partition("(")[0])
    floors = {
        task: min(one.value for one in facts.references if one.kind == "floor")
        for task, facts in results.manifest.tasks.items()
    }
    table = ["task", "cell"]
    means = runs.groupby([*table, "name"])[["test", "peak_bytes", "time_per_step"]].mean()
    full = means.xs("full", level="name")
    beside = means.join(full, on=table, rsuffix="_full")
    floor = beside.index.get_level_values("task").map(floors)
    beside["kept"] = (floor - beside["test"]) / (floor - beside["test_full"])
    beside["memory"] = beside["peak_bytes"] / beside["peak_bytes_full"]
    beside["time"] = beside["time_per_step"] / beside["time_per_step_full"]
    return runs.join(beside[["kept", "memory", "time"]], on=[*table, "name"])


def _rows(name: str, cells: Iterable[str] = ()) -> pd.DataFrame:
    """One row a table: the means over seeds."""
    runs = _runs()
    runs = runs[
        (runs["name"] == name) & (runs["cell"].isin(list(cells)) if cells else ~runs["cell"].str.contains("layers"))
    ]
    columns = ["kept", "memory", "time", "cosine", "relative_error", "relative_bias", "peak_bytes"]
    return runs.groupby(["task", "cell"])[columns].mean()


def _kept(name: str, cells: Iterable[str] = ()) -> str:
    """The median over tables, in percent."""
    return f"{100 * float(_rows(name, cells)['kept'].median()):.0f} %"


def _on(name: str, *cells: str) -> str:
    return listed([f"{_kept(name, [cell])} on {cell}" for cell in cells])


def _cosine(name: str, cells: Iterable[str] = ()) -> str:
    return f"{float(_rows(name, cells)['cosine'].median()):.2f}"


def _times(name: str, column: str) -> str:
    return f"{float(_rows(name)[column].median()):.2g}"


def exact(cell: str) -> list[str]:
    """The algorithms whose gradient is the exact one in every run on a cell."""
    runs = _runs()
    error = runs[runs["cell"] == cell].groupby("name", sort=False)["relative_error"].max()
    return [str(name) for name in error[error < EXACT].index]


def table() -> str:
    """A row for each algorithm: medians over its tables."""
    lines = []
    for name in dict.fromkeys(_runs()["name"]):
        found = _rows(name)
        if not len(found):
            continue
        bias = found["relative_bias"].astype(float)
        lines.append(
            {
                "algorithm": f"`{name}`",
                "tables": str(len(found)),
                "of full's gain": _kept(name),
                "cosine": _cosine(name),
                "relative bias": "–" if bias.isna().all() else f"{float(bias.median()):.2g}",
                "memory": bytes_in_words(float(found["peak_bytes"].median())),
                "memory / full's": _times(name, "memory"),
                "time / full's": _times(name, "time"),
            }
        )
    return markdown(sorted(lines, key=lambda line: -float(line["of full's gain"].removesuffix(" %"))))


NOISY = ("artbp", "kf_rtrl", "ok", "uoro")
"""Those that draw at random, and are unbiased."""


def told() -> str:
    """Five sentences."""
    common = [name for name in exact("rnn") if all(name in exact(cell) for cell in (*DENSE, "lru"))]
    only_dense = [name for name in exact("rnn") if name not in common]
    more = [name for name in exact("lru") if name not in common]
    stacked = _rows("layerwise_rtrl", ("lru(layers=2)", "elstm(layers=2)"))
    cosines = listed([f"{_cosine(name)} for `{name}`" for name in NOISY])
    kept = listed([_kept(name) for name in NOISY])
    sentences = [
        f"{_names(common)} have the exact gradient on every cell, {_names(only_dense)} on those that it serves; on "
        f"the diagonal `lru`, where a weight acts through one unit alone, so have the local rules {_names(more)}.",
        f"Of full BPTT's gain over the floor (median over tasks) `snap` keeps {_on('snap', 'gru', 'leaky', 'rnn')}, "
        f"`rflo` {_on('rflo', 'leaky', 'rnn')}, and an untrained recurrent layer "
        f"{_on('readout_only', 'gru', 'leaky', 'rnn')}.",
        f"Being unbiased is paid for with noise: the cosine with the exact gradient is {cosines}, and of full's gain "
        f"they keep {kept}.",
        f"`checkpointed` needs {_times('checkpointed', 'memory')} of full's memory and "
        f"{_times('checkpointed', 'time')} times its time, `blocked_rtrl` {_ratio('blocked_rtrl', 'rtrl')} of RTRL's "
        "time for the same gradient.",
        f"With two layers `layerwise_rtrl` is no longer exact: it errs by "
        f"{100 * float(stacked['relative_error'].median()):.0f} % and keeps "
        f"{100 * float(stacked['kept'].median()):.0f} % of full's gain.",
    ]
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _ratio(name: str, other: str) -> str:
    both = _rows(name).join(_rows(other), rsuffix="_other", how="inner")
    return f"{float((both['time'] / both['time_other']).median()):.2g}"


def _names(names: Iterable[str]) -> str:
    return listed([f"`{name}`" for name in names])
