"""How often tier 1 cries wolf on a machine, and what it can find there: trials on identical code, and on more work.

In a trial of the first kind base and head are the same, so an alarm is false. In one of the second kind head is given
more time steps, so silence is a miss. The same measurements, of base alone, tell what a stored baseline would have
made of them.
"""

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations

import numpy as np
from scipy import stats

from .cases import TIMED, Case
from .checkout import twice
from .judge import THRESHOLD, Session, pooled, slower, stored_baseline_alarms
from .paired import Effort, Pair, measure


@dataclass(frozen=True)
class Trial:
    """One run of tier 1.

    Attributes:
        factor: head's time steps as a multiple of base's.
        seconds: how long it took.
        load: the load average as it ended.
        sessions: of each benchmark.
    """

    factor: float
    seconds: float
    load: float
    sessions: dict[str, list[Session]]

    @property
    def slower(self) -> list[str]:
        """The benchmarks that the gate calls slower."""
        return [name for name, sessions in self.sessions.items() if slower(sessions)]

    @property
    def base_seconds(self) -> list[float]:
        """Of each benchmark what a stored baseline would have kept: its median time in one process."""
        return [self.sessions[name][0].base_seconds for name in sorted(self.sessions)]

    @property
    def head_seconds(self) -> list[float]:
        """The same of head."""
        return [self.sessions[name][0].base_seconds * self.sessions[name][0].ratio for name in sorted(self.sessions)]

    def as_json(self) -> dict[str, object]:
        """For a line of a file; `from_json` reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, object]) -> "Trial":
        """The inverse of `as_json`."""
        trial = cls(**content)  # type: ignore[arg-type]
        return replace(
            trial,
            sessions={name: [Session(**one) for one in many] for name, many in trial.sessions.items()},  # type: ignore[arg-type]
        )


def run_trial(factor: float = 1.0, effort: Effort | None = None, cases: Sequence[Case] = TIMED) -> Trial:
    """Time this code against itself; head has `factor` times as many time steps, rounded to whole ones."""
    start = time.monotonic()
    pairs = {}
    for case in cases:
        more = replace(case.workload, length=round(factor * case.workload.length))
        pairs[str(case)] = Pair(case.workload, more)
    with twice() as (base, head):
        measured = measure(base.folder, head.folder, pairs, effort)
    return Trial(factor, time.monotonic() - start, os.getloadavg()[0], measured.sessions)


def examine_noise(count: int, say: Callable[[str], object]) -> None:
    """Run trials on identical code, and say what they tell."""
    say(f"\nnoise: {count} trials of tier 1 on identical code, about half a minute each")
    trials = []
    for number in range(count):
        trials.append(run_trial())
        found = ", ".join(trials[-1].slower)
        say(f"  trial {number + 1}: {f'false alarm: {found}' if found else 'no alarm'}; load {trials[-1].load:.1f}")
    for line in summary(trials):
        say(line)


def summary(trials: Sequence[Trial]) -> list[str]:
    """What trials on identical code tell of a machine."""
    alarms = [trial for trial in trials if trial.slower]
    ratios = np.array([pooled(sessions) for trial in trials for sessions in trial.sessions.values()])
    lines = [
        f"{len(alarms)} false alarms in {len(trials)} trials on identical code"
        + "".join(f"\n  {', '.join(trial.slower)} (load {trial.load:.1f})" for trial in alarms),
        f"pooled ratios of identical code: {ratios.min():.3f} … {ratios.max():.3f}, "
        f"standard deviation {ratios.std():.2%}",
        f"so a benchmark that is {_detectable(ratios):.0%} slower would be found 9 times in 10 here",
    ]
    share = stored_baseline_alarms(combinations([trial.base_seconds for trial in trials], 2))
    if not math.isnan(share):
        lines.append(
            f"a stored baseline with a 10 % threshold would have been wrong in {share:.0%} of the comparisons of two "
            "of these trials"
        )
    return lines


def _detectable(ratios: np.ndarray) -> float:
    """The slow-down that takes a ratio over the threshold 9 times in 10, from the spread without one."""
    return float((THRESHOLD - 1) + stats.norm.ppf(0.9) * ratios.std())
