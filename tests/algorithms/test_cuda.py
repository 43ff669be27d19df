"""On a GPU, where there is one: the same gradients as on the CPU."""

import pytest
import torch

from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.forcings import make_forcing
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
    "ok(rank=2)",
    "sparse_rtrl(paths=2)",
]
FORCINGS = ["teacher", "free", "scheduled", "generalized(alpha=0.5)", "professor"]
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-3}


def gradient(spec, cell, forcing, dtype, device):
    task, draws = make_task("sunspots", length=12), torch.Generator().manual_seed(0)
    batch = task.sample(3, generator=draws).to(device=device, dtype=dtype)
    made = task.make_network(cell, hidden_size=5, seed=0, dtype=dtype, device=device)
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
