"""Lyapunov exponents and spectral radii: closed forms, Lorenz, Hénon, and dense Jacobians."""

import math

import pytest
import torch

from throughtime.networks import make_network
from throughtime.networks.dense import linearize_densely
from throughtime.runners.gradients.dynamics import dynamics, lyapunov, push_of
from throughtime.tasks import make_task

from .known import leaky, ones


@pytest.mark.parametrize("a", [0.9, -0.5, 1.2])
def test_of_a_scalar_it_is_log_a(a):
    found = dynamics(leaky(a), ones(40, sequences=2))
    assert found.exponents == pytest.approx((math.log(abs(a)),), abs=1e-9)
    assert (found.radius, found.largest_radius) == pytest.approx((abs(a), abs(a)), abs=1e-12)


def test_of_a_linear_map_they_are_its_eigenvalues():
    matrix = torch.tensor([[0.5, 3.0], [0.0, -0.25]], dtype=torch.float64)
    found = lyapunov([lambda q: matrix @ q] * 2000, torch.eye(2, dtype=torch.float64)[None], skip=200)
    assert found[0].tolist() == pytest.approx([math.log(0.5), math.log(0.25)], abs=1e-9)


def test_of_henon():
    """.419 (a = 1.4, b = .3), and the two sum up to log b exactly."""
    generator = torch.Generator().manual_seed(0)
    x, y = 0.1 * torch.rand(2, 200, generator=generator, dtype=torch.float64)

    def pushes():
        nonlocal x, y
        for _ in range(1500):
            jacobian = torch.zeros(200, 2, 2, dtype=torch.float64)
            jacobian[:, 0, 0], jacobian[:, 0, 1], jacobian[:, 1, 0] = -2.8 * x, 1, 0.3
            x, y = 1 - 1.4 * x * x + y, 0.3 * x
            yield lambda q, jacobian=jacobian: jacobian @ q

    exponents = lyapunov(pushes(), torch.eye(2, dtype=torch.float64).expand(200, -1, -1), skip=100).mean(dim=0)
    assert exponents[0] == pytest.approx(0.419, abs=0.005)
    assert exponents.sum() == pytest.approx(math.log(0.3), abs=1e-9)


def flow(s):
    """Lorenz's equations with σ = 10, ρ = 28, β = 8/3, (B, 3)."""
    x, y, z = s.unbind(1)
    return torch.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z], dim=1)


def slope(s):
    """Their derivative, (B, 3, 3)."""
    x, y, z = s.unbind(1)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    rows = [[-10 * one, 10 * one, zero], [28 - z, -one, -x], [y, x, -8 / 3 * one]]
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def runge_kutta(s, dt=0.02):
    """One step, and its derivative applied to vectors, stage by stage."""
    stages, slopes = [flow(s)], [slope(s)]
    for part in (dt / 2, dt / 2, dt):
        at = s + part * stages[-1]
        stages.append(flow(at))
        slopes.append(slope(at))

    def push(q):
        pushed = [slopes[0] @ q]
        for part, matrix in zip((dt / 2, dt / 2, dt), slopes[1:], strict=True):
            pushed.append(matrix @ (q + part * pushed[-1]))
        return q + dt / 6 * (pushed[0] + 2 * pushed[1] + 2 * pushed[2] + pushed[3])

    return s + dt / 6 * (stages[0] + 2 * stages[1] + 2 * stages[2] + stages[3]), push


def test_of_lorenz():
    """.9056, 0 and −14.57 in nats a time unit."""
    many, steps, dt = 100, 4000, 0.02
    s = torch.randn(many, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for _ in range(1500):
        s, _ = runge_kutta(s)

    def pushes():
        nonlocal s
        for _ in range(steps):
            s, push = runge_kutta(s)
            yield push

    start = torch.eye(3, dtype=torch.float64).expand(many, -1, -1)
    found = lyapunov(pushes(), start, skip=300).mean(dim=0) / dt
    assert found[0] == pytest.approx(0.9056, abs=0.02)
    assert found[1] == pytest.approx(0, abs=0.02)
    assert found.sum() == pytest.approx(-(10 + 1 + 8 / 3), abs=1e-2)  # the flow's divergence


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "lru", "rtu", "rnn(layers=2)"])
def test_a_structured_step_pushes_as_its_dense_jacobian(cell):
    network = make_network(cell, input_size=2, hidden_size=4, output_size=1, seed=0, dtype=torch.float64)
    source = torch.Generator().manual_seed(1)
    x = torch.randn(5, 2, generator=source, dtype=torch.float64)
    state = tuple(torch.randn(part.shape, generator=source, dtype=torch.float64) for part in network.initial_state(5))
    vectors = torch.randn(5, sum(part.shape[1] for part in state), 2, generator=source, dtype=torch.float64)
    dense = linearize_densely(network, x, state)
    expected = dense.by_state @ vectors
    for local in (network.linearize(x, state), dense):
        torch.testing.assert_close(push_of(local)(vectors), expected, rtol=1e-12, atol=1e-12)


def test_a_network_of_larger_weights_is_more_alive():
    task = make_task("two_lag", length=40)
    batch = task.sample(4, generator=torch.Generator().manual_seed(0))
    found = []
    for gain in (1.0, 3.0, 6.0):
        network = make_network("rnn", input_size=1, hidden_size=16, output_size=2, seed=0)
        with torch.no_grad():
            network.cell.weight_hh_l0 *= gain
        found.append(dynamics(network, batch))
    firsts = [one.exponents[0] for one in found]
    assert firsts == sorted(firsts)
    assert firsts[0] < 0
    assert found[0].radius < found[-1].largest_radius
    assert len(found[0].exponents) == 4


def test_no_step_left_is_told():
    with pytest.raises(ValueError, match="after the first 3 none is left"):
        lyapunov([lambda q: q] * 3, torch.eye(2)[None], skip=3)
