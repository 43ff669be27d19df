"""Diagonal cells: the papers' equations, where they start, and how a new one comes to its derivatives."""

import math

import pytest
import torch

from throughtime.networks import CELLS, ClosedLoop, DiagonalCell, make_network
from throughtime.networks.rotating import ComplexRecurrence

T, B, m, n = 6, 3, 2, 8


def made(spec, units=n, seed=1, dtype=torch.float64):
    return CELLS.maker(spec)(m, units, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def data():
    draws = torch.Generator().manual_seed(2)
    return (torch.randn(size, generator=draws, dtype=torch.float64) for size in ((T, B, m), (B, n)))


@pytest.mark.parametrize("name", ["lru", "rtu"])
def test_the_linear_cells_are_their_formula_in_complex_numbers(name):
    """Of the states of all steps as one sum: h_t = λ^t h_0 + Σ_s λ^(t−s) γ B x_s."""
    cell = made(name)
    inputs, start = data()
    eigenvalue = torch.exp(torch.complex(-cell.nu_l0.exp(), cell.theta_l0.exp()))
    gamma = cell.gamma_l0 if name == "lru" else (1 - eigenvalue.abs() ** 2).sqrt()
    drive = gamma * (inputs.to(torch.complex128) @ torch.complex(*cell.weight_ih_l0.split(n // 2)).T)
    first = torch.complex(*start.split(n // 2, dim=1))
    hidden = cell.unroll(inputs, (start,))[0]
    for t in range(T):
        h = eigenvalue ** (t + 1) * first + sum(eigenvalue ** (t - s) * drive[s] for s in range(t + 1))
        torch.testing.assert_close(hidden[t], torch.cat([h.real, h.imag], dim=1))


def test_the_elstm_is_its_formula():
    cell = made("elstm")
    inputs, c = data()
    F, Z = cell.weight_ih_l0.split(n)
    b_f, b_z = cell.bias_ih_l0.split(n)
    hidden = cell.unroll(inputs, (c,))[0]
    for t in range(T):
        f = 1 / (1 + torch.exp(-(inputs[t] @ F.T + b_f + cell.weight_f_l0 * c)))
        c = f * c + (1 - f) * torch.tanh(inputs[t] @ Z.T + b_z + cell.weight_z_l0 * c)
        torch.testing.assert_close(hidden[t], c)


@pytest.mark.parametrize("name", ["lru", "rtu"])
def test_eigenvalues_start_evenly_in_the_ring(name):
    cell = made(f"{name}(r_min=0.4, r_max=0.8, max_phase=1.0)", units=4000)
    size, phase = torch.exp(-cell.nu_l0.exp()).detach(), cell.theta_l0.exp().detach()
    assert 0.4 <= size.min() < 0.41
    assert 0.79 < size.max() <= 0.8
    assert float((size**2).mean()) == pytest.approx((0.4**2 + 0.8**2) / 2, abs=0.01)
    assert 0.99 < phase.max() <= 1
    assert float(phase.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(cell.weight_ih_l0.detach().var()) == pytest.approx(1 / (2 * m), rel=0.1)
    if name == "lru":
        torch.testing.assert_close(cell.gamma_l0.detach(), (1 - size**2).sqrt())


def test_the_norm_of_rtu_is_differentiated_and_lrus_is_its_own():
    """∂h/∂ν of the first step from zero: all of it is the norm's."""
    inputs, _ = data()
    slopes = {}
    for name in ("lru", "rtu"):
        cell = made(name)
        hidden = cell.step(inputs[0], cell.initial_state(B))[0]
        (slopes[name],) = torch.autograd.grad(hidden.sum(), cell.nu_l0)
    assert not slopes["lru"].any()
    assert slopes["rtu"].all()


def test_the_ends_of_the_ring_are_finite():
    cell = made("lru(r_min=0.0, r_max=1.0)", units=20000)
    assert all(parameter.isfinite().all() for parameter in cell.parameters())
    assert math.isfinite(float(cell.nu_l0.detach().exp().max()))


def test_gradients_of_the_complex_recurrence():
    draws = torch.Generator().manual_seed(0)
    shapes = ((4, 2, 3), (2, 3), (3,))
    inputs = [torch.randn(s, generator=draws, dtype=torch.complex128).requires_grad_() for s in shapes]
    assert torch.autograd.gradcheck(ComplexRecurrence.apply, inputs)


class Trace(DiagonalCell):
    """No more than an author owes."""

    unit_parameters = ("decay",)

    def activate(self, state, z, own):
        return (own[0].sigmoid() * state[0] + z[0].tanh(),)


class Doubled(Trace):
    """Another φ: nothing of its parent's may be believed."""

    def activate(self, state, z, own):
        return (2 * super().activate(state, z, own)[0],)


class OtherStep(CELLS.get("elstm")):
    def step(self, input, state):
        return (super().step(input, state)[0].sin(),)


def test_a_shortcut_counts_only_beside_what_it_stands_for():
    assert Trace.structured
    assert Trace.unroll is DiagonalCell.unroll
    assert not OtherStep.structured
    cell = OtherStep(m, n, dtype=torch.float64)
    inputs, start = data()
    state, expected = (start,), []
    for x in inputs:
        state = cell.step(x, state)
        expected.append(state[0])
    torch.testing.assert_close(cell.unroll(inputs, (start,))[0], torch.stack(expected))


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_derivatives_of_a_new_cell_follow_from_its_map():
    cell = Doubled(m, n, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    inputs, start = data()
    local = cell.linearize(inputs[0], (start,))
    sigma = cell.decay_l0.sigmoid().detach()
    torch.testing.assert_close(local.by_state[0, 0], (2 * sigma).expand(B, n))
    torch.testing.assert_close(local.by_unit[0, 0], 2 * sigma * (1 - sigma) * start)


@pytest.mark.parametrize(("symbolic", "diagonal"), [(True, True), (False, False)])
def test_a_closed_loop_joins_the_units_where_its_output_has_a_derivative(symbolic, diagonal):
    network = make_network("lru", input_size=2, hidden_size=4, output_size=1, seed=0)
    assert network.diagonal
    assert ClosedLoop(network.cell, network.readout, symbolic=symbolic).diagonal is diagonal
