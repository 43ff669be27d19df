"""What torch can't transform is refused in words: which recurrence, what it lacks, and what to take instead."""

import pytest
import torch
from torch import nn

from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.networks import Network, Recurrent
from throughtime.parts import BadInput
from throughtime.tasks import Batch
from throughtime.tasks.losses import squared_error

# That torch's own layers are slow under vmap is known.
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop", "ignore:RNN module weights are not part")


class Fused(Recurrent):
    """A recurrence that steps by a fused layer of torch."""

    def __init__(self, layer, m=2, n=3):
        super().__init__()
        torch.manual_seed(0)
        self.input_size, self.hidden_size, self.layer = m, n, layer(m, n)
        self.parts = 2 if isinstance(self.layer, nn.LSTM) else 1

    def initial_state(self, batch_size):
        return tuple(torch.zeros(batch_size, self.hidden_size) for _ in range(self.parts))

    def step(self, input, state):
        parts = tuple(part[None] for part in state)
        end = self.layer(input[None], parts if self.parts == 2 else parts[0])[1]
        return tuple(part[0] for part in (end if self.parts == 2 else (end,)))


class Cubed(torch.autograd.Function):
    """An operator that torch.func does not know."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad):
        return 3 * ctx.saved_tensors[0] ** 2 * grad


class OwnOperator(Recurrent):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.input_size, self.hidden_size, self.mix = 2, 3, nn.Linear(5, 3)

    def initial_state(self, batch_size):
        return (torch.zeros(batch_size, 3),)

    def step(self, input, state):
        return (Cubed.apply(self.mix(torch.cat([input, state[0]], dim=1)).tanh()),)


class Mistaken(OwnOperator):
    def step(self, input, state):
        raise RuntimeError("the author's own mistake")


@pytest.fixture(autouse=True)
def _global_generator():
    with torch.random.fork_rng(devices=[]):
        yield


def around(cell):
    torch.manual_seed(1)
    return Network(cell, nn.Linear(3, 2))


def batch():
    draws = torch.Generator().manual_seed(0)
    return Batch(torch.randn(4, 3, 2, generator=draws), torch.randn(4, 3, 2, generator=draws), squared_error)


def estimate(spec, network):
    return estimate_gradient(make_algorithm(spec), network, batch(), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("spec", "cell"), [("uoro", lambda: Fused(nn.LSTM)), ("uoro", OwnOperator), ("rtrl", OwnOperator)]
)
def test_a_step_that_can_not_be_transformed_is_named(spec, cell):
    made = cell()
    with pytest.raises(BadInput) as caught:
        estimate(spec, around(made))
    said = str(caught.value)
    assert f"{type(made).__name__}.step can be run and not be differentiated in each sequence by itself" in said
    assert "or take an algorithm that walks back, such as full or truncated" in said


@pytest.mark.parametrize("cell", [lambda: Fused(nn.LSTM), OwnOperator])
def test_uoro_refuses_it_before_anything_runs(cell):
    assert "write it in operators that torch.func knows" in make_algorithm("uoro").refuses(around(cell()))


@pytest.mark.parametrize("layer", [nn.RNN, nn.GRU])
def test_what_can_be_transformed_is_taken(layer):
    network = around(Fused(layer))
    assert make_algorithm("uoro").refuses(network) == ""
    full, rtrl = estimate("full", network), estimate("rtrl", network)
    assert all(torch.allclose(full[name], rtrl[name], atol=1e-6) for name in full)
    assert estimate("uoro", network).keys() == full.keys()


def test_algorithms_that_walk_back_take_them_all():
    for cell in (Fused(nn.LSTM), OwnOperator()):
        full, truncated = (estimate(spec, around(cell)) for spec in ("full", "truncated(k1=1, k2=4)"))
        assert all(torch.allclose(full[name], truncated[name], atol=1e-6) for name in full)


@pytest.mark.parametrize("spec", ["rtrl", "uoro"])
def test_a_steps_own_mistake_stays_what_it_is(spec):
    with pytest.raises(RuntimeError, match="the author's own mistake"):
        estimate(spec, around(Mistaken()))
