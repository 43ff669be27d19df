"""Cells from specs: parameters, their one spelling, mistakes, and what a network starts from."""

import hashlib

import pytest
import torch

from throughtime.networks import CELLS, Cell, Stacked, make_network
from throughtime.parts import BadInput

SIZES = {"input_size": 2, "hidden_size": 4, "output_size": 1, "dtype": torch.float64}


def network(spec, seed=0, **sizes):
    return make_network(spec, seed=seed, **{**SIZES, **sizes})


def digest(spec):
    parameters = torch.cat([parameter.detach().flatten() for parameter in network(spec).parameters()])
    return hashlib.sha256(parameters.numpy().tobytes()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("spec", "form"),
    [
        ("rnn", "rnn"),
        ("rnn(sparsity=0, layers=1)", "rnn"),
        ("rnn(sparsity=0.0, init='default', gain=1)", "rnn"),
        ("leaky(leak=0.5)", "leaky"),
        ("leaky(sparsity=0.5, leak=1)", "leaky(leak=1.0, sparsity=0.5)"),
        ("lstm(layers=2, forget_bias=1)", "lstm(forget_bias=1.0, layers=2)"),
        ("lru(r_max=1.0)", "lru"),
    ],
)
def test_one_spelling(spec, form):
    assert CELLS.canonical(spec) == form


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("rn", "no cell is called 'rn'; did you mean 'rnn'?"),
        (
            "rnn(sparsty=0.5)",
            "cell 'rnn' has no parameter 'sparsty'; did you mean 'sparsity'? There is: sparsity, init",
        ),
        ("lru(sparsity=0.5)", "cell 'lru' has no parameter 'sparsity'; There is: r_min, r_max, max_phase, layers"),
        ("gru(layers=0)", "cell 'gru': layers=0 is not allowed: input should be greater than or equal to 1"),
        ("gru(layers=1.5)", "layers=1.5 is not allowed"),
        ("rnn(init='eye')", "init='eye' is not allowed: input should be 'default', 'orthogonal' or 'identity'"),
        ("rnn(sparsity=1.0)", "cell 'rnn(sparsity=1.0)': sparsity is the share of recurrent weights fixed at zero"),
        ("rnn(sparsity=-0.5)", "from 0 to below 1; got -0.5"),
        ("leaky(leak=0.0)", "above 0 and at most 1; got 0.0"),
        ("leaky(leak=1.5)", "above 0 and at most 1; got 1.5"),
        ("lru(r_min=0.9, r_max=0.5)", "bound the ring of eigenvalues; got r_min=0.9, r_max=0.5"),
        ("lru(max_phase=7.0)", "max_phase is an angle above 0"),
        ("rnn(dtype=1)", "dtype is its network's to give, not its spec's"),
    ],
)
def test_mistakes_are_told(spec, message):
    with pytest.raises(BadInput) as caught:
        network(spec)
    assert message in str(caught.value)


def test_a_size_that_does_not_divide_is_told():
    with pytest.raises(
        BadInput, match="cell 'rtu': a unit's state is 2 numbers: hidden_size must be a multiple; got 3"
    ):
        network("rtu", hidden_size=3)


def test_the_default_start_is_that_of_every_result_so_far():
    known = {"rnn": "ed443e78cc479f40", "lstm": "0c83f1e9f4f58ddb", "gru": "5635d5f3c8f6d5a0"}
    assert {name: digest(name) for name in known} == known


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "leaky"])
def test_orthogonal_matrices_of_every_gate(cell):
    plain, made = network(cell), network(f"{cell}(init='orthogonal', gain=0.5)")
    for block in made.cell.weight_hh_l0.split(4):
        assert torch.allclose(block @ block.T, 0.25 * torch.eye(4, dtype=torch.float64), atol=1e-12)
    assert torch.equal(made.cell.weight_ih_l0, plain.cell.weight_ih_l0)
    assert not torch.equal(made.cell.weight_hh_l0, network(f"{cell}(init='orthogonal')", seed=1).cell.weight_hh_l0 / 2)


def test_orthogonal_matrices_turn_either_way():
    """Q of a QR decomposition alone has a sign that the algorithm chose: of all matrices half have determinant 1."""
    drawn = [network("rnn(init='orthogonal')", seed).cell.weight_hh_l0.detach() for seed in range(60)]
    assert 15 < sum(float(torch.det(one)) > 0 for one in drawn) < 45
    assert 15 < sum(float(one[0, 0]) > 0 for one in drawn) < 45


def test_identity_and_gain():
    assert torch.equal(network("gru(init='identity', gain=2.0)").cell.weight_hh_l0[4:8], 2 * torch.eye(4).double())
    assert torch.equal(network("rnn(gain=0.5)").cell.weight_hh_l0, network("rnn").cell.weight_hh_l0 / 2)


def test_the_forget_gates_biases_begin_at_their_sum():
    plain, made = network("lstm").cell, network("lstm(forget_bias=1.5)").cell
    both = made.bias_ih_l0 + made.bias_hh_l0
    assert both[4:8].tolist() == [1.5] * 4
    others = [0, 1, 2, 3, *range(8, 16)]
    assert torch.equal(both[others], (plain.bias_ih_l0 + plain.bias_hh_l0)[others])


def test_layers_of_a_spec_are_stacked():
    cell = network("leaky(leak=0.25, layers=3)").cell
    assert isinstance(cell, Stacked)
    with cell.layers() as layers:
        assert [(type(layer).__name__, layer.leak) for layer in layers] == [("Leaky", 0.25)] * 3


class Steady(Cell):
    """A plugin's cell as the contract had it before there were specs: sizes, generator and dtype."""

    state_parts = 1
    input_blocks = (0,)
    hidden_blocks = (0,)

    def __init__(self, m, n, *, generator=None, dtype=torch.float32):
        super().__init__(m, n, generator=generator, dtype=dtype)

    def activate(self, state, z):
        return (z[0].tanh(),)


class Tuned(Steady):
    """One with a parameter of its own."""

    def __init__(self, m, n, *, generator=None, dtype=torch.float32, slope: float = 1.0):
        super().__init__(m, n, generator=generator, dtype=dtype)
        self.slope = slope

    def activate(self, state, z):
        return ((self.slope * z[0]).tanh(),)


class Fused(Cell):
    """One with an unroll of its own, which reads the weights past their mask."""

    state_parts = 1
    input_blocks = (0,)
    hidden_blocks = (0,)

    def activate(self, state, z):
        return (z[0].tanh(),)

    def unroll(self, inputs, state):
        return super().unroll(inputs, state)


@pytest.fixture
def plugins():
    names = [CELLS.add(cls) for cls in (Steady, Tuned, Fused)]
    yield
    for name in names:
        CELLS.remove(name)


@pytest.mark.usefixtures("plugins")
class TestPlugins:
    def test_an_old_constructor_works_and_takes_layers(self):
        assert list(CELLS.parameters(Steady)) == ["layers"]
        assert torch.equal(network("steady").cell.weight_hh_l0, network("rnn").cell.weight_hh_l0)
        assert network("steady(layers=2)").cell.weight_ih_l1.shape == (4, 4)

    def test_a_parameter_of_its_own(self):
        assert CELLS.canonical("tuned(slope=1)") == "tuned"
        assert CELLS.canonical("tuned(slope=2)") == "tuned(slope=2.0)"
        assert network("tuned(slope=2.0)").cell.slope == 2
        with pytest.raises(BadInput, match=r"cell 'tuned' has no parameter 'slop'; did you mean 'slope'\?"):
            network("tuned(slop=1.0)")

    def test_one_that_may_pass_its_mask_by_is_not_made_sparse(self):
        network("fused")
        with pytest.raises(BadInput, match=r"Fused has methods of its own .* declare masked = True"):
            network("fused(sparsity=0.5)")
