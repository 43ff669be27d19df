"""On a GPU, where there is one: the same gradients as on the CPU, and the memory that a CPU's counts tell."""

import pytest
import torch

from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.forcings import make_forcing
from throughtime.networks import make_network
from throughtime.runners.training.measure import count_updates
from throughtime.runners.verify.problems import exact_gradient, make_problem
from throughtime.tasks import make_task

if not torch.cuda.is_available():
    pytest.skip("torch finds no CUDA GPU", allow_module_level=True)

SPECS = [
    "full",
    "truncated(k1=2, k2=5)",
    "online(depth=3)",
    "stochastic(length=9, draws=2)",
    "rtrl",
    "readout_only",
    "uoro",
    "snap",
    "eprop(feedback='random')",
    "kf_rtrl",
    "ok(rank=9)",
    "sparse_rtrl(paths=2)",
]
RELATIVES = [
    "checkpointed",
    "checkpointed(slots=2)",
    "blocked_rtrl(block=3)",
    "artbp(mean_length=3)",
    "adaptive(delta=4, k_max=4)",
    "dni(k=3)",
    "fptt(every=3)",
    "rflo",
    "snap(order=2)",
    "layerwise_rtrl",
    "rtrl(update_every=None)",
]
KINDS = [
    "leaky(leak=0.3)",
    "rnn(sparsity=0.5)",
    "gru(sparsity=0.5)",
    "lru",
    "rtu",
    "elstm",
    "rnn(layers=2)",
    "lru(layers=2)",
]
FORCINGS = ["teacher", "free", "scheduled", "generalized(alpha=0.5)", "professor"]
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-3}


def gradient(spec, cell, forcing, dtype, device):
    task, draws = make_task("sunspots", length=12), torch.Generator().manual_seed(0)
    batch = task.sample(3, generator=draws).to(device=device, dtype=dtype)
    made = task.make_network(cell, hidden_size=6, seed=0, dtype=dtype, device=device)
    drawn = make_forcing(forcing)
    network = drawn.begin(made, task.feedback, seed=0)
    driven = drawn.drive(batch, network, progress=0.5, generator=draws)
    found = estimate_gradient(make_algorithm(spec), network, driven, generator=draws)
    return {name: value.cpu().double() for name, value in found.items()}


@pytest.mark.filterwarnings("ignore:RNN module weights are not part of single contiguous chunk")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("forcing", FORCINGS)
@pytest.mark.parametrize("spec", SPECS)
def test_gpu_and_cpu_agree(spec, forcing, cell, dtype):
    if make_forcing(forcing).backward_mode_only and not make_algorithm(spec).backward_mode:
        pytest.skip("this forcing judges whole windows, which the algorithm does not differentiate")
    here, there = (gradient(spec, cell, forcing, dtype, device) for device in ("cpu", "cuda"))
    for name, value in here.items():
        assert float((there[name] - value).norm()) <= TOLERANCE[dtype] * float(value.norm()) + 1e-12, name


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", *KINDS])
@pytest.mark.parametrize("spec", [*SPECS, *RELATIVES])
def test_every_algorithm_on_every_kind_of_cell(spec, cell):
    if (cell in ("rnn", "lstm", "gru") and spec in SPECS) or refusal(spec, cell):
        pytest.skip(refusal(spec, cell) or "this pair is in the test of forcings")
    here, there = (gradient(spec, cell, "teacher", torch.float64, device) for device in ("cpu", "cuda"))
    for name, value in here.items():
        assert float((there[name] - value).norm()) <= 1e-9 * float(value.norm()) + 1e-12, name


def refusal(spec, cell):
    network = make_network(cell, input_size=1, hidden_size=6, output_size=1, seed=0)
    return make_algorithm(spec).refuses(network)


MEASURED = [
    "full",
    "truncated(k1=5, k2=20)",
    "online(depth=20)",
    "stochastic(length=20)",
    "rtrl",
    "snap",
    "eprop",
    "rflo",
    "kf_rtrl",
    "sparse_rtrl(paths=2)",
    "checkpointed",
    "blocked_rtrl(block=10)",
    "dni(k=20)",
    "fptt(every=20)",
    "layerwise_rtrl",
]
"""Not `uoro` and `ok`: signs that wait on the device, and its solver's own memory, are a GPU's alone."""


@pytest.mark.parametrize("cell", ["leaky(leak=0.3)", "lru", "elstm"])
@pytest.mark.parametrize("spec", MEASURED)
def test_the_memory_counted_on_a_cpu_is_what_the_gpus_allocator_reports(spec, cell):
    """To 3 %, on cells that run the same operators on both, of a size at which blocks of 512 bytes do not show."""
    network = make_network(cell, input_size=1, hidden_size=64, output_size=2, seed=0)
    if told := make_algorithm(spec).refuses(network):
        pytest.skip(told)
    batch = make_task("two_lag", length=40).sample(32, generator=torch.Generator().manual_seed(0))
    counted = count_updates(make_algorithm(spec), network, batch).peak_bytes
    allocated = count_updates(make_algorithm(spec), network.to("cuda"), batch.to(device="cuda")).peak_bytes
    assert counted == pytest.approx(allocated, rel=0.03)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_truly_random_rank_is_unbiased_on_a_gpu_too(cell):
    """`ok` below the rank at which nothing is lost: which singular vector has which sign is the solver's choice, so
    its draws differ from a CPU's, and their mean does not.
    """
    problem = make_problem(cell, length=4, units=3, device="cuda")
    exact, copies = exact_gradient(problem), problem.repeated(300)
    means = [copies.estimate(make_algorithm("ok(rank=1)"), seed=seed) for seed in range(16)]
    for name, value in exact.items():
        drawn = torch.stack([one[name] for one in means])
        error = drawn.std(dim=0) / len(means) ** 0.5
        assert ((drawn.mean(dim=0) - value).abs() <= 6 * error + 1e-12).all(), name
