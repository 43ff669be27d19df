"""Measures how often the regression gate is wrong: ``python results/false_alarms.py``, about 50 minutes.

30 trials of tier 1 on identical code, where any alarm is false, and 30 in which head runs 10 % more time steps, where
silence is a miss; and 100 repeats of tier 0, each in a process of its own. Every result is kept as it comes, so the
same command goes on after an interruption; then it writes the table.
"""

import json
import subprocess
import sys
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from throughtime.runners.commands.signals import terminations
from throughtime.runners.gate.cases import CASES
from throughtime.runners.gate.counters import count_all
from throughtime.runners.gate.judge import THRESHOLD, pooled, stored_baseline_alarms
from throughtime.runners.gate.noise import Trial, run_trial
from throughtime.runners.records.machine import machine

FOLDER = Path(__file__).resolve().parent / "reference" / "gate"
TRIALS, REPEATS = 30, 100
FACTORS = (1.0, 1.1)
COUNT = (
    "import json; from throughtime.runners.gate import counters, cases; "
    "print(json.dumps(counters.count_all(cases.CASES)[0]))"
)


def kept(folder: Path) -> list[dict[str, Any]]:
    """What was measured so far."""
    path = folder / "measured.jsonl"
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [line for line in lines if json.loads(line)["what"] == "trial"]
    if doubled := len(found) - len(set(found)):  # no two measurements agree to the last digit
        sys.exit(f"{path} holds {doubled} trials twice, so it was put together from copies: keep each line once")
    return [json.loads(line) for line in lines]


def keep(folder: Path, what: str, content: object) -> None:
    """Append one result."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "measured.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"what": what, "machine": machine("cpu"), "result": content}) + "\n")
    print(what, flush=True)


def trials(folder: Path) -> list[Trial]:
    """The trials of tier 1 so far."""
    return [Trial.from_json(line["result"]) for line in kept(folder) if line["what"] == "trial"]


def repeats(folder: Path) -> list[int]:
    """Of each repeat of tier 0 so far the counters that differed."""
    return [line["result"] for line in kept(folder) if line["what"] == "counts"]


def run(folder: Path) -> None:
    """What is missing, the two kinds of trial in turns."""
    elsewhere = {line["machine"] for line in kept(folder)} - {machine("cpu")}
    if elsewhere:
        sys.exit(f"{folder} was measured on {elsewhere.pop()}, this is {machine('cpu')}: remove it to measure anew")
    for number in range(TRIALS):
        for factor in FACTORS:
            if sum(trial.factor == factor for trial in trials(folder)) <= number:
                keep(folder, "trial", run_trial(factor).as_json())
    if len(repeats(folder)) < REPEATS:
        here, _ = count_all(CASES)
        while len(repeats(folder)) < REPEATS:
            done = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=True)
            there = json.loads(done.stdout)
            keep(folder, "counts", sum(there[case][name] != here[case][name] for case in here for name in here[case]))


def report(folder: Path) -> str:
    """The table of what was measured so far, as Markdown."""
    measured, counted = trials(folder), repeats(folder)
    same, more = ([trial for trial in measured if trial.factor == factor] for factor in FACTORS)
    stored_wrong = stored_baseline_alarms(combinations([trial.base_seconds for trial in same], 2))
    stored_found = stored_baseline_alarms(product([t.base_seconds for t in same], [t.head_seconds for t in more]))
    rows = []
    for name in same[0].sessions:
        alike, slowed = (np.array([pooled(trial.sessions[name]) for trial in kind]) for kind in (same, more))
        rows.append(
            {
                "benchmark": name,
                "ratio, identical code": f"{alike.min():.3f} … {alike.max():.3f}",
                "standard deviation": f"{alike.std():.2%}",
                "called slower": f"{sum(name in trial.slower for trial in same)} of {len(same)}",
                "ratio, 10 % more steps": f"{np.median(slowed):.3f}",
                "found": f"{sum(name in trial.slower for trial in more)} of {len(more)}",
            }
        )
    machines = ", ".join(dict.fromkeys(line["machine"] for line in kept(folder)))
    loads = [trial.load for trial in measured]
    seconds = [trial.seconds for trial in same]
    return f"""\
# How often the gate is wrong

Measured on: {machines}; load average {min(loads):.1f} to {max(loads):.1f}. \
A trial of tier 1 took {np.median(seconds):.0f} s (median).

- tier 0, {len(counted)} repeats in processes of their own: {sum(map(bool, counted))} false alarms.
- tier 1, {len(same)} trials on identical code: {sum(bool(trial.slower) for trial in same)} false alarms.
- tier 1, {len(more)} trials with 10 % more time steps in head: {sum(bool(trial.slower) for trial in more)} found.
- for contrast, a stored baseline with a 10 % threshold on the same measurements: a false alarm in \
{stored_wrong:.0%} of the comparisons of identical code, and {stored_found:.0%} of the 10 % more steps found.

{pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)}

Ratios are head / base, pooled over sessions; the gate blocks beyond {THRESHOLD}. Where a benchmark's fixed cost is a \
large part of its time, 10 % more steps are less than 10 % more time.
"""


def main(folder: Path = FOLDER) -> None:
    """Measure what is missing, and write the table; where it is interrupted, that of what there is."""
    try:
        run(folder)
    finally:
        if len(trials(folder)) >= len(FACTORS):
            (folder / "table.md").write_text(report(folder), encoding="utf-8")


if __name__ == "__main__":
    with terminations():
        main()
