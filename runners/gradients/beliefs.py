"""What people believe of backpropagation through time, and what the suite `vanishing` measures of it.

Each verdict follows from numbers by a rule that stands beside it, and where these differ from seed to seed by the tests
that tables are judged by: what the seeds do not decide is "undecided". docs/misconceptions.md is drawn from here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import pandas as pd
from scipy import stats

from throughtime.parts.specs import parse_spec
from throughtime.runners.showing.statistics import LEAST_SEEDS, Interval, interval

from .evidence import SURE, Evidence, decided
from .store import Gradients

FLAT = 1e-2
"""A gain at 200 steps above this is no vanishing."""

_TESTED = f"by tests over the seeds at {100 * SURE:.0f} %"


@dataclass(frozen=True)
class Belief:
    """A claim with its verdict.

    Attributes:
        claim: in the words that it is heard in.
        verdict: "false", "half true", "true" or "undecided".
        number: that decides it.
        rule: by which it does.
        told: what the number means, with those beside it.
    """

    claim: str
    verdict: str
    number: str
    rule: str
    told: str


def _verdict(refuted: bool | None) -> Literal["false", "true", "undecided"]:
    return "undecided" if refuted is None else "false" if refuted else "true"


def only_for_rnns(of: Evidence) -> Belief:
    """BPTT is the chain rule: it asks nothing of a cell."""
    task, cells, _ = of.matrix
    least = min(float(of.fidelities("cosine", task=task, cell=cell, algorithm="rtrl").min()) for cell in cells)
    gated = {cell: of.score(task, cell, "full") for cell in cells if cell != "rnn"}
    return Belief(
        "BPTT is only for RNNs",
        "false" if least > 1 - 1e-9 else "true",
        f"cosine {least:.9f}",
        "false where the cosine of BPTT's gradient with one computed forward in time, by RTRL, is 1 within 1e-9 on "
        "every cell, in every run",
        f"On {_listed(cells)} BPTT and RTRL, which share no code, give one gradient. Trained by it on {task}: "
        + _listed([f"{cell} {_n(score)}" for cell, score in gated.items()])
        + f", and without any dependency {_n(of.floor(task))}.",
    )


def truncation_forgets(of: Evidence) -> Belief:
    """A truncated window cuts credit, and not the state."""
    task, _, _ = of.matrix
    cut, floor, full = of.score(task, "rnn", _CUT), of.floor(task), of.score(task, "rnn", "full")
    kept = (floor - cut) / (floor - full)
    more = of.decided(task, "rnn", _CUT, floor - 0.05 * (floor - full))
    return Belief(
        "Truncated BPTT loses all long-term memory",
        _verdict(more),
        f"{100 * kept:.0f} % kept".replace("-", "−"),
        "false where a window of 2 steps keeps more than 5 % of what full BPTT gains on the floor, by lags of 3 and 8, "
        f"true where it keeps less, {_TESTED}",
        f"On {task} `{_CUT}` never walks back to the lags that the target depends on, 3 and 8, and scores {_n(cut)}: "
        f"the floor without either is {_n(floor)}, full BPTT {_n(full)}. `{_REACHING}`, whose windows hold the first "
        f"of them, scores {_n(of.score(task, 'rnn', _REACHING))}. The state is carried on, whatever it holds; what is "
        "cut is credit.",
    )


def exploding_is_fatal(of: Evidence) -> Belief:
    """Clipping tames an exploding gradient."""
    task, cell = of.exploding
    floor, clipped, free = of.floor(task), *(of.score(task, cell, "full", clipped=c) for c in (True, False))
    last = int(of.rows("reach", task=task, cell=cell)["lag"].max())
    rows = of.rows("training", task=task, cell=cell)
    exponent = float(of.rows("dynamics", task=task, cell=cell, moment="start")["exponent 1"].astype(float).mean())
    share = float(rows["clipped"].astype(float).mean())
    return Belief(
        "Exploding gradients make BPTT unusable",
        _verdict(of.decided(task, cell, "full", 0.99 * floor)),
        f"{_n(clipped)} against {_n(floor)}",
        f"false where an exploding network that is clipped ends better than the floor by 1 %, {_TESTED}",
        f"`{cell}` begins with a gradient that grows to {_n(of.gain(task, cell, last))} times its size over {last} "
        f"steps (first Lyapunov exponent {exponent:+.2f} a step), and its largest norm in training is "
        f"{_n(float(rows['largest'].astype(float).max()))}. With gradients clipped to norm 1 it ends at {_n(clipped)}, "
        f"without at {_n(free)}; floor {_n(floor)}. {100 * share:.0f} % of all these updates were longer than "
        "their limit.",
    )


def gates_cure(of: Evidence) -> Belief:
    """Gates slow the decay down."""
    task, last = of.long
    gains = {cell: of.gain(task, cell, last) for cell in of.found.suite.experiments[0].cells}
    gated = {cell: gain for cell, gain in gains.items() if parse_spec(cell)[0] in ("lstm", "gru")}
    best, plain = max(gated.values()), of.decades(task, "rnn", last)
    decades = [of.decades(task, cell, last) for cell in gated]
    flat = [decided(one.tolist(), math.log10(FLAT), "higher") for one in decades]
    slower = [decided((one - plain).tolist(), 0.0, "higher") for one in decades]
    return Belief(
        "LSTM and GRU cure vanishing gradients",
        "true" if all(flat) else "half true" if any(slower) else "undecided" if None in slower else "false",
        f"{_power(best)} at best",
        f"true where every gated cell keeps {FLAT:g} of its gradient over {last} steps, half true where some keeps "
        f"more than a plain RNN and no more, {_TESTED}",
        f"Before training, ‖∂ℓ/∂s‖ {last} steps back is, as a multiple of that at the end: "
        + _listed([f"{cell} {_power(gain)}" for cell, gain in gains.items()])
        + ". Gates slow the decay; how a network begins decides whether there is any.",
    )


def shorter_mitigates(of: Evidence) -> Belief:
    """Truncation sets to zero what would have vanished, or not."""
    task, _, _ = of.matrix
    of_rnn = {"task": task, "cell": "rnn", "group": "cell"}
    by_seed = {
        k2: of.fidelities("relative bias", **of_rnn, algorithm=f"truncated(k1=1, k2={k2})") for k2 in (1, 2, 4, 8)
    }
    missing = {k2: float(shares.mean()) for k2, shares in by_seed.items()}
    ordered = [decided((one - longer).tolist(), 0.0, "higher") for one, longer in pairwise(by_seed.values())]
    gains = {name: of.gain(task, "rnn", 8, "end", name) for name in ("truncated(k1=1, k2=1)", "full")}
    return Belief(
        "A shorter truncation mitigates vanishing",
        "false" if all(ordered) else "undecided" if None in ordered else "half true",
        f"{100 * missing[1]:.0f} % missing at k2 = 1",
        f"false where the shorter the window, the larger the share of the gradient that is missing, {_TESTED}",
        "Of the cell's gradient there is missing: "
        + _listed([f"{100 * share:.0f} % with k2 = {k2}" for k2, share in missing.items()])
        + ". How far a network's own gradient reaches is another matter: after training, 8 steps back it is "
        f"{_n(gains['truncated(k1=1, k2=1)'])} of its size where k2 = 1 taught it, and {_n(gains['full'])} where full "
        "BPTT did.",
    )


def rtrl_is_one_step(of: Evidence) -> Belief:
    """RTRL updates at every step, with the whole past."""
    task, cells, _ = of.matrix
    by_seed = {
        cell: of.fidelities("cosine", task=task, cell=cell, algorithm="truncated(k1=1, k2=1)", moment="end")
        for cell in cells
    }
    one = {cell: float(cosines.mean()) for cell, cosines in by_seed.items()}
    rtrl = min(float(of.fidelities("cosine", task=task, cell=cell, algorithm="rtrl").min()) for cell in cells)
    return Belief(
        "RTRL is truncated BPTT with k = 1",
        "false" if rtrl > 0.99 and min(cosines.min() for cosines in by_seed.values()) < 0.99 else "true",
        f"cosine {min(one.values()):.2f} against {rtrl:.2f}",
        "false where RTRL's cosine with the exact gradient is above .99 in every run, and that of k1 = k2 = 1 in some "
        "run is not: what is the same is so always",
        "Both make an update at every step; RTRL's influence matrix holds the whole past. With k1 = k2 = 1 the cosine "
        "at the end of training is "
        + _listed([f"{value:.2f} ({cell})" for cell, value in one.items()])
        + f"; RTRL's {rtrl:.6f}.",
    )


def cosine_is_learning(of: Evidence) -> Belief:
    """A gradient's direction is one thing among several."""
    task, cells, algorithms = of.matrix
    ranks, worst = {}, ("", 0.0, "", 0.0, "")
    for cell in cells:
        by_seed = pd.DataFrame(
            {name: of.fidelities("cosine", task=task, cell=cell, algorithm=name) for name in algorithms}
        )
        ended = pd.DataFrame({name: of.scores(task, cell, name) for name in algorithms})
        seeds = ended.index.tolist()
        ranks[cell] = pd.Series([_rank_correlation(by_seed.loc[seed], -ended.loc[seed]) for seed in seeds], seeds)
        cosines, scores = by_seed.mean().tolist(), ended.mean().tolist()
        pairs = [
            (scores[a] - scores[b], (algorithms[a], cosines[a], algorithms[b], cosines[b], cell))
            for a in range(len(algorithms))
            for b in range(len(algorithms))
            if cosines[a] > cosines[b] + 0.1
        ]
        if pairs and (largest := max(pairs, key=lambda pair: pair[0]))[0] > 0 and (not worst[0] or cell == "rnn"):
            worst = largest[1]
    over_cells = pd.DataFrame(ranks).mean(axis=1).dropna().tolist()
    found = interval(over_cells)
    better, cosine, other, lower, cell = worst
    told = "Rank correlation of cosine and score over the algorithms: " + _listed(
        [f"{of_cell.mean():+.2f} ({name})" for name, of_cell in ranks.items()]
    )
    if better:
        told += (
            f". Against it, on {cell}: `{better}` has cosine {cosine:.2f} and scores "
            f"{_n(of.score(task, cell, better))}, `{other}` has {lower:.2f} and scores "
            f"{_n(of.score(task, cell, other))}"
        )
    return Belief(
        "A better cosine means better learning",
        _of_correlation(found),
        f"rank correlation {found.mean:+.2f} [{found.low:+.2f}, {found.high:+.2f}]",
        "true where the rank correlation of cosine and final score, the mean over cells, is above .9, half true above "
        ".3, false below: the whole interval over the seeds is",
        f"{told}. Lower scores are better.",
    )


def _of_correlation(found: Interval) -> str:
    if found.n < LEAST_SEEDS:
        return "undecided"
    return (
        "true" if found.low > 0.9 else "half true" if found.low > 0.3 else "false" if found.high < 0.3 else "undecided"
    )


def _rank_correlation(one: pd.Series, other: pd.Series) -> float:
    """Spearman's, over what both have."""
    both = pd.DataFrame({"one": one, "other": other}).dropna()
    return float(stats.spearmanr(both["one"], both["other"]).statistic) if len(both) > 2 else math.nan


_CUT, _REACHING = "truncated(k1=2, k2=2)", "truncated(k1=1, k2=4)"

BELIEFS: tuple[Callable[[Evidence], Belief], ...] = (
    only_for_rnns,
    truncation_forgets,
    exploding_is_fatal,
    gates_cure,
    shorter_mitigates,
    rtrl_is_one_step,
    cosine_is_learning,
)


def beliefs(found: Gradients) -> list[Belief]:
    """Every belief with its verdict, from the results of `vanishing`."""
    evidence = Evidence(found)
    return [judge(evidence) for judge in BELIEFS]


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _n(value: float) -> str:
    """Three digits."""
    return "nothing: it diverged" if math.isnan(value) else f"{value:.3g}"


def _power(value: float) -> str:
    """As a power of ten where it is small.

    >>> _power(3.2e-12), _power(0.25)
    ('10^−11.5', '0.25')
    """
    return f"10^−{-math.log10(value):.1f}" if 0 < value < 1e-3 else f"{value:.2g}"
