"""On torch's `meta` device, where tensors hold no numbers: whatever asks for one, and whatever mixes devices, raises.

A GPU would have to be waited for there. So every algorithm, cell and forcing is ready for one, without one.
"""

import pytest

from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.forcings import make_forcing
from throughtime.runners.verify.problems import draws, make_problem

SPECS = [
    "full",
    "truncated(k1=2, k2=5)",
    "online(depth=3)",
    "stochastic(length=4, draws=2)",
    "rtrl",
    "rtrl(update_every=None)",
    "readout_only",
    "uoro",
    "snap",
    "snap(order=2)",
    "rflo(feedback='random')",
    "eprop",
    "kf_rtrl",
    "ok(rank=2)",
    "sparse_rtrl(paths=2)",
    "checkpointed",
    "checkpointed(slots=2)",
    "blocked_rtrl(block=3)",
    "artbp(mean_length=3)",
    "dni(k=3)",
    "fptt(every=3)",
]
"""Not `adaptive`, whose probe decides how far to go back, nor `forward_errors`, which stops at a singular step."""

FORCINGS = ["teacher", "free", "scheduled", "generalized(alpha=0.5)", "professor"]


# Each forcing meets each algorithm and each cell, of values or of symbols: on this device an operator takes long.
ON_RNN = [(spec, "rnn", forcing) for spec in SPECS for forcing in FORCINGS]
BY_FULL = [(spec, cell, forcing) for spec in ("full", "rtrl") for cell in ("lstm", "gru") for forcing in FORCINGS]


OTHERS = ["leaky(sparsity=0.5)", "gru(sparsity=0.5)", "lru", "elstm", "lru(layers=2)", "rnn(layers=2)"]
KINDS = [(spec, cell, forcing) for spec in ("full", "rtrl") for cell in OTHERS for forcing in ("teacher", "free")]
KINDS += [("layerwise_rtrl", cell, "teacher") for cell in OTHERS]


@pytest.mark.filterwarnings("ignore:RNN module weights are not part of single contiguous chunk")
@pytest.mark.parametrize("both", [False, pytest.param(True, marks=pytest.mark.long)], ids=["in turn", "both"])
@pytest.mark.parametrize(("spec", "cell", "forcing"), [*ON_RNN, *BY_FULL, *KINDS])
def test_nothing_is_asked_of_the_device(spec, cell, forcing, both):
    """Of values or symbols in turn, so that each algorithm, cell and forcing meets both; or of both."""
    algorithm = make_algorithm(spec)
    if forcing == "professor" and not algorithm.backward_mode:
        pytest.skip("this forcing judges whole windows, which the algorithm does not differentiate")
    turn = len(spec) + len(cell) + FORCINGS.index(forcing)
    for symbols in (False, True) if both else (bool(turn % 2),):
        truth = make_problem(cell, length=4, mask="some steps", symbols=symbols, device="meta")
        forced = make_forcing(forcing)
        network = forced.begin(truth.network, "symbol" if symbols else "real", seed=0)
        batch = forced.drive(truth.batch, network, progress=0.5, generator=draws(0))
        gradient = estimate_gradient(algorithm, network, batch, generator=draws(0))
        for name, parameter in network.named_parameters():
            assert gradient[name].shape == parameter.shape
            assert gradient[name].device.type == "meta"


def test_a_question_would_be_found():
    truth = make_problem(mask="some steps", device="meta")
    with pytest.raises((RuntimeError, NotImplementedError), match=r"meta"):
        int(truth.batch.mask.sum())
