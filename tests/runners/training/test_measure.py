"""Exact counts, clocks that stop, and a gradient's quality."""

import itertools
import time

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from throughtime.algorithms import ALGORITHMS, make_algorithm
from throughtime.algorithms.compiled.choose import torch_alone
from throughtime.networks import make_network
from throughtime.runners.training.measure import Clock, carry_bytes, count, count_updates, gradient_quality
from throughtime.tasks import Batch, make_task
from throughtime.tasks.losses import squared_error

SPECS = {
    "truncated": "truncated(k1=2, k2=4)",
    "online": "online(depth=4)",
    "stochastic": "stochastic(length=4)",
    "blocked_rtrl": "blocked_rtrl(block=3)",
    "artbp": "artbp(mean_length=3)",
    "adaptive": "adaptive(delta=4, k_max=4)",
    "dni": "dni(k=3)",
    "fptt": "fptt(every=3)",
    "sparse_rtrl": "sparse_rtrl(paths=2)",
}


def spec(name):
    return SPECS.get(name, name)


def problem(length, cell="rnn", hidden_size=6):
    task = make_task("two_lag", length=length)
    network = make_network(cell, input_size=1, hidden_size=hidden_size, output_size=2, seed=0)
    return network, task.sample(3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ALGORITHMS.names())
def test_counts_repeat_exactly(name):
    network, batch = problem(12)
    first, second = (count_updates(make_algorithm(spec(name)), network, batch) for _ in range(2))
    assert first == second
    assert first.peak_bytes > 0
    assert first.ops > 0
    assert first.flops > 0


CELLS = ["rnn", "lstm", "gru"]
NAMES = [name for name in ALGORITHMS.names() if name != "forward_errors"]  # it has none so far
FEW = [("full", "rnn"), ("full", "lstm"), ("truncated", "gru"), ("online", "rnn"), ("rtrl", "lstm"), ("uoro", "rnn")]
OTHERS = [(name, cell) for name in NAMES for cell in CELLS if (name, cell) not in FEW]


@pytest.mark.parametrize(("name", "cell"), [*FEW, *(pytest.param(*one, marks=pytest.mark.long) for one in OTHERS)])
def test_online_memory_does_not_grow_with_the_sequence(name, cell):
    """The long form has every algorithm on every cell, of which tests/runners/verify has each on one, by its check."""
    algorithm = make_algorithm(spec(name))
    short, long = (count_updates(algorithm, *problem(length, cell)).peak_bytes for length in (16, 96))
    assert (long < 1.02 * short) == algorithm.online


def test_full_bptt_stores_the_states_of_the_whole_sequence():
    n, batch_size = 6, 3
    difference = [
        count_updates(make_algorithm("full"), *problem(length, hidden_size=n)).peak_bytes for length in (50, 60)
    ]
    assert difference[1] - difference[0] >= 10 * batch_size * n * 4


def test_rtrl_holds_two_influence_matrices():
    n, m, batch_size = 16, 1, 3
    influence = batch_size * n * n * (m + n + 1) * 4
    peak = count_updates(make_algorithm("rtrl"), *problem(12, hidden_size=n)).peak_bytes
    assert 2 * influence <= peak < 3 * influence


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "leaky(leak=0.3)", "lru"])
@pytest.mark.parametrize("spec", ["full", "readout_only", "truncated(k1=2, k2=5)", "checkpointed(slots=2)", "uoro"])
def test_peak_is_what_torchs_allocator_reports(spec, cell):
    """With 64 units, of which a transposed copy takes scratch memory."""
    algorithm, (network, batch) = make_algorithm(spec), problem(12, cell, hidden_size=64)

    def drain():
        for parameter in network.parameters():
            parameter.grad = None
        for _ in algorithm.updates(network, batch, generator=torch.Generator().manual_seed(0)):
            pass

    with torch_alone():
        drain()
        for parameter in network.parameters():
            parameter.grad = None
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
            drain()
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    reported = max(itertools.accumulate(event.nbytes() for event in events))
    assert count_updates(algorithm, network, batch).peak_bytes == pytest.approx(reported, rel=0.001)


def test_scratch_memory_is_for_large_transposed_copies_alone():
    def taken(work):
        return count(work, [wide, narrow], torch.device("cpu")).peak_bytes

    wide, narrow = torch.zeros(60, 60), torch.zeros(59, 60)
    scratch = 60 * 60 * 4
    assert taken(lambda: wide.T.contiguous()) == 2 * scratch
    assert taken(lambda: wide.clone()) == scratch
    assert taken(lambda: narrow.T.contiguous()) == narrow.numel() * 4


def test_flops_of_a_product_are_two_per_multiplication():
    network = make_network("rnn", input_size=3, hidden_size=5, output_size=2, seed=0)
    batch = Batch(torch.zeros(1, 4, 3), torch.zeros(1, 4, 2), squared_error)
    forward = 4 * (3 * 5 + 5 * 5 + 5 * 2)
    backward = 4 * (5 * 2 + 5 * 2 + 3 * 5 + 5 * 5)  # into h, V, W, U
    assert count_updates(make_algorithm("full"), network, batch).flops == 2 * (forward + backward)


def test_a_carry_counts_each_storage_once_and_no_module():
    class Influence:
        def __init__(self):
            self.cell, self.itself, self.now = torch.nn.Linear(50, 50), self, 1
            self.buffers = (torch.zeros(5), torch.zeros(5))

    whole = torch.zeros(10)
    assert carry_bytes(None) == 0
    assert carry_bytes((whole[:3], {"the same": whole}, [Influence()])) == 4 * (10 + 5 + 5)


def test_full_bptt_carries_the_state_alone():
    (update,) = make_algorithm("full").updates(*problem(12, "lstm"))
    assert carry_bytes(update.carry) == 2 * 3 * 6 * 4


def test_counting_leaves_parameters_and_gradients_as_they_were():
    network, batch = problem(12)
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    network.readout.bias.grad = marker = torch.ones(2)
    count_updates(make_algorithm("rtrl"), network, batch)
    assert network.readout.bias.grad is marker
    assert network.cell.weight_hh_l0.grad is None
    assert all(torch.equal(before[name], parameter) for name, parameter in network.named_parameters())


def test_clock_counts_only_what_runs_under_it():
    clock = Clock(torch.device("cpu"))
    start = time.perf_counter()
    with clock.running():
        time.sleep(0.02)
    counted, elapsed = clock.wall, time.perf_counter() - start
    time.sleep(0.05)
    assert clock.wall == counted
    assert 0.02 <= counted <= elapsed
    with clock.running():
        time.sleep(0.01)
    assert clock.wall >= counted + 0.01


def test_clock_tells_sleeping_from_computing():
    clock = Clock(torch.device("cpu"))
    with clock.running():
        time.sleep(0.05)
    assert clock.cpu < 0.02 < clock.wall


def test_gradient_quality_of_a_known_angle():
    exact = {"a": torch.tensor([1.0, 0.0]), "b": torch.tensor([[0.0]])}
    estimate = {"b": torch.tensor([[1.0]]), "a": torch.tensor([1.0, 0.0])}
    quality = gradient_quality(estimate, exact)
    assert quality.cosine == pytest.approx(2**-0.5)
    assert quality.relative_error == pytest.approx(1.0)


def test_gradient_quality_is_over_all_parameters_at_once():
    exact = {"a": torch.ones(3), "b": 2 * torch.ones(1)}
    half = {name: value / 2 for name, value in exact.items()}
    quality = gradient_quality(half, exact)
    assert quality.cosine == pytest.approx(1.0)
    assert quality.relative_error == pytest.approx(0.5)
