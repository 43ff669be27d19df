"""Influence balancing against its closed form and against the published behaviour of three algorithms on it."""

import math
from fractions import Fraction
from itertools import pairwise

import pytest
import torch

from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.parts import BadInput
from throughtime.tasks import make_task

EXACT = -6


def generator():
    return torch.Generator().manual_seed(0)


def make_network(task=None, **changes):
    given = {"hidden_size": 1, "seed": 0, "dtype": torch.float64, "device": "cpu"} | changes
    return (task or make_task("influence_balancing")).make_network("linear", **given)


def truncated_gradient(K):
    """dh[0]/dθ through the last K steps, exactly: k steps back, unit i has the weight C(k, i) / 2^k."""
    sign = [1] * 10 + [-1] * 13
    return sum(Fraction(math.comb(k, i) * sign[i], 2**k) for k in range(K) for i in range(min(k, 22) + 1))


def train(algorithm, updates=3000, rate=1e-4):
    """θ after plain gradient descent on the stream, one update a time step."""
    task, algorithm = make_task("influence_balancing"), make_algorithm(algorithm)
    network, carry, done = make_network(task), None, 0
    for batch in task.batches(1, generator=generator()):
        batch = batch.to(dtype=torch.float64)
        for update in algorithm.updates(network, batch, carry if batch.continues else None):
            with torch.no_grad():
                network.cell.theta -= rate * network.cell.theta.grad
            carry, done = update.carry, done + 1
            if done == updates:
                return network.cell.theta.item()
    raise AssertionError


class TestTruncatedGradient:
    def test_wrong_sign_up_to_forty_steps(self):
        assert all(truncated_gradient(K) > 0 for K in range(1, 41))

    def test_turns_at_forty_one(self):
        assert float(truncated_gradient(40)) == pytest.approx(0.565538, abs=1e-6)
        assert float(truncated_gradient(41)) == pytest.approx(-0.218987, abs=1e-6)

    def test_falls_to_the_exact_one(self):
        values = [float(truncated_gradient(K)) for K in range(41, 120)]
        assert all(later < earlier for earlier, later in pairwise(values))
        assert float(truncated_gradient(100)) == pytest.approx(EXACT, abs=1e-6)
        assert float(truncated_gradient(300)) == pytest.approx(EXACT, abs=1e-14)

    @pytest.mark.parametrize("K", [1, 10, 21, 40, 41, 60, 100])
    def test_is_what_online_backpropagation_finds_in_the_steady_state(self, K):
        """ℓ's slope by h[0] is −4 at θ = 0.5, where h[0] = −3."""
        task = make_task("influence_balancing")
        batch = task.test().to(dtype=torch.float64)
        found = estimate_gradient(make_algorithm("online", depth=K), make_network(task), batch)
        assert float(found["cell.theta"]) == pytest.approx(-4 * float(truncated_gradient(K)), rel=1e-9)


class TestPublishedBehaviour:
    def test_ten_steps_back_diverge(self):
        assert train("online(depth=10)") > 1e4

    def test_a_hundred_steps_back_converge(self):
        assert train("online(depth=100)") == pytest.approx(-0.16665, abs=1e-5)

    def test_forward_mode_converges(self):
        assert train("rtrl") == pytest.approx(-1 / 6, abs=1e-5)


class TestSystem:
    def test_steady_state_is_minus_six_theta(self):
        task = make_task("influence_balancing")
        outputs, _ = make_network().unroll(task.test().inputs.double())
        assert outputs[-1].item() == pytest.approx(EXACT * 0.5, abs=1e-13)

    def test_one_parameter(self):
        assert [(name, value.tolist()) for name, value in make_network().named_parameters()] == [("cell.theta", [0.5])]

    @pytest.mark.parametrize("T", [1, 7, 128, 129, 300])
    def test_unroll_is_the_step_loop(self, T):
        network = make_network()
        state = (torch.randn(3, 23, generator=generator(), dtype=torch.float64),)
        inputs = torch.zeros(T, 3, 1, dtype=torch.float64)
        found = network.hidden(inputs, state)
        expected = []
        for x in inputs:
            h = state[0]
            beyond = torch.cat([h[:, 1:], torch.zeros(3, 1, dtype=torch.float64)], dim=1)
            drive = torch.cat([torch.full((10,), 0.5), torch.full((13,), -0.5)]).double()
            torch.testing.assert_close(network.step(x, state)[0], h / 2 + beyond / 2 + drive, rtol=1e-12, atol=1e-12)
            state = (h / 2 + beyond / 2 + drive,)
            expected.append(state[0])
        torch.testing.assert_close(found, (torch.stack(expected), state), rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("algorithm", ["rtrl", "rtrl(update_every=None)", "online", "truncated(k1=3, k2=150)"])
    def test_exact_algorithms_agree(self, algorithm):
        task = make_task("influence_balancing", length=150)
        batch = task.sample(2, generator=generator()).to(dtype=torch.float64)
        exact = estimate_gradient(make_algorithm("full"), make_network(task), batch)["cell.theta"]
        found = estimate_gradient(make_algorithm(algorithm), make_network(task), batch)["cell.theta"]
        assert float(found) == pytest.approx(float(exact), rel=1e-9)

    def test_gradient_is_the_finite_difference(self):
        task, network = make_task("influence_balancing", length=60), make_network()
        batch = task.sample(1, generator=generator()).to(dtype=torch.float64)
        found = estimate_gradient(make_algorithm("full"), network, batch)["cell.theta"]

        @torch.no_grad()
        def loss(theta):
            network.cell.theta.fill_(theta)
            return float(batch.mean_loss(network.unroll(batch.inputs)[0]))

        assert float(found) == pytest.approx((loss(0.5 + 1e-5) - loss(0.5 - 1e-5)) / 2e-5, rel=1e-6)

    def test_readout_only_has_nothing_to_train(self):
        batch = make_task("influence_balancing").test().to(dtype=torch.float64)
        assert float(estimate_gradient(make_algorithm("readout_only"), make_network(), batch)["cell.theta"]) == 0

    def test_size_and_seed_do_not_matter(self):
        one, other = make_network(), make_network(hidden_size=50, seed=9)
        inputs = torch.zeros(5, 1, 1, dtype=torch.float64)
        assert torch.equal(one.unroll(inputs)[0], other.unroll(inputs)[0])

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_everything_has_the_dtype_asked_for(self, dtype):
        tensors = [*make_network(dtype=dtype).parameters(), *make_network(dtype=dtype).buffers()]
        assert {tensor.dtype for tensor in tensors} == {dtype}


class TestTask:
    def test_batches_are_one_stream(self):
        stream = make_task("influence_balancing", length=4).batches(1, generator=generator())
        batches = [next(stream) for _ in range(3)]
        assert [batch.continues for batch in batches] == [False, True, True]
        assert [batch.length for batch in batches] == [4, 4, 4]

    def test_only_the_settled_state_is_judged(self):
        assert make_task("influence_balancing").test().counts == [0] * 299 + [1]

    @pytest.mark.parametrize(
        ("theta", "name", "expected"),
        [(0.5, "θ = 0.5, the start", 8), (0, "θ = 0", 0.5), (-1 / 6, "θ = −1/6", 0)],
    )
    def test_references_are_the_scores_of_their_parameter(self, theta, name, expected):
        task, network = make_task("influence_balancing"), make_network()
        torch.nn.init.constant_(network.cell.theta, theta)
        test = task.test().to(dtype=torch.float64)
        value = next(reference.value for reference in task.references() if reference.name == name)
        assert value == expected
        assert task.score(network.unroll(test.inputs)[0].detach(), test) == pytest.approx(expected, abs=1e-12)

    def test_another_cell_is_refused(self):
        with pytest.raises(BadInput, match="brings its own cell, 'linear'; got 'rnn'"):
            make_task("influence_balancing").make_network(
                "rnn", hidden_size=1, seed=0, dtype=torch.float32, device="cpu"
            )

    def test_too_short(self):
        with pytest.raises(BadInput, match="length must be at least 1, got 0"):
            make_task("influence_balancing", length=0)
