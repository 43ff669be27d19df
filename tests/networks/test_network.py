"""A network is its cell and its readout, and its parameters follow from the seed and the sizes alone."""

import pytest
import torch

from throughtime.networks import make_network
from throughtime.parts import BadInput

CELLS = ["rnn", "lstm", "gru"]
SIZES = {"input_size": 2, "hidden_size": 4, "output_size": 3}
each_cell = pytest.mark.parametrize("cell", CELLS)


def parameters(cell: str, seed: int = 0, dtype: torch.dtype = torch.float64, **sizes: int) -> dict[str, torch.Tensor]:
    network = make_network(cell, **(SIZES | sizes), seed=seed, dtype=dtype)
    return {name: parameter.detach() for name, parameter in network.named_parameters()}


def make_inputs(T: int = 5, B: int = 3) -> torch.Tensor:
    return torch.randn(T, B, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@each_cell
def test_parameter_names(cell):
    recurrent = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    assert list(parameters(cell)) == [f"cell.{name}" for name in recurrent] + ["readout.weight", "readout.bias"]


@each_cell
def test_same_seed_gives_the_same_parameters(cell):
    once, twice = parameters(cell), parameters(cell)
    assert all(torch.equal(once[name], twice[name]) for name in once)


@each_cell
def test_float32_is_float64_rounded(cell):
    double, single = parameters(cell), parameters(cell, dtype=torch.float32)
    assert all(torch.equal(double[name].float(), single[name]) for name in double)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@each_cell
def test_parameters_have_the_dtype_asked_for(cell, dtype):
    assert {value.dtype for value in parameters(cell, dtype=dtype).values()} == {dtype}


@each_cell
def test_other_seed_gives_other_parameters(cell):
    one, other = parameters(cell, seed=0), parameters(cell, seed=1)
    assert not any(torch.equal(one[name], other[name]) for name in one)


@each_cell
def test_no_two_parameters_share_a_draw(cell):
    values = torch.cat([value.flatten() for value in parameters(cell).values()])
    assert len(values.unique()) == len(values)


@each_cell
def test_global_random_state_stays(cell):
    before = torch.get_rng_state()
    parameters(cell)
    assert torch.equal(before, torch.get_rng_state())


@each_cell
def test_global_random_state_does_not_matter(cell):
    once = parameters(cell)
    with torch.random.fork_rng():
        torch.manual_seed(99)
        again = parameters(cell)
    assert all(torch.equal(once[name], again[name]) for name in once)


@each_cell
def test_all_parameters_are_trained(cell):
    assert all(parameter.requires_grad for parameter in make_network(cell, **SIZES, seed=0).parameters())


@each_cell
def test_readout_is_drawn_like_torch_nn(cell):
    found = parameters(cell, hidden_size=100, output_size=50)
    values = torch.cat([found["readout.weight"].flatten(), found["readout.bias"]])
    assert 0.098 < float(values.abs().max()) <= 0.1


@each_cell
def test_unroll_is_the_step_loop_and_the_readout(cell):
    network, inputs = make_network(cell, **SIZES, seed=0, dtype=torch.float64), make_inputs()
    state, expected = network.initial_state(3), []
    for x in inputs:
        state = network.step(x, state)
        expected.append(network.readout(state[0]))
    torch.testing.assert_close(network.unroll(inputs), (torch.stack(expected), state), rtol=1e-12, atol=1e-12)


@each_cell
def test_outputs_are_the_readout_of_the_hidden_states(cell):
    network, inputs = make_network(cell, **SIZES, seed=0, dtype=torch.float64), make_inputs()
    hidden, state = network.hidden(inputs)
    torch.testing.assert_close((network.readout(hidden), state), network.unroll(inputs), rtol=1e-12, atol=1e-12)


@each_cell
def test_unroll_starts_from_the_state_given(cell):
    network, inputs = make_network(cell, **SIZES, seed=0, dtype=torch.float64), make_inputs()
    outputs, _ = network.unroll(inputs)
    rest, _ = network.unroll(inputs[2:], network.unroll(inputs[:2])[1])
    torch.testing.assert_close(rest, outputs[2:], rtol=1e-12, atol=1e-12)


@each_cell
def test_linearize_is_the_cells(cell):
    network, inputs = make_network(cell, **SIZES, seed=0, dtype=torch.float64), make_inputs()
    state = network.initial_state(3)
    found, expected = network.linearize(inputs[0], state), network.cell.linearize(inputs[0], state)
    assert torch.equal(found.transition, expected.transition)


@pytest.mark.parametrize("value", [0, -3])
@pytest.mark.parametrize("size", SIZES)
def test_size_below_one_is_named(size, value):
    with pytest.raises(BadInput, match=f"^{size} must be at least 1, got {value}$"):
        make_network("rnn", **(SIZES | {size: value}), seed=0)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("lsmt", "no cell is called 'lsmt'; did you mean 'lstm'? There is: elstm, gru, leaky, lru, lstm, rnn, rtu"),
        ("LSTM", "no cell is called 'LSTM'; did you mean 'lstm'?"),
        ("transformer", "no cell is called 'transformer'; "),
        ("rnn.RNN", "'rnn.RNN' can't be read; write a name, or a name with parameters"),
        ("network", "no cell is called 'network'; "),
        ("", "'' can't be read; write a name, or a name with parameters"),
    ],
    ids=["typo", "capitals", "unknown", "dotted", "helper", "empty"],
)
def test_wrong_cell_is_named(cell, message):
    with pytest.raises(BadInput) as caught:
        make_network(cell, **SIZES, seed=0)
    assert message in str(caught.value)
