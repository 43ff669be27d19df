"""Where the compiled kernels are used: where all is as they know it; else, and without Numba, torch does the work."""

import subprocess
import sys

import pytest
import torch
from naive import relative_error
from problems import CASES, Case, make_problem, shared_problem
from torch.utils.flop_counter import FlopCounterMode

from throughtime.algorithms.compiled.choose import available, kernels_of
from throughtime.networks import ClosedLoop, Network
from throughtime.networks.flat import flatten
from throughtime.networks.rnn import RNN
from throughtime.tasks import Batch
from throughtime.tasks.losses import squared_error

pytestmark = pytest.mark.skipif(not available(), reason="Numba is not installed")


def test_the_kernels_are_used_where_they_may_be():
    for case in CASES:
        problem = shared_problem(case)
        real_or_none = case.forcing == "teacher" or case.loss == "regression"  # a symbol is chosen by torch
        assert (kernels_of(problem.network, problem.batch) is not None) == real_or_none, case


class OtherCell(RNN):
    """A cell that is derived from a built-in one."""


class OtherLinear(torch.nn.Linear):
    """A readout that is derived from the usual one."""


class OtherNetwork(Network):
    """A network that is derived from the usual one."""


def hooked(register):
    def change(network):
        register(network)
        return network

    return change


def silent(*_):
    return None


def frozen(network):
    network.cell.bias_hh_l0.requires_grad_(requires_grad=False)
    return network


def shadowed(network):
    network.cell.step = network.cell.step
    return network


def moved(network):
    network.readout.weight.data = network.readout.weight.data.clone()
    return network


def spare(network):
    network.register_parameter("spare", torch.nn.Parameter(torch.ones(2, dtype=torch.float64)))
    return network


def longer(part):
    def change(network):
        part(network).add_module("spare", torch.nn.Linear(1, 1).double())
        return network

    return change


def without_bias(network):
    network.readout.bias = None
    return network


def with_another_in_place_of_the_bias(network):
    network.cell.register_parameter("spare", torch.nn.Parameter(torch.ones(2, dtype=torch.float64)))
    return without_bias(network)


def normed(network):
    torch.nn.utils.parametrizations.weight_norm(network.cell, "weight_hh_l0")
    return network


def with_cell(network):
    return Network(OtherCell(2, 3).double(), network.readout)


def with_readout(network):
    return Network(network.cell, OtherLinear(3, 2).double())


CHANGES = {
    "a derived cell": with_cell,
    "a derived readout": with_readout,
    "a derived network": lambda network: OtherNetwork(network.cell, network.readout),
    "a forward hook": hooked(lambda network: network.cell.register_forward_hook(silent)),
    "a hook before": hooked(lambda network: network.readout.register_forward_pre_hook(silent)),
    "a backward hook": hooked(lambda network: network.register_full_backward_hook(silent)),
    "a parameter's hook": hooked(lambda network: network.readout.bias.register_hook(silent)),
    "a hook after accumulation": hooked(
        lambda network: network.readout.bias.register_post_accumulate_grad_hook(silent)
    ),
    "a frozen parameter": frozen,
    "a method in a method's place": shadowed,
    "a parameter elsewhere": moved,
    "one parameter more": spare,
    "a module more": longer(lambda network: network),
    "a module more in the cell": longer(lambda network: network.cell),
    "a module more in the readout": longer(lambda network: network.readout),
    "a readout without bias": without_bias,
    "another parameter in its place": with_another_in_place_of_the_bias,
    "a parametrization": normed,
    "another precision": lambda network: network.float(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_torch_does_the_work_for(change):
    problem = make_problem(Case("rnn"))
    assert kernels_of(problem.network, problem.batch) is not None
    assert kernels_of(change(problem.network), problem.batch) is None


@pytest.mark.parametrize("change", [with_another_in_place_of_the_bias, without_bias, spare])
def test_torch_does_the_work_for_other_parameters_in_one_vector(change):
    problem = make_problem(Case("rnn"))
    network = change(problem.network)
    flatten(network)
    assert kernels_of(network, problem.batch) is None


def test_torch_does_the_work_where_it_is_asked_for_more():
    problem = make_problem(Case("rnn"))
    with torch.no_grad():
        assert kernels_of(problem.network, problem.batch) is None
    with torch.autocast("cpu"):
        assert kernels_of(problem.network, problem.batch) is None
    with torch.autograd.set_detect_anomaly(True):
        assert kernels_of(problem.network, problem.batch) is None
    with FlopCounterMode(display=False):  # or whatever else looks at the operators
        assert kernels_of(problem.network, problem.batch) is None
    handle = torch.nn.modules.module.register_module_forward_hook(silent)
    try:
        assert kernels_of(problem.network, problem.batch) is None
    finally:
        handle.remove()
    assert kernels_of(problem.network, problem.batch) is not None


def test_a_loss_that_no_kernel_knows_is_torchs():
    batch = make_problem(Case("rnn")).batch

    def other(outputs, targets):
        return squared_error(outputs, targets)

    assert kernels_of(make_problem(Case("rnn")).network, Batch(batch.inputs, batch.targets, other, None)) is None


def test_a_loop_that_is_given_the_truth_alone_is_as_an_open_one():
    problem = make_problem(Case("rnn"))
    loop = ClosedLoop(problem.network.cell, problem.network.readout)
    assert kernels_of(loop, problem.batch) is not None
    closed = type(problem)(problem.case, loop, problem.batch)
    assert relative_error(closed.estimate("full"), problem.estimate("full")) <= 1e-12


WITHOUT = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.algorithms.compiled.choose import available
from throughtime.networks import make_network
from throughtime.runners.commands.findings import examine
from throughtime.runners.suite.config import RunConfig
from throughtime.runners.training.train import Trainer
assert not available()
settings = dict(task="two_lag", cell="rnn", hidden_size=4, optimizer="adam", learning_rate=0.01, clip_norm=1.0)
budget = dict(budget={"steps": 64}, batch_size=1, evaluations=1, seed=0, purpose="report")
assert Trainer(RunConfig(algorithm="online(depth=3)", **settings, **budget)).run().status == "done"
(kernels,) = [finding for finding in examine() if finding.subject == "kernels"]
assert kernels.verdict == "warn"
print(kernels.text)
"""


def test_all_works_without_a_numba_that_can_be_imported(tmp_path):
    """As where it is missing, or is older than the NumPy beside it."""
    (tmp_path / "numba.py").write_text("raise ImportError('Numba needs NumPy 2.0 or less')")
    words = [sys.executable, "-c", WITHOUT, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "can't be imported (Numba needs NumPy 2.0 or less)" in done.stdout
