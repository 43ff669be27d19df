"""What each forcing shows the network, and what it leaves as it was."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.forcings import FORCINGS, make_forcing, professor
from throughtime.forcings.base import gumbel
from throughtime.networks import make_network
from throughtime.parts import BadInput
from throughtime.parts.specs import snake_case
from throughtime.tasks import Batch, make_task
from throughtime.tasks.losses import squared_error

LOOPS = ["free", "scheduled", "generalized", "professor"]
T, B = 9, 4


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def network(dtype=torch.float64):
    return make_network("gru", input_size=3, hidden_size=5, output_size=2, seed=0, dtype=dtype)


def make_batch(continues=False):
    series = torch.randn(T + 1, B, 2, generator=generator(3), dtype=torch.float64)
    outside = torch.randn(T, B, 1, generator=generator(4), dtype=torch.float64)
    mask = torch.rand(T, B, generator=generator(5)) < 0.7
    return Batch(torch.cat([outside, series[:-1]], dim=-1), series[1:], squared_error, mask, continues)


def drive(spec, batch=None, progress=0.5, seed=0):
    forcing = make_forcing(spec)
    trained = forcing.begin(network(), "real", seed=0)
    return forcing.drive(batch or make_batch(), trained, progress=progress, generator=generator(seed)), trained


def truth(spec, **arguments):
    return drive(spec, **arguments)[0].inputs[..., 3]


@pytest.mark.parametrize("name", FORCINGS.names())
def test_a_forcing_is_found_under_its_file_name(name):
    found = FORCINGS.get(name)
    assert found.__module__ == f"throughtime.forcings.{name}"
    assert snake_case(found.__name__) == name


def test_teacher_leaves_batch_and_network_alone():
    batch, made, forcing = make_batch(), network(), make_forcing("teacher")
    assert forcing.begin(made, None, seed=0) is made
    assert forcing.drive(batch, made, progress=0.5, generator=generator()) is batch


def test_free_gives_the_truth_at_the_first_step_alone():
    assert truth("free")[:, 0].tolist() == [1.0] + [0.0] * (T - 1)


@pytest.mark.parametrize("spec", ["free", "generalized(alpha=0.25)"])
def test_a_batch_that_continues_has_no_first_step(spec):
    first = truth(spec, batch=make_batch(continues=True))[0]
    assert (first < 1).all()


def test_generalized_gives_its_share():
    assert truth("generalized(alpha=0.25)")[1:].unique().tolist() == [0.25]


@pytest.mark.parametrize("schedule", ["linear", "exponential", "inverse_sigmoid"])
def test_scheduled_gives_coins_of_its_odds(schedule):
    forcing = make_forcing(f"scheduled(schedule={schedule!r}, end=0.1)")
    coins = forcing.truth(500, 400, progress=0.6, generator=generator())
    assert coins.unique().tolist() == [0.0, 1.0]
    odds = forcing.odds(0.6)
    assert float(coins.double().mean()) == pytest.approx(odds, abs=5 * math.sqrt(odds * (1 - odds) / 200_000))


@pytest.mark.parametrize(
    ("schedule", "start", "half"),
    [("linear", 1, 0.55), ("exponential", 1, math.sqrt(0.1)), ("inverse_sigmoid", 10 / 11, 10 / (10 + math.sqrt(90)))],
)
def test_odds_fall_along_the_papers_curves(schedule, start, half):
    odds = make_forcing(f"scheduled(schedule={schedule!r}, end=0.1)").odds
    assert [odds(0.0), odds(0.5), odds(1.0)] == pytest.approx([start, half, 0.1])


def test_scheduled_coins_follow_the_generator():
    assert torch.equal(truth("scheduled", seed=1), truth("scheduled", seed=1))
    assert not torch.equal(truth("scheduled", seed=1), truth("scheduled", seed=2))


def test_gumbel_noise_samples_from_the_softmax():
    logits = torch.tensor([0.5, -1.0, 1.5], dtype=torch.float64)
    drawn = (logits + gumbel(100_000, 3, generator=generator())).argmax(dim=1)
    shares = torch.bincount(drawn, minlength=3).double() / 100_000
    assert shares.tolist() == pytest.approx(logits.softmax(dim=0).tolist(), abs=0.01)


def test_symbols_come_with_noise_only_where_they_are_sampled():
    task = make_task("anbn(length=8, largest=2, horizon=2)")
    made = make_network("rnn", input_size=3, hidden_size=4, output_size=3, seed=0)
    batch, widths = task.sample(2, generator=generator()), {}
    for symbol in ("sample", "argmax"):
        forcing = make_forcing(f"free(symbol={symbol!r})")
        trained = forcing.begin(made, "symbol", seed=0)
        widths[symbol] = forcing.drive(batch, trained, progress=0, generator=generator()).inputs.shape[-1]
    assert widths == {"sample": 3 + 1 + 3, "argmax": 3 + 1}


@pytest.mark.parametrize("spec", ["generalized(alpha=1.0)", "scheduled(end=0.0)", "professor(weight=0.0)"])
def test_a_forcing_that_shows_the_truth_has_teacher_forcings_gradient(spec):
    batch, trained = drive(spec, progress=0.0)
    found = estimate_gradient(make_algorithm("full"), trained, batch)
    expected = estimate_gradient(make_algorithm("full"), network(), make_batch())
    assert all(torch.allclose(found[name], expected[name], rtol=1e-10, atol=1e-14) for name in expected)


def test_generalized_without_truth_is_free():
    assert torch.equal(truth("generalized(alpha=0.0)"), truth("free"))


@pytest.mark.parametrize("spec", LOOPS)
def test_the_task_batch_and_the_network_stay_as_they_were(spec):
    batch, made, forcing = make_batch(), network(), make_forcing(spec)
    inputs, parameters = batch.inputs.clone(), [p.clone() for p in made.parameters()]
    before = torch.get_rng_state()
    trained = forcing.begin(made, "real", seed=0)
    driven = forcing.drive(batch, trained, progress=0.5, generator=generator())
    forcing.after(driven, trained)
    assert torch.equal(batch.inputs, inputs)
    assert all(map(torch.equal, parameters, made.parameters()))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("spec", LOOPS)
def test_a_task_without_feedback_can_not_be_closed(spec):
    with pytest.raises(ValueError, match="only a task whose inputs hold its past targets"):
        make_forcing(spec).begin(network(), None, seed=0)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("generalized(alpha=1.5)", "alpha must be from 0 to 1, got 1.5"),
        ("scheduled(end=1.0)", "end must be 0 or more and below 1, .* got 1.0"),
        ("scheduled(schedule='exponential', end=0.0)", "end must be above 0 and below 1, .* got 0.0"),
        ("scheduled(schedule='inverse_sigmoid', end=0.95)", "end must be above 0 and below 0.909091, .* got 0.95"),
        ("scheduled(schedule='cosine')", "'linear', 'exponential' or 'inverse_sigmoid'"),
        ("professor(weight=-1.0)", "weight must be 0 or more"),
        ("free(symbol='best')", "'sample' or 'argmax'"),
        ("techer", "did you mean 'teacher'"),
    ],
)
def test_bad_parameters_are_told(spec, message):
    with pytest.raises(BadInput, match=message):
        make_forcing(spec)


class TestProfessor:
    def test_batch_is_forced_then_free(self):
        shares = truth("professor")
        assert shares.shape == (T, 2 * B)
        assert (shares[:, :B] == 1).all()
        assert (shares[1:, B:] == 0).all()

    @torch.no_grad()
    def test_loss_without_trust_is_the_tasks(self):
        batch, trained = drive("professor(weight=0.0)")
        outputs, _ = trained.unroll(batch.inputs)
        open_loop = make_batch()
        assert float(batch.mean_loss(outputs)) == pytest.approx(
            float(open_loop.mean_loss(network().unroll(open_loop.inputs)[0])), rel=1e-12
        )

    def test_discriminator_learns_to_tell_forced_from_free(self):
        forcing, batch = make_forcing("professor(learning_rate=0.01)"), make_batch()
        trained = forcing.begin(network(), "real", seed=0)
        with torch.no_grad():
            trained.readout.bias.fill_(3.0)  # so that a free run looks different
        driven = forcing.drive(batch, trained, progress=0.5, generator=generator())
        for _ in range(60):
            forcing.after(driven, trained)
        with torch.no_grad():
            hidden, _ = trained.hidden(driven.inputs)
            forced, free = forcing.discriminator(hidden[:, :B]), forcing.discriminator(hidden[:, B:])
        assert float((forced > 0).double().mean()) > 0.8
        assert float((free < 0).double().mean()) > 0.8

    @pytest.mark.parametrize("verdict", [-5.0, 5.0], ids=["all free", "all forced"])
    def test_discriminator_that_calls_all_runs_alike_is_right_half_the_time_and_not_trusted(self, verdict):
        forcing = make_forcing("professor")
        trained = forcing.begin(network(), "real", seed=0)
        with torch.no_grad():
            forcing.discriminator.judge[-1].bias.fill_(verdict)
        driven = forcing.drive(make_batch(), trained, progress=0.5, generator=generator())
        found = estimate_gradient(make_algorithm("full"), trained, driven)
        expected = estimate_gradient(make_algorithm("full"), network(), make_batch())
        assert all(torch.allclose(found[name], expected[name], rtol=1e-10, atol=1e-14) for name in expected)

    def test_trusted_discriminator_moves_the_recurrent_weights(self, monkeypatch):
        batch, trained = self.trusted(monkeypatch)
        found = estimate_gradient(make_algorithm("full"), trained, batch)
        untrusted = estimate_gradient(make_algorithm("full"), network(), make_batch())
        difference = found["cell.weight_hh_l0"] - untrusted["cell.weight_hh_l0"]
        assert float(difference.norm()) > 1e-6

    @torch.no_grad()
    def test_adversarial_loss_by_hand(self, monkeypatch):
        monkeypatch.setattr(professor, "TRUSTED", -1)
        forcing, batch = make_forcing("professor(weight=0.5)"), replace(make_batch(), mask=None)
        trained = forcing.begin(network(), "real", seed=0)
        driven = forcing.drive(batch, trained, progress=0.5, generator=generator())
        outputs, _ = trained.unroll(driven.inputs)
        belief = forcing.discriminator(outputs[:, B:, 2:]).sigmoid()
        task = float(batch.mean_loss(outputs[:, :B, :2]))
        expected = task - 0.5 * float(belief.log().mean())
        assert float(driven.mean_loss(outputs)) == pytest.approx(expected, rel=1e-10)

    @torch.no_grad()
    def test_discriminator_reads_as_torchs_bidirectional_gru(self):
        ours, theirs = professor.Discriminator(3, 4).double(), nn.GRU(3, 4, bidirectional=True).double()
        back = {f"{name}_reverse": value for name, value in ours.back.state_dict().items()}
        theirs.load_state_dict({**ours.ahead.state_dict(), **back})
        hidden = torch.randn(T, B, 3, dtype=torch.float64, generator=generator())
        assert torch.allclose(ours(hidden), ours.judge(theirs(hidden)[0])[..., 0], rtol=1e-12, atol=1e-14)

    def test_discriminator_follows_the_seed(self):
        weights = []
        for seed in (0, 0, 1):
            forcing = make_forcing("professor")
            forcing.begin(network(), "real", seed=seed)
            weights.append(forcing.discriminator.judge[0].weight)
        assert torch.equal(weights[0], weights[1])
        assert not torch.equal(weights[0], weights[2])

    @pytest.mark.parametrize("spec", [f"truncated(k1={T}, k2={T})", f"stochastic(length={T})"])
    def test_window_that_is_the_sequence_has_fulls_gradient(self, monkeypatch, spec):
        batch, trained = self.trusted(monkeypatch)
        found = estimate_gradient(make_algorithm(spec), trained, batch, generator=generator())
        expected = estimate_gradient(make_algorithm("full"), trained, batch)
        assert all(torch.allclose(found[name], expected[name], rtol=1e-9, atol=1e-13) for name in expected)

    def test_gradient_is_that_of_two_runs_step_by_step(self, monkeypatch):
        batch, trained = self.trusted(monkeypatch)
        task, inner = make_batch(), network()
        states, last = {"forced": inner.initial_state(B), "free": inner.initial_state(B)}, task.inputs[0, :, 1:]
        errors, hidden = [], []
        for t in range(T):
            states["forced"] = inner.cell.step(task.inputs[t], states["forced"])
            states["free"] = inner.cell.step(torch.cat([task.inputs[t, :, :1], last], dim=1), states["free"])
            last = inner.readout(states["free"][0])
            errors.append((inner.readout(states["forced"][0]) - task.targets[t]).square().mean(dim=1))
            hidden.append(states["free"][0])
        belief = self.discriminator(torch.stack(hidden)).sigmoid()
        loss = ((torch.stack(errors) - belief.log()) * task.mask).sum() / task.mask.sum()
        names = [name for name, _ in inner.named_parameters()]
        expected = dict(zip(names, torch.autograd.grad(loss, list(inner.parameters())), strict=True))
        found = estimate_gradient(make_algorithm("full"), trained, batch)
        assert all(torch.allclose(found[name], expected[name], rtol=1e-9, atol=1e-13) for name in expected)

    def trusted(self, monkeypatch):
        """A driven batch and its network, with a discriminator that is followed however often it is right."""
        monkeypatch.setattr(professor, "TRUSTED", -1)
        forcing = make_forcing("professor")
        trained = forcing.begin(network(), "real", seed=0)
        self.discriminator = forcing.discriminator
        return forcing.drive(make_batch(), trained, progress=0.5, generator=generator()), trained
