"""The pendulum against physics, and every algorithm's gradient through it against autograd on a naive loop."""

import math
import sys
from pathlib import Path

import pytest
import torch

from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.parts import BadInput
from throughtime.tasks import make_task
from throughtime.tasks.pendulum import cost, limited, plant

sys.path.insert(0, str(Path(__file__).parents[1] / "algorithms"))
import naive

T, B, N = 6, 3, 4
each_cell = pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def make_network(cell, seed=0, dtype=torch.float64, task="pendulum"):
    return make_task(task).make_network(cell, hidden_size=N, seed=seed, dtype=dtype, device="cpu")


def make_batch(length=T):
    return make_task("pendulum", length=length).sample(B, generator=generator()).to(dtype=torch.float64)


def estimate(algorithm, network, batch):
    return estimate_gradient(make_algorithm(algorithm), network, batch)


def naive_loss(cell, parameters, batch):
    """The mean cost of the same trajectories: observe, act, be moved, and pay for where it led."""
    h = torch.zeros(B, N, dtype=torch.float64)
    state = (h, h) if cell == "lstm" else (h,)
    angle, speed = batch.inputs[0, :, 1], batch.inputs[0, :, 2]
    total = torch.zeros((), dtype=torch.float64)
    for _ in range(batch.length):
        state = naive.step(cell, parameters, torch.stack([angle.cos(), angle.sin()], dim=1), state)
        demand = state[0] @ parameters["readout.policy.weight"][0] + parameters["readout.policy.bias"]
        torque = 2 * torch.tanh(demand / 2)
        speed = speed + 0.05 * (15 * angle.sin() + 3 * torque)
        angle = angle + 0.05 * speed
        total = total + (2 - 2 * angle.cos() + speed**2 / 10 + torque**2 / 1000).sum()
    return total / (batch.length * B)


def naive_gradient(cell, network, batch):
    parameters = {name: value.detach().clone().requires_grad_() for name, value in network.named_parameters()}
    gradients = torch.autograd.grad(naive_loss(cell, parameters, batch), list(parameters.values()))
    return dict(zip(parameters, gradients, strict=True))


class TestGradient:
    @each_cell
    def test_loss_is_that_of_a_naive_loop(self, cell):
        network, batch = make_network(cell), make_batch()
        with torch.no_grad():
            found = batch.mean_loss(network.unroll(batch.inputs)[0])
            expected = naive_loss(cell, dict(network.named_parameters()), batch)
        assert float(found) == pytest.approx(float(expected), rel=1e-12)

    @each_cell
    @pytest.mark.parametrize(
        "algorithm",
        [
            "full",
            "rtrl",
            "rtrl(update_every=None)",
            f"truncated(k1=1, k2={T})",
            f"truncated(k1=4, k2={T})",
            "online",
            f"stochastic(length={T})",
        ],
    )
    def test_exact_algorithms_equal_autograd_through_a_naive_loop(self, cell, algorithm):
        network, batch = make_network(cell), make_batch()
        found, expected = estimate(algorithm, network, batch), naive_gradient(cell, network, batch)
        assert naive.relative_error(found, expected) < 1e-9

    @each_cell
    @pytest.mark.parametrize("algorithm", ["truncated(k1=2, k2=2)", "online(depth=2)", "readout_only"])
    def test_cut_gradients_differ(self, cell, algorithm):
        network, batch = make_network(cell), make_batch()
        found, expected = estimate(algorithm, network, batch), naive_gradient(cell, network, batch)
        assert naive.relative_error(found, expected) > 0.1

    @each_cell
    def test_finite_differences(self, cell):
        network, batch = make_network(cell), make_batch()
        found = estimate("full", network, batch)

        @torch.no_grad()
        def loss(parameter, index, value):
            before = float(parameter.flatten()[index])
            parameter.view(-1)[index] = before + value
            result = float(batch.mean_loss(network.unroll(batch.inputs)[0]))
            parameter.view(-1)[index] = before
            return result

        expected = {}
        for name, parameter in network.named_parameters():
            slopes = [(loss(parameter, i, 1e-5) - loss(parameter, i, -1e-5)) / 2e-5 for i in range(parameter.numel())]
            expected[name] = torch.tensor(slopes, dtype=torch.float64).view_as(parameter)
        assert naive.relative_error(found, expected) < 1e-6

    @each_cell
    @pytest.mark.parametrize("algorithm", ["rtrl", "online(depth=4)", "truncated(k1=1, k2=3)"])
    def test_a_sequence_in_two_batches_has_the_same_updates(self, cell, algorithm):
        network, batch, made = make_network(cell), make_batch(), make_algorithm(algorithm)

        def record(updates):
            seen, carry = [], None
            for update in updates:
                seen.append([p.grad.clone() for p in network.parameters()])
                carry = update.carry
            return seen, carry

        whole, _ = record(made.updates(network, batch))
        first, carry = record(made.updates(network, batch.window(0, 2)))
        second, _ = record(made.updates(network, batch.window(2, T), carry))
        torch.testing.assert_close(first + second, whole, rtol=1e-10, atol=1e-13)

    @each_cell
    def test_a_fallen_pendulum_has_a_finite_gradient(self, cell):
        task = make_task("pendulum", length=200, start=3.0)
        batch = task.sample(B, generator=generator()).to(dtype=torch.float64)
        found = estimate("full", make_network(cell), batch)
        assert all(bool(value.isfinite().all()) for value in found.values())


class TestNetwork:
    @each_cell
    def test_the_policy_is_listed_once_as_the_readouts(self, cell):
        names = [name for name, _ in make_network(cell).named_parameters()]
        assert names[-2:] == ["readout.policy.weight", "readout.policy.bias"]
        assert all(name.startswith("cell.") for name in names[:-2])

    @each_cell
    def test_parameters_depend_on_the_seed_alone(self, cell):
        one, again = make_network(cell), make_network(cell, task="pendulum(length=3, start=0.1)")
        other = make_network(cell, seed=1)
        for mine, same, different in zip(one.parameters(), again.parameters(), other.parameters(), strict=True):
            assert torch.equal(mine, same)
            assert not torch.equal(mine, different)

    @each_cell
    def test_float32_is_float64_rounded(self, cell):
        pairs = zip(make_network(cell).parameters(), make_network(cell, dtype=torch.float32).parameters(), strict=True)
        assert all(torch.equal(double.float(), single) for double, single in pairs)

    @each_cell
    def test_unroll_goes_on_from_the_state_given(self, cell):
        network, batch = make_network(cell), make_batch()
        whole, end = network.unroll(batch.inputs)
        _, state = network.unroll(batch.inputs[:2])
        rest, rest_end = network.unroll(batch.inputs[2:], state)
        torch.testing.assert_close((rest, rest_end), (whole[2:], end), rtol=1e-12, atol=1e-12)

    def test_a_later_reset_puts_the_pendulum_elsewhere(self):
        network, batch = make_network("gru"), make_batch()
        inputs = batch.inputs.clone()
        inputs[3] = torch.tensor([1.0, -0.1, 0.2])
        hidden, _ = network.hidden(inputs)
        torch.testing.assert_close(hidden[3, :, -2:], inputs[3, :, 1:])


class TestPlant:
    @pytest.mark.parametrize("angle", [0.0, torch.pi])
    def test_equilibrium_stays(self, angle):
        position = torch.tensor([[angle, 0.0]], dtype=torch.float64)
        torch.testing.assert_close(plant(position, torch.zeros(1, 1).double()), position, rtol=0, atol=1e-12)

    def test_energy_without_torque_neither_drifts_nor_wanders(self):
        """The semi-implicit step keeps E − Δ/2 · 15 ω sin φ, E = ½ ω² + 15 cos φ, up to the order Δ²."""
        position, energies = torch.tensor([1.0, 0.0], dtype=torch.float64), []
        for _ in range(4000):
            angle, speed = position.tolist()
            energies.append(speed**2 / 2 + 15 * math.cos(angle) + 0.05 / 2 * 15 * speed * math.sin(angle))
            position = plant(position, position.new_zeros(1))
        assert max(energies) - min(energies) < 0.3
        assert sum(energies[:1000]) == pytest.approx(sum(energies[-1000:]), rel=2e-3)

    def test_falls_at_the_rate_of_the_linear_equation(self):
        """φ″ = 15 φ near upright: a semi-implicit step multiplies φ by the larger root of z² − (2 + 15 Δ²) z + 1."""
        before = position = torch.tensor([1e-12, 0.0], dtype=torch.float64)
        for _ in range(70):
            before, position = position, plant(position, position.new_zeros(1))
        p = 2 + 15 * 0.05**2
        assert float(position[0] / before[0]) == pytest.approx((p + (p**2 - 4) ** 0.5) / 2, rel=1e-9)

    def test_torque_is_limited(self):
        torque = limited(torch.linspace(-1e3, 1e3, 501, dtype=torch.float64))
        assert float(torque.abs().max()) <= 2
        assert float(limited(torch.tensor(1e-4))) == pytest.approx(1e-4, rel=1e-6)

    @pytest.mark.parametrize(("angle", "saved"), [(0.40, True), (0.42, False)])
    def test_the_limit_holds_up_to_the_angle_told(self, angle, saved):
        position = torch.tensor([angle, 0.0], dtype=torch.float64)
        for _ in range(3):
            position = plant(position, position.new_full((1,), -2.0))
        assert (float(position[0]) < angle) == saved


class TestTask:
    def test_starts_are_drawn_within_their_bounds(self):
        batch = make_task("pendulum", start=0.1).sample(5000, generator=generator())
        largest = batch.inputs[0, :, 1:].abs().max(dim=0).values
        assert largest.tolist() == pytest.approx([0.1, 0.2], rel=0.01)
        assert bool((batch.inputs[0, :, 0] == 1).all())
        assert bool((batch.inputs[1:] == 0).all())

    def test_the_most_extreme_start_can_be_saved(self):
        """By a controller that sees everything, from both at once: angle and speed of the same sign."""
        position = torch.tensor([0.25, 0.5], dtype=torch.float64)
        for _ in range(200):
            demand = -(20 * position[:1] + 6 * position[1:])
            position = plant(position, limited(demand))
        assert float(position.abs().max()) < 1e-3

    def test_cost_near_upright_is_the_quadratic_one(self):
        outputs = torch.tensor([0.01, 0.3, -1.5], dtype=torch.float64).view(1, 1, 3)
        assert float(cost(outputs, torch.zeros_like(outputs))) == pytest.approx(
            0.01**2 + 0.1 * 0.3**2 + 0.001 * 1.5**2, rel=1e-6
        )

    def test_a_full_turn_costs_nothing_more(self):
        outputs = torch.tensor([2 * torch.pi, 0.0, 0.0], dtype=torch.float64).view(1, 1, 3)
        assert float(cost(outputs, torch.zeros_like(outputs))) == pytest.approx(0, abs=1e-12)

    def test_references_to_the_printed_digits(self):
        values = {reference.name: round(reference.value, 4) for reference in make_task("pendulum").references()}
        assert values == {"no torque": 2.0104, "PD controller": 0.0017}

    def test_a_network_without_a_policy_scores_the_floor(self):
        task, network = make_task("pendulum"), make_network("rnn", dtype=torch.float32)
        for parameter in network.readout.parameters():
            torch.nn.init.zeros_(parameter)
        floor = next(reference.value for reference in task.references() if reference.kind == "floor")
        with torch.no_grad():
            outputs = network.unroll(task.test().inputs)[0]
        assert task.score(outputs, task.test()) == pytest.approx(floor, rel=1e-4)

    def test_too_short(self):
        with pytest.raises(BadInput, match="length must be at least 1, got 0"):
            make_task("pendulum", length=0)

    @pytest.mark.parametrize("start", [0.0, -0.1, 3.2])
    def test_impossible_start(self, start):
        with pytest.raises(BadInput, match="start must be above 0 and at most π"):
            make_task("pendulum", start=start)
