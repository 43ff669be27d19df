"""A closed loop is the cell's own steps with the last output in the input's place, whatever the window."""

import pytest
import torch

from throughtime.networks import ClosedLoop, drive, make_network

CELLS = ["rnn", "lstm", "gru"]
T, B, M, N, O = 6, 3, 4, 5, 2  # noqa: E741
each_cell = pytest.mark.parametrize("cell", CELLS)
each_kind = pytest.mark.parametrize("symbolic", [False, True], ids=["real", "symbol"])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def make_loop(cell, symbolic=False):
    made = make_network(cell, input_size=M, hidden_size=N, output_size=O, seed=0, dtype=torch.float64)
    return ClosedLoop(made.cell, made.readout, symbolic=symbolic)


def make_inputs():
    return torch.randn(T, B, M, generator=generator(), dtype=torch.float64)


@each_cell
def test_parameters_keep_their_names(cell):
    made = make_network(cell, input_size=M, hidden_size=N, output_size=O, seed=0)
    assert [*dict(make_loop(cell).named_parameters())] == [*dict(made.named_parameters())]


@each_cell
@each_kind
def test_nothing_but_the_truth_is_the_open_loop(cell, symbolic):
    loop, inputs = make_loop(cell, symbolic), make_inputs()
    expected, state = loop.unroll(inputs)
    found, found_state = loop.unroll(drive(inputs, torch.ones(T, B)))
    torch.testing.assert_close((found, found_state), (expected, state), rtol=1e-12, atol=1e-12)


@each_cell
def test_free_run_feeds_the_last_output_back(cell):
    loop, inputs = make_loop(cell), make_inputs()
    truth = torch.zeros(T, B)
    truth[0] = 1
    found, _ = loop.unroll(drive(inputs, truth))
    state, last = loop.initial_state(B), inputs[0, :, -O:]
    for t in range(T):
        state = loop.cell.step(torch.cat([inputs[t, :, :-O], last], dim=1), state)
        last = loop.readout(state[0])
        assert torch.allclose(found[t], last, rtol=1e-12, atol=1e-12)


@each_cell
def test_mixture_is_weighted_for_each_sequence(cell):
    loop, inputs = make_loop(cell), make_inputs()
    truth = torch.rand(T, B, generator=generator(1), dtype=torch.float64)
    found, _ = loop.unroll(drive(inputs, truth))
    state = loop.initial_state(B)
    for t in range(T):
        own, a = loop.readout(state[0]), truth[t][:, None]
        given = torch.cat([inputs[t, :, :-O], a * inputs[t, :, -O:] + (1 - a) * own], dim=1)
        state = loop.cell.step(given, state)
        assert torch.allclose(found[t], loop.readout(state[0]), rtol=1e-12, atol=1e-12)


@each_cell
def test_symbol_is_the_likeliest_and_one_hot(cell):
    loop, inputs = make_loop(cell, symbolic=True), make_inputs()
    found, _ = loop.unroll(drive(inputs, torch.zeros(T, B)))
    state = loop.initial_state(B)
    for t in range(T):
        likeliest = torch.eye(O, dtype=torch.float64)[loop.readout(state[0]).argmax(dim=1)]
        state = loop.cell.step(torch.cat([inputs[t, :, :-O], likeliest], dim=1), state)
        assert torch.allclose(found[t], loop.readout(state[0]), rtol=1e-12, atol=1e-12)


@each_cell
def test_noise_decides_between_symbols(cell):
    loop, inputs = make_loop(cell, symbolic=True), make_inputs()
    noise = torch.zeros(T, B, O, dtype=torch.float64)
    noise[..., 1] = 1000
    seen = loop.seen(drive(inputs, torch.zeros(T, B), noise)[0], loop.initial_state(B)[0])
    assert seen[:, -O:].tolist() == [[0.0, 1.0]] * B


@each_cell
def test_symbol_has_no_gradient(cell):
    loop, inputs = make_loop(cell, symbolic=True), make_inputs()
    hidden, _ = loop.hidden(drive(inputs, torch.zeros(T, B)))
    assert torch.autograd.grad(hidden.sum(), loop.readout.weight, allow_unused=True) == (None,)


@each_cell
def test_real_output_has_a_gradient(cell):
    loop, inputs = make_loop(cell), make_inputs()
    hidden, _ = loop.hidden(drive(inputs, torch.zeros(T, B)))
    (slope,) = torch.autograd.grad(hidden.sum(), loop.readout.weight)
    assert float(slope.norm()) > 0


@each_cell
@each_kind
def test_windows_one_after_the_other_are_the_whole(cell, symbolic):
    loop, inputs = make_loop(cell, symbolic), make_inputs()
    truth = (torch.rand(T, B, generator=generator(2)) < 0.5).double()
    truth[:2] = 1  # the fast first steps end inside the first window
    driven = drive(inputs, truth)
    expected, _ = loop.unroll(driven)
    first, state = loop.unroll(driven[:3])
    second, _ = loop.unroll(driven[3:], state)
    assert torch.allclose(torch.cat([first, second]), expected, rtol=1e-12, atol=1e-12)


@each_cell
def test_linearization_is_the_steps_jacobian(cell):
    loop = make_loop(cell)
    x = drive(make_inputs(), torch.full((T, B), 0.3, dtype=torch.float64))[0]
    state = tuple(torch.randn(B, N, generator=generator(k), dtype=torch.float64) for k in range(loop.cell.state_parts))
    local = loop.linearize(x, state)

    def new_state(hidden):
        return torch.cat(loop.step(x, (hidden, *state[1:])), dim=1)

    by_hidden = torch.autograd.functional.jacobian(new_state, state[0])  # (B, S n, B, n)
    expected = torch.stack([by_hidden[b, :, b] for b in range(B)])
    assert torch.allclose(local.transition, expected, rtol=1e-10, atol=1e-12)
