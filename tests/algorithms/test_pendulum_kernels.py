"""The kernels of the pendulum's loop and torch give the same, whoever takes the step, and wherever it is put."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.algorithms import make_algorithm
from throughtime.algorithms.compiled.choose import available, kernels_of, torch_alone
from throughtime.networks.layers import Stacked
from throughtime.networks.rnn import RNN
from throughtime.tasks import Batch, make_task
from throughtime.tasks.pendulum import Consequence, Loop, cost

pytestmark = pytest.mark.skipif(not available(), reason="Numba is not installed")

SPECS = [
    "full",
    "truncated(k1=2, k2=5)",
    "truncated(k1=3, k2=3)",
    "online(depth=3)",
    "stochastic(length=3, draws=2)",
    "stochastic(length=3, draws=2, burn_in=2)",
    "readout_only",
    "readout_only(update_every=3)",
    "rtrl",
    "rtrl(update_every=4)",
    "checkpointed",
    "artbp(mean_length=3)",
    "adaptive(delta=4, k_max=3)",
    "fptt(every=2)",
    "dni(k=2, learning_rate=0.1)",
]


def make_loop(cell, hidden_size=4, seed=0, dtype=torch.float64):
    return make_task("pendulum").make_network(cell, hidden_size=hidden_size, seed=seed, dtype=dtype, device="cpu")


def make_batch(steps=6, sequences=3, seed=0, masked=False, resets=True):
    """Starts up to a whole turn, goals other than upright, and a pendulum that is put elsewhere on its way."""
    g = torch.Generator().manual_seed(seed)
    inputs = torch.randn(steps, sequences, 3, generator=g, dtype=torch.float64)
    inputs[..., 0] = (torch.rand(steps, sequences, generator=g) < 0.2) & resets
    targets = 0.3 * torch.randn(steps, sequences, 3, generator=g, dtype=torch.float64)
    mask = torch.rand(steps, sequences, generator=g) < 0.6 if masked else None
    return Batch(inputs, targets, cost, mask)


def streamed(spec, network, batch):
    """What two batches of a stream give: each update's gradient, loss and share, and the last state."""
    found, carry, generator = [], None, torch.Generator().manual_seed(1)
    for _ in range(2):
        for update in make_algorithm(spec).updates(network, batch, carry, generator=generator):
            gradient = torch.cat([p.grad.flatten() for p in network.parameters()])
            found.append(torch.cat([gradient, update.loss.reshape(1), torch.full((1,), update.weight).to(gradient)]))
            carry = update.carry
    return torch.stack(found)


def differ(spec, network, batch):
    """How far the two forms are from each other, and that the kernels are one of them."""
    assert kernels_of(network, batch) is not None
    found = streamed(spec, network, batch)
    with torch_alone():
        assert kernels_of(network, batch) is None
        expected = streamed(spec, network, batch)
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("cell", ["rnn", "gru"])
@pytest.mark.parametrize("spec", SPECS)
def test_kernels_and_torch_give_the_same(cell, spec):
    assert differ(spec, make_loop(cell), make_batch()) <= 1e-12


@pytest.mark.parametrize("cell", ["rnn", "gru"])
@settings(max_examples=12)
@given(
    spec=st.sampled_from(["full", "truncated(k1=2, k2=3)", "readout_only", "rtrl", "checkpointed"]),
    hidden_size=st.integers(1, 17),
    steps=st.integers(1, 7),
    sequences=st.integers(1, 5),
    seed=st.integers(0, 1000),
    masked=st.booleans(),
)
def test_at_any_size_and_mask(cell, spec, hidden_size, steps, sequences, seed, masked):
    network, batch = make_loop(cell, hidden_size, seed), make_batch(steps, sequences, seed, masked)
    if batch.total:
        assert differ(spec, network, batch) <= 1e-11


def test_rtrl_goes_on_in_the_other_form():
    network, batch = make_loop("rnn"), make_batch(resets=False)

    def last(first_alone, second_alone):
        carry = None
        for alone in (first_alone, second_alone):
            with torch_alone() if alone else torch.enable_grad():
                for update in make_algorithm("rtrl").updates(network, batch, carry):
                    carry = update.carry
        return torch.cat([p.grad.flatten() for p in network.parameters()])

    for forms in ((True, False), (False, True), (False, False)):
        torch.testing.assert_close(last(*forms), last(True, True), rtol=1e-10, atol=1e-12)


def test_a_place_that_is_no_number_puts_nothing():
    network, batch = make_loop("rnn"), make_batch(resets=False)
    batch.inputs[2:4, :, 0] = math.nan
    assert differ("rtrl", network, batch) <= 1e-12


def test_float32_is_close_to_float64():
    batch = make_batch()
    for spec in ("full", "rtrl"):
        exact = streamed(spec, make_loop("rnn"), batch)
        found = streamed(spec, make_loop("rnn", dtype=torch.float32), batch.to(dtype=torch.float32)).double()
        assert float((found - exact).norm() / exact.norm()) < 1e-5


class OtherLoop(Loop):
    """A loop that is derived from the usual one."""


class OtherConsequence(Consequence):
    """A plant that is derived from the usual one."""


class OtherCell(RNN):
    """A cell that is derived from a built-in one."""


def with_bias_frozen(network):
    network.readout.policy.bias.requires_grad_(False)
    return network


def with_a_hook(network):
    network.readout.register_forward_hook(lambda *_: None)
    return network


def with_another_cell(network):
    network.cell.__class__ = OtherCell
    return network


def with_another_plant(network):
    network.readout.__class__ = OtherConsequence
    return network


def with_a_spare(network):
    network.readout.add_module("spare", torch.nn.Linear(1, 1))
    return network


@pytest.mark.parametrize(
    "change",
    [
        with_a_spare,
        lambda network: OtherLoop(network.cell, network.readout),
        with_another_plant,
        with_another_cell,
        with_a_hook,
        with_bias_frozen,
        lambda network: network.double().float(),
        lambda _: make_loop("lstm"),
        lambda _: make_loop("rnn(sparsity=0.5)"),
    ],
)
def test_torch_does_what_kernels_do_not_know(change):
    network = change(make_loop("rnn"))
    assert kernels_of(network, make_batch()) is None


def test_another_loss_is_torchs():
    batch = make_batch()
    other = Batch(batch.inputs, batch.targets, lambda outputs, targets: cost(outputs, targets))
    assert kernels_of(make_loop("rnn"), other) is None


def test_a_stack_of_cells_is_torchs():
    network = make_loop("rnn(layers=2)")
    assert isinstance(network.cell, Stacked)
    assert kernels_of(network, make_batch()) is None
