"""The statistics of paired times: what is called slower, and how often wrongly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.runners.gate.judge import THRESHOLD, Session, faster, pooled, slower, stored_baseline_alarms


def session(ratio, spread=0.001):
    return Session(ratio, ratio - spread, ratio + spread, 1.0)


def drawn(generator, ratio, sessions=3, rounds=40, noise=0.05, between=0.007):
    """Sessions of a machine whose rounds and processes spread as they were seen to."""
    found = []
    for _ in range(sessions):
        shift = generator.normal(0, between)
        base = generator.lognormal(0, 0.3, rounds)
        head = base * ratio * np.exp(shift + generator.normal(0, noise, rounds))
        found.append(Session.of(np.stack([base, head], axis=1)))
    return found


@given(st.floats(0.5, 2.0), st.integers(1, 60))
def test_a_slow_machine_changes_no_ratio(ratio, rounds):
    base = np.random.default_rng(rounds).lognormal(0, 2, rounds)
    found = Session.of(np.stack([base, ratio * base], axis=1))
    assert found.ratio == pytest.approx(ratio)
    assert found.base_seconds == pytest.approx(np.median(base))


def test_bounds_are_of_the_binomial_distribution():
    ratios = np.arange(1.0, 41.0)  # of 40, the 15th and the 26th: P(fewer than 15 heads of 40) = .040
    found = Session.of(np.stack([np.ones(40), ratios], axis=1))
    assert (found.low, found.high) == (15.0, 26.0)


def test_slower_needs_the_threshold_and_every_session():
    assert slower([session(1.1)] * 3)
    assert not slower([session(THRESHOLD - 0.01)] * 3)
    assert not slower([session(1.1), session(1.1), session(1.0)])


def test_faster_is_slower_the_other_way_round():
    assert faster([session(0.9)] * 3)
    assert not faster([session(1.1)] * 3)
    assert not faster([session(0.9), session(0.9), session(1.0)])


def test_one_odd_session_moves_nothing():
    assert pooled([session(1.01), session(1.4), session(1.02)]) == 1.02


def test_false_alarms_are_rare_and_ten_percent_is_found():
    generator = np.random.default_rng(0)
    assert sum(slower(drawn(generator, 1.0)) for _ in range(50)) == 0
    assert sum(slower(drawn(generator, 1.1)) for _ in range(50)) >= 47


def test_a_stored_baseline_is_wrong_where_the_machine_slows_down():
    assert stored_baseline_alarms([([1.0, 1.0], [1.2, 1.0]), ([1.0, 1.0], [1.0, 1.05])]) == 0.5
    assert np.isnan(stored_baseline_alarms([]))
