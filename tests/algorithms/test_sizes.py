"""Sizes that don't fit are named where they enter: what was given, what is allowed, what to do."""

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from problems import together

from throughtime.algorithms import ALGORITHMS, make_algorithm
from throughtime.networks import ClosedLoop, drive, make_network
from throughtime.parts import BadInput
from throughtime.tasks import Batch, make_task
from throughtime.tasks.losses import cross_entropy, squared_error

SPECS = {
    "full": "full",
    "truncated": "truncated(k1=2, k2=4)",
    "online": "online(depth=3)",
    "stochastic": "stochastic(length=2, burn_in=1)",
    "rtrl": "rtrl",
    "layerwise_rtrl": "layerwise_rtrl",
    "uoro": "uoro",
    "snap": "snap",
    "rflo": "rflo(feedback='random')",
    "eprop": "eprop",
    "kf_rtrl": "kf_rtrl",
    "ok": "ok(rank=2)",
    "sparse_rtrl": "sparse_rtrl(paths=2)",
    "readout_only": "readout_only",
    "checkpointed": "checkpointed",
    "forward_errors": "forward_errors",
    "blocked_rtrl": "blocked_rtrl(block=3)",
    "artbp": "artbp(mean_length=3)",
    "adaptive": "adaptive(delta=4, k_max=4)",
    "dni": "dni(k=3)",
    "fptt": "fptt(every=3)",
}
each_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
m, n, o = 2, 3, 2


def make_batch(T, B, features=m):
    return Batch(torch.zeros(T, B, features), torch.zeros(T, B, o), squared_error)


def make(cell):
    return make_network(cell, input_size=m, hidden_size=n, output_size=o, seed=0)


def updates(spec, network, batch, carry=None):
    return list(make_algorithm(spec).updates(network, batch, carry, generator=torch.Generator().manual_seed(0)))


def test_every_algorithm_is_here():
    assert set(ALGORITHMS.names()) == set(SPECS)


@together("cell", ["rnn", "lstm", "gru"])
@each_spec
@together("sizes", [(3, 2), (2, 3), (3, 1), (1, 3)])
def test_a_batch_of_another_size_does_not_go_on_with_a_carry(spec, cell, sizes):
    before, after = sizes
    network = make(cell)
    carry = updates(spec, network, make_batch(4, before))[-1].carry
    with pytest.raises(BadInput) as caught:
        updates(spec, network, make_batch(4, after), carry)
    said = str(caught.value)
    assert f"the state before the window is of {before} sequences and the inputs (T, B, m) of B = {after}" in said
    assert "a stream keeps its batch size; leave a smaller last batch out, or begin anew" in said


@together("cell", ["rnn", "lstm", "gru"])
@each_spec
@together("features", [1, 3, 5])
def test_inputs_of_another_width_are_named(spec, cell, features):
    with pytest.raises(BadInput, match=rf"2 features; got \({'4|1|2'}, 3, {features}\)".replace("4|1|2", r"\d")):
        updates(spec, make(cell), make_batch(4, 3, features))


@together("cell", ["rnn", "lstm", "gru"])
def test_a_closed_loop_takes_driven_inputs_and_no_others(cell):
    made = make(cell)
    loop, inputs = ClosedLoop(made.cell, made.readout), torch.zeros(4, 3, m)
    loop.unroll(inputs)
    loop.unroll(drive(inputs, torch.zeros(4, 3)))
    loop.unroll(drive(inputs, torch.zeros(4, 3), torch.zeros(4, 3, o)))
    with pytest.raises(BadInput, match=r"2 or 3 or 5 features; got \(4, 3, 4\)"):
        loop.unroll(torch.zeros(4, 3, 4))


def test_what_brings_a_plant_says_what_it_takes():
    network = make_task("pendulum").make_network("rnn", hidden_size=3, seed=0, dtype=torch.float32, device="cpu")
    with pytest.raises(BadInput, match=r"3 features; got \(4, 3, 2\)"):
        network.unroll(torch.zeros(4, 3, 2))


@pytest.mark.parametrize("shape", [(3, m), (m,), (2, 4, 3, m)])
def test_inputs_without_time_or_batch_are_named(shape):
    with pytest.raises(BadInput, match=r"a window's inputs are \(T, B, m\), time first"):
        make("gru").unroll(torch.zeros(shape))
    with pytest.raises(BadInput, match=r"a batch's inputs are \(T, B, m\), of T steps and B sequences"):
        Batch(torch.zeros(shape), torch.zeros(4, 3, o), squared_error)


@pytest.mark.parametrize(("T", "B"), [(0, 3), (4, 0), (0, 0)])
def test_nothing_is_no_batch(T, B):
    with pytest.raises(BadInput, match="at least one step and one sequence"):
        make_batch(T, B)
    with pytest.raises(BadInput, match="one step and one sequence or more"):
        make("lstm").unroll(torch.zeros(T, B, m))


@given(T=st.integers(1, 5), B=st.integers(1, 5), classes=st.booleans())
def test_targets_that_lie_batch_first_are_named(T, B, classes):
    assume(T != B)
    targets = torch.zeros(B, T, dtype=torch.long) if classes else torch.zeros(B, T, o)
    with pytest.raises(BadInput, match=r"one of them has its sequences first: transpose\(0, 1\)"):
        Batch(torch.zeros(T, B, m), targets, cross_entropy if classes else squared_error)


@given(
    inputs=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    targets=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    mask=st.none() | st.tuples(st.integers(0, 4), st.integers(0, 4)),
)
def test_a_batch_is_made_exactly_where_all_fits(inputs, targets, mask):
    given_mask = None if mask is None else torch.ones(mask, dtype=torch.bool)
    parts = (torch.zeros(*inputs, m), torch.zeros(*targets, o), squared_error, given_mask)
    if targets == inputs and mask in (None, inputs):
        batch = Batch(*parts)
        assert batch.total == inputs[0] * inputs[1]
    else:
        with pytest.raises(BadInput, match=r"got .*\("):
            Batch(*parts)


@together("mask", [torch.ones(4, 3), torch.ones(4, 3, dtype=torch.uint8), torch.ones(4, 1).bool()])
def test_a_mask_is_bool_and_of_every_sequence(mask):
    """One of (T, 1) counted a step's targets once, and not once for every sequence."""
    with pytest.raises(BadInput, match=r"a batch's mask is bool and \(T, B\).*use mask\.bool\(\) and expand it"):
        Batch(torch.zeros(4, 3, m), torch.zeros(4, 3, o), squared_error, mask)


def test_targets_without_components_do_not_broadcast():
    """Outputs (T, B, 1) less targets (T, B) are differences of other pairs."""
    batch = Batch(torch.zeros(3, 3, m), torch.zeros(3, 3), squared_error)
    with pytest.raises(BadInput, match=r"got \(3, 3, 1\) and \(3, 3\): a single output keeps its dimension"):
        batch.mean_loss(torch.zeros(3, 3, 1))


@pytest.mark.parametrize("counts", [None, True, False])
def test_a_loss_over_all_steps_is_named(counts):
    mask = None if counts is None else torch.rand(4, 3, generator=torch.Generator().manual_seed(0)) < 0.5 + counts
    batch = Batch(torch.zeros(4, 3, m), torch.zeros(4, 3, o), lambda y, t: (y - t).square().mean(), mask)
    with pytest.raises(BadInput, match=r"\(T, B\) = \(4, 3\); got \(\)"):
        batch.mean_loss(torch.zeros(4, 3, o))


@given(T=st.integers(1, 6), B=st.integers(1, 3), data=st.data())
def test_a_windows_counts_are_those_of_its_mask(T, B, data):
    bits = data.draw(st.lists(st.booleans(), min_size=T * B, max_size=T * B))
    start = data.draw(st.integers(0, T - 1))
    stop = data.draw(st.integers(start + 1, T + 2))
    batch = Batch(torch.zeros(T, B, m), torch.zeros(T, B, o), squared_error, torch.tensor(bits).reshape(T, B))
    _ = batch.total
    window = batch.window(start, stop)
    assert window.counts == batch.mask[start:stop].sum(dim=1).tolist()
    assert window.total == int(batch.mask[start:stop].sum())
    assert (window.length, window.loss, window.continues) == (min(stop, T) - start, batch.loss, False)
