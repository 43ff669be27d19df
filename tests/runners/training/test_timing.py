"""Things timed in turns, and their ratios."""

import time

import numpy as np
import pytest

from throughtime.runners.training.timing import Spread, in_turns, ratio
from throughtime.runners.training.workload import Workload


def test_each_work_is_timed_in_every_round_and_warmed_up_before():
    calls = {"quick": 0, "slow": 0}

    def work(name, seconds):
        calls[name] += 1
        time.sleep(seconds)

    times = in_turns({"quick": lambda: work("quick", 0.002), "slow": lambda: work("slow", 0.02)}, rounds=7, warm_up=3)
    assert calls == {"quick": 10, "slow": 10}
    assert {name: seconds.shape for name, seconds in times.items()} == {"quick": (7,), "slow": (7,)}
    assert ratio(times["slow"], times["quick"]).median > 1.5


def test_the_order_changes_from_round_to_round():
    order = []
    in_turns({name: lambda name=name: order.append(name) for name in "abc"}, rounds=3, warm_up=0)
    assert "".join(order) == "abcbcacab"


def test_a_slow_stretch_leaves_the_ratio_alone():
    base = np.array([1.0, 1.0, 5.0, 5.0, 1.0])
    assert ratio(1.1 * base, base) == Spread(pytest.approx(1.1), pytest.approx(1.1), pytest.approx(1.1))


def test_a_spread_is_the_median_and_the_quartiles():
    assert Spread.of(np.array([4.0, 1.0, 3.0, 2.0, 5.0])) == Spread(median=3.0, lower=2.0, upper=4.0)


def test_a_workload_is_the_same_every_time_and_tells_of_each_update():
    workload, updates = Workload("truncated(k1=2, k2=4)", "gru", 6, 5, 3), []
    first, second = workload.prepare(), workload.prepare()
    first.run(after=lambda: updates.append(first.network.cell.weight_hh_l0.grad.clone()))
    second.run()
    assert len(updates) == 3
    assert np.array_equal(updates[-1], second.network.cell.weight_hh_l0.grad)
    assert first.batch.inputs.shape == (6, 3, 2)
