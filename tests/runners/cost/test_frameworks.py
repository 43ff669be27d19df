"""Ratios to JAX, Flax and Keras: theirs compute our gradients and train, wrong ones are not timed, absent ones told."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.parts import BadInput
from throughtime.runners.cost import frameworks, peers
from throughtime.runners.cost.frameworks import At, Ours, distance

TINY = At(3, 5, 12, 4)
CASES = [(algorithm, cell) for cell, algorithms in frameworks.ALGORITHMS.items() for algorithm in algorithms]


class TestWithoutThem:
    @pytest.fixture(autouse=True)
    def _none_is_installed(self, monkeypatch):
        monkeypatch.setattr(frameworks, "installed", lambda framework: False)

    def test_each_has_one_row_that_says_how_to_get_it(self):
        rows = [row for name, rows_of in peers.PEERS.items() if "JAX" in name for row in rows_of(peers.Sizes())]
        assert [row.what for row in rows] == ["ours / JAX", "ours / Flax", "ours / Keras"]
        assert {row.verdict for row in rows} == {"not measured"}
        assert {row.reason for row in rows} == {"not installed: pip install 'throughtime[frameworks]'"}


def test_there_is_one_input_and_a_class_at_every_step():
    batch, network = frameworks.batch_at(TINY), frameworks.network_at("gru", TINY)
    assert batch.inputs.shape == (12, 3, 1)
    assert batch.total == 36
    assert network.cell.input_size == 1
    assert network.readout.out_features == 2


def test_our_side_trains():
    ours = Ours("online", "rnn", TINY)
    ours.run()
    tally = ours.stepper.tally()
    assert (ours.spec, tally.updates, tally.finite) == ("online(depth=4)", 12, 12)


class TestDistance:
    OURS = {"cell.bias_hh_l0": torch.ones(2), "readout.weight": torch.tensor([[1.0, -4.0]])}  # noqa: RUF012

    def test_is_relative_to_the_largest_entry_of_a_parameter(self):
        theirs = {"cell.bias_hh_l0": np.ones(2), "readout.weight": np.array([[1.0, -4.2]])}
        assert distance(self.OURS, theirs) == pytest.approx(0.05)

    def test_only_the_second_bias_may_be_left_out(self):
        assert distance(self.OURS, {"readout.weight": np.array([[1.0, -4.0]])}) == 0
        with pytest.raises(BadInput, match="readout"):
            distance(self.OURS, {"cell.bias_hh_l0": np.ones(2)})
        with pytest.raises(BadInput, match="readout"):
            distance(self.OURS, {"readout.weight": np.ones((2, 1))})

    @pytest.mark.parametrize("wrong", [np.nan, np.inf])
    def test_what_is_not_finite_is_far(self, wrong):
        assert distance(self.OURS, {"readout.weight": np.array([[1.0, wrong]])}) > 1e9


def peer_of(framework, algorithm, cell):
    if not frameworks.installed(framework):  # not importorskip: what is imported has read its settings
        pytest.skip(f"{framework} is not installed")
    ours = Ours(algorithm, cell, TINY)
    return ours, frameworks.peers_of(algorithm, cell, TINY.depth, ours.network)[framework]()


def jitted(peer, ours, **options):
    from throughtime.runners.cost.jitted import Jitted

    updates = 1 if ours.spec == "full" else TINY.length
    return Jitted(peer, ours.batch, updates, **options)


@pytest.mark.parametrize(
    ("framework", "algorithm", "cell"),
    [("JAX", *case) for case in CASES] + [(name, "full", cell) for name in ("Flax", "Keras") for cell in peers.CELLS],
)
def test_their_gradient_is_ours(framework, algorithm, cell):
    ours, peer = peer_of(framework, algorithm, cell)
    found = jitted(peer, ours).gradients()
    assert distance(ours.gradients(), found) < frameworks.TOLERANCE
    assert {*found} >= {*ours.gradients()} - {"cell.bias_hh_l0"}


def test_a_gradient_of_other_parameters_is_told_apart():
    ours, peer = peer_of("JAX", "full", "rnn")
    with torch.no_grad():
        ours.network.cell.weight_hh_l0[0, 1] += 0.01
    assert distance(ours.gradients(), jitted(peer, ours).gradients()) > 100 * frameworks.TOLERANCE


def test_online_is_truncated_in_theirs_too():
    ours, peer = peer_of("JAX", "online", "rnn")
    exact = estimate_gradient(make_algorithm("full"), ours.network, ours.batch)
    assert distance(exact, jitted(peer, ours).gradients()) > 100 * frameworks.TOLERANCE


@pytest.mark.parametrize("algorithm", ["full", "online", "rtrl"])
def test_their_training_is_clipped_adam(algorithm):
    ours, peer = peer_of("JAX", algorithm, "rnn")
    before = {name: np.asarray(value).copy() for name, value in peer.parameters.items()}
    other = jitted(peer, ours, learning_rate=0.01)
    other.run()
    other.wait()
    moved = np.abs(np.asarray(other.state[0]["W"]) - before["W"])
    updates = 1 if algorithm == "full" else TINY.length
    assert 0 < moved.max() <= 0.0101 * updates
    assert np.allclose(moved, 0.01, rtol=1e-3) == (algorithm == "full")  # Adam's first step is as long for all
    first = float(other.loss)
    for _ in range(20):
        other.run()
    other.wait()
    assert float(other.loss) < first
    assert np.array_equal(np.asarray(peer.parameters["W"]), before["W"])  # what is donated is a copy
    assert other.peak_bytes() > 0


def test_every_comparison_has_a_time_and_a_memory(monkeypatch):
    peer = peer_of("JAX", "full", "rnn")[1]
    monkeypatch.setattr(frameworks, "peers_of", lambda *of: {"JAX": lambda: peer})
    rows = frameworks.compared("full", "rnn", TINY, rounds=3, seconds=0.01)
    assert [row.what for row in rows] == ["full / JAX, rnn: time", "full / JAX, rnn: peak memory"]
    assert [row.limit for row in rows] == [1.0, None]
    assert all(np.isfinite(row.measured.median) for row in rows)
    assert "µs a step, theirs" in rows[0].reason


def test_what_differs_or_breaks_is_a_miss_and_not_timed(monkeypatch):
    peer = peer_of("JAX", "full", "rnn")[1]
    another = peer.__class__("another", {**peer.parameters, "U": 1.1 * peer.parameters["U"]}, peer.loop, peer.named)
    made = {"JAX": lambda: another, "Flax": lambda: {}["gone"]}
    monkeypatch.setattr(frameworks, "peers_of", lambda *of: made)
    different, broken = frameworks.compared("full", "rnn", TINY, rounds=3)
    assert (different.verdict, broken.verdict) == ("missed", "missed")
    assert different.measured is broken.measured is None
    assert "from ours, and 1e-05 is allowed" in different.reason
    assert broken.reason == "not timed, KeyError: 'gone'"


def test_jax_is_held_to_one_thread():
    if not frameworks.installed("JAX"):
        pytest.skip("JAX is not installed")
    code = """
import time
from throughtime.runners.cost.frameworks import start_jax
start_jax()
import jax, jax.numpy as jnp
product, a = jax.jit(lambda a: a @ a / 1000), jnp.ones((1000, 1000))
jax.block_until_ready(product(a))
wall, cpu = time.perf_counter(), time.process_time()
for _ in range(10):
    a = product(a)
jax.block_until_ready(a)
print((time.process_time() - cpu) / (time.perf_counter() - wall))
"""
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert float(ended.stdout) < 1.3
