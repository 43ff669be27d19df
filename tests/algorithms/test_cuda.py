"""On a GPU, where there is one: the same gradients as on the CPU."""

import pytest
import torch

from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.networks import make_network
from throughtime.tasks import make_task

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA GPU")
SPECS = [
    "full",
    "truncated(k1=2, k2=5)",
    "online(depth=3)",
    "stochastic(length=9, draws=2)",
    "rtrl",
    "readout_only",
]
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-3}


def gradient(spec, cell, dtype, device):
    batch = make_task("two_lag", length=12).sample(3, generator=torch.Generator().manual_seed(0))
    network = make_network(cell, input_size=1, hidden_size=5, output_size=2, seed=0, dtype=dtype, device=device)
    draws = torch.Generator().manual_seed(0)
    found = estimate_gradient(make_algorithm(spec), network, batch.to(device=device, dtype=dtype), generator=draws)
    return {name: value.cpu().double() for name, value in found.items()}


@pytest.mark.filterwarnings("ignore:RNN module weights are not part of single contiguous chunk")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("spec", SPECS)
def test_gpu_and_cpu_agree(spec, cell, dtype):
    here, there = (gradient(spec, cell, dtype, device) for device in ("cpu", "cuda"))
    for name, value in here.items():
        assert float((there[name] - value).norm()) <= TOLERANCE[dtype] * float(value.norm()) + 1e-12, name
