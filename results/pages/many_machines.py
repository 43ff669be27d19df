"""docs/many-machines.md: what runs cost besides themselves."""

import json

from .words import REFERENCE, markdown


def many() -> str:
    """What ten thousand runs cost besides themselves."""
    found = json.loads((REFERENCE / "many" / "measured.json").read_text(encoding="utf-8"))
    rows = []
    for name, words in (("local", "local"), ("dask", "dask, a cluster of this machine")):
        rows.append({"": f"{words}, {found['workers']} workers", **_overhead(found[name])})
    made_up = found["made up"]
    rows.append({"": f"{made_up['workers']:,} workers that are made up", **_overhead(made_up)})
    body = markdown(rows)
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
