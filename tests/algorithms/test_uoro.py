"""UORO against itself written out with dense Jacobians, and its mean over every pattern of signs."""

from itertools import product

import pytest
import torch
from problems import CELLS, Case, make_problem

from throughtime.algorithms import estimate_gradient, make_algorithm, uoro


@pytest.fixture
def signs(monkeypatch):
    """Make UORO take given signs, one number for each unit of each step, over and over for each estimate."""
    given = []

    def next_signs(shape, dtype, generator):
        taken, given[:] = given[: shape.numel()], given[shape.numel() :]
        return torch.tensor(taken, dtype=dtype).view(shape)

    monkeypatch.setattr(uoro, "_draw", next_signs)

    def use(numbers):
        given[:] = list(numbers)

    return use


@pytest.mark.parametrize("cell", ["rnn", "gru"])
def test_mean_over_all_signs_is_the_exact_gradient(cell, signs):
    problem = make_problem(Case(cell, batch=1, T=3, n=2))
    total, patterns = {}, list(product([-1.0, 1.0], repeat=3 * 2))
    for pattern in patterns:
        signs(pattern)
        for name, gradient in problem.estimate("uoro").items():
            total[name] = total.get(name, 0) + gradient / len(patterns)
    for name, gradient in problem.estimate("full").items():
        torch.testing.assert_close(total[name], gradient, rtol=1e-10, atol=1e-13)


def written_out(problem, pattern):
    """One sequence's estimate, every Jacobian in full."""
    network, batch = problem.network, problem.batch
    names, parameters = zip(*network.named_parameters(), strict=True)
    sizes = [parameter.numel() for parameter in parameters]
    parts = len(network.initial_state(1))
    n = network.cell.hidden_size
    state = torch.zeros(parts * n, dtype=torch.float64)
    s, theta = torch.zeros(parts * n, dtype=torch.float64), torch.zeros(sum(sizes), dtype=torch.float64)
    total = torch.zeros(sum(sizes), dtype=torch.float64)

    def flat(gradients):
        found = zip(gradients, parameters, strict=True)
        return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in found])

    for t in range(batch.length):
        old = state.clone().requires_grad_()
        new = torch.cat(network.step(batch.inputs[t], tuple(old[None].split(n, dim=1))), dim=1)[0]
        by_state = torch.stack([torch.autograd.grad(one, old, retain_graph=True)[0] for one in new])
        by_theta = torch.stack(
            [flat(torch.autograd.grad(one, parameters, retain_graph=True, allow_unused=True)) for one in new]
        )
        nu = torch.tensor(pattern[t * parts * n : (t + 1) * parts * n], dtype=torch.float64)
        forward, back = by_state @ s, nu @ by_theta
        rho0 = (theta.norm() / forward.norm()).sqrt() if theta.any() and forward.any() else 1.0
        rho1 = (back.norm() / nu.norm()).sqrt()
        s, theta = rho0 * forward + rho1 * nu, theta / rho0 + back / rho1
        state = new.detach()
        hidden = state[:n].clone().requires_grad_()
        loss = batch.window(t, t + 1).mean_loss(network.readout(hidden)[None, None])
        by_hidden, *direct = torch.autograd.grad(loss, [hidden, *parameters], allow_unused=True)
        total += batch.share(t, t + 1) * ((by_hidden @ s[:n]) * theta + flat(direct))
    return dict(zip(names, total.split(sizes), strict=True))


@pytest.mark.parametrize("cell", CELLS)
def test_it_is_the_papers_algorithm(cell, signs):
    problem = make_problem(Case(cell, batch=1, T=5, n=3))
    count = 5 * 3 * len(problem.network.initial_state(1))
    pattern = (2.0 * torch.randint(2, (count,), generator=torch.Generator().manual_seed(3)) - 1).tolist()
    expected = written_out(problem, pattern)
    signs(pattern)
    for name, gradient in problem.estimate("uoro").items():
        torch.testing.assert_close(gradient.flatten(), expected[name], rtol=1e-9, atol=1e-12)


def test_a_batch_is_the_mean_of_its_sequences(signs):
    """Each sequence has a pair of its own: none of another's noise reaches it."""
    problem = make_problem(Case("rnn", batch=2, T=4, n=3))
    pattern = (2.0 * torch.randint(2, (4, 2, 3), generator=torch.Generator().manual_seed(3)) - 1).double()
    signs(pattern.flatten().tolist())
    both = problem.estimate("uoro")
    alone = []
    for b in range(2):
        signs(pattern[:, b].flatten().tolist())
        batch = problem.batch
        one = type(batch)(batch.inputs[:, b : b + 1], batch.targets[:, b : b + 1], batch.loss)
        alone.append(estimate_gradient(make_algorithm("uoro"), problem.network, one))
    for name, gradient in both.items():
        torch.testing.assert_close(gradient, (alone[0][name] + alone[1][name]) / 2, rtol=1e-10, atol=1e-13)
