"""One run: same start, same data, budgets, clipping, divergence, and what is recorded."""

import math
from dataclasses import replace

import pytest
import torch

from throughtime.algorithms import Algorithm, Update
from throughtime.networks import make_network
from throughtime.runners.suite.config import TUNING_SEED
from throughtime.runners.training.train import Trainer, generator
from throughtime.tasks import make_task


def with_budget(config, **budget):
    return config.model_copy(update={"budget": type(config.budget)(**budget)})


def test_same_seed_same_numbers(config):
    first, second = (Trainer(config).run() for _ in range(2))
    assert first.test == second.test
    assert [point.metric for point in first.curve] == [point.metric for point in second.curve]


def test_other_seed_other_numbers(config):
    assert Trainer(config).run().test != Trainer(config.model_copy(update={"seed": 1})).run().test


def test_training_equals_a_loop_written_out(config):
    """The trainer against torch.nn.RNN, autograd and torch's optimizer in eight lines."""
    task = make_task(config.task)
    ours = make_network("rnn", input_size=1, hidden_size=4, output_size=2, seed=0)
    cell, readout = torch.nn.RNN(1, 4), torch.nn.Linear(4, 2)
    cell.load_state_dict(ours.cell.state_dict())
    readout.load_state_dict(ours.readout.state_dict())
    parameters = [*cell.parameters(), *readout.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    draws = generator(0, "data")
    for _ in range(4):
        batch = task.sample(4, generator=draws)
        loss = batch.mean_loss(readout(cell(batch.inputs)[0]))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 0.5)
        optimizer.step()
    trainer = Trainer(config.model_copy(update={"clip_norm": 0.5}))
    trainer.run()
    for mine, theirs in zip(trainer.network.parameters(), parameters, strict=True):
        assert torch.allclose(mine, theirs, atol=1e-5)


@pytest.mark.parametrize("algorithm", ["full", "rtrl", "truncated(k1=3, k2=5)", "stochastic(length=4, draws=3)"])
def test_a_budget_of_steps_is_the_same_data_for_every_algorithm(config, algorithm):
    outcome = Trainer(config.model_copy(update={"algorithm": algorithm})).run()
    assert (outcome.steps, outcome.sequences) == (64, 16)


def test_steps_are_rounded_up_to_whole_sequences(config):
    assert Trainer(with_budget(config, steps=65)).run().steps == 80


def test_a_budget_of_updates_ends_in_the_middle_of_a_sequence(config):
    outcome = Trainer(with_budget(config, updates=11).model_copy(update={"algorithm": "rtrl"})).run()
    assert outcome.updates == 11  # 8 targets a sequence
    assert outcome.steps == 16 + round(16 * 3 / 8)


def test_a_budget_of_seconds_ends(config):
    outcome = Trainer(with_budget(config, seconds=0.05)).run()
    assert 0.05 <= outcome.wall_seconds < 5
    assert outcome.curve[-1].seconds >= 0.05


def test_curve_has_its_start_and_as_many_points_as_asked(config):
    curve = Trainer(config).run().curve
    assert [point.steps for point in curve] == [0, 32, 64]
    assert curve[0].loss is None
    assert curve[0].updates == 0
    assert all(point.loss is not None for point in curve[1:])


def test_more_evaluations_than_sequences(config):
    curve = Trainer(config.model_copy(update={"evaluations": 100})).run().curve
    assert [point.steps for point in curve] == [0, 16, 32, 48, 64]


def test_tuning_never_looks_at_test_data(config, monkeypatch):
    monkeypatch.setattr("throughtime.tasks.two_lag.TwoLag.test", lambda self: pytest.fail("looked"))
    outcome = Trainer(config.model_copy(update={"purpose": "tuning"})).run()
    assert outcome.test is None
    assert outcome.validation == outcome.curve[-1].metric


def test_report_runs_are_judged_on_test_data(config, monkeypatch):
    monkeypatch.setattr("throughtime.tasks.two_lag.TwoLag.validation", lambda self: pytest.fail("looked"))
    outcome = Trainer(config).run()
    assert outcome.test == outcome.curve[-1].metric
    assert outcome.validation is None


def test_each_tuning_seed_has_its_fold_and_a_report_has_none(config):
    def validation(seed, purpose):
        changed = {"task": "sunspots(length=6)", "purpose": purpose, "seed": seed}
        return Trainer(config.model_copy(update=changed)).judged.inputs

    task = make_task("sunspots(length=6)")
    for number in range(3):
        assert torch.equal(validation(TUNING_SEED + number, "tuning"), task.fold(number).validation().inputs)
    assert torch.equal(validation(1, "report"), task.test().inputs)


def test_a_small_tests_losses_are_kept(config):
    task = make_task("sunspots(length=6)")
    trainer = Trainer(config.model_copy(update={"task": "sunspots(length=6)"}))
    record = trainer.run()
    outputs, _ = trainer.network.unroll(task.test().inputs)
    losses = (outputs - task.test().targets).square()[task.test().mask]
    assert record.test_losses == pytest.approx(losses[:, 0].tolist(), rel=1e-4, abs=1e-7)
    assert record.test == pytest.approx(sum(record.test_losses) / 35 * task.deviation**2 / task.variance, rel=1e-5)


def test_no_losses_are_kept_of_a_large_test_or_of_tuning(config):
    assert Trainer(config).run().test_losses == ()
    tuning = config.model_copy(update={"task": "sunspots(length=6)", "purpose": "tuning"})
    assert Trainer(tuning).run().test_losses == ()


def test_counts_are_those_of_the_least_truth(config):
    def counts(forcing):
        changed = config.model_copy(update={"task": "sunspots(length=6)", "forcing": forcing})
        record = Trainer(changed).run()
        return record.peak_bytes, record.flops, record.ops

    assert counts("scheduled(end=0.0)") == counts("generalized(alpha=0.0)") != counts("teacher")


def test_on_point_is_told_how_far_it_is(config):
    shares = []
    Trainer(config).run(lambda point, done: shares.append(done))
    assert shares == [0.0, 0.5, 1.0]


def test_clipping_bounds_the_first_sgd_step(config):
    clipped = config.model_copy(update={"optimizer": "sgd", "learning_rate": 1.0, "clip_norm": 1e-3})
    trainer = Trainer(with_budget(clipped, updates=1))
    before = torch.cat([p.detach().flatten().clone() for p in trainer.network.parameters()])
    outcome = trainer.run()
    after = torch.cat([p.detach().flatten() for p in trainer.network.parameters()])
    assert float((after - before).norm()) == pytest.approx(1e-3, rel=1e-2)
    assert outcome.clipped_share == 1.0
    assert outcome.gradient_norm > 1e-3  # the norm is recorded before clipping


def test_huge_learning_rate_diverges_with_a_reason(config):
    outcome = Trainer(config.model_copy(update={"optimizer": "sgd", "learning_rate": 1e6})).run()
    assert outcome.status == "diverged"
    assert "the evaluation loss went from" in outcome.reason
    assert outcome.test is None
    assert outcome.validation is None


def test_a_loss_of_large_numbers_does_not_diverge_by_its_size(config):
    trainer = Trainer(config)
    loss = trainer.judged.loss
    trainer.judged = replace(trainer.judged, loss=lambda outputs, targets: 1e9 * loss(outputs, targets))
    assert trainer.run().status == "done"


class Scripted(Algorithm):
    """Yields the losses and gradients that it is given."""

    exact_up_to, unbiased, online = 0, False, True

    def __init__(self, script):
        self.script = script

    def updates(self, network, batch, carry=None, *, generator=None):
        for loss, gradient, weight in self.script:
            for parameter in network.parameters():
                parameter.grad = torch.full_like(parameter, gradient)
            yield Update(torch.tensor(loss), weight, None)


def scripted(config, script):
    trainer = Trainer(config)
    trainer.algorithm = Scripted(script)
    return trainer


def test_nan_loss_diverges(config):
    outcome = scripted(config, [(math.nan, 0.0, 1.0)]).run()
    assert outcome.status == "diverged"
    assert outcome.reason == "the training loss became nan by update 2"  # seen at the first evaluation after it


def test_non_finite_gradients_are_counted_and_not_applied(config):
    trainer = scripted(config, [(1.0, math.inf, 0.5), (1.0, 0.0, 0.5)])
    before = [parameter.detach().clone() for parameter in trainer.network.parameters()]
    outcome = trainer.run()
    assert outcome.status == "done"
    assert outcome.nonfinite_share == 0.5
    assert all(torch.equal(old, new) for old, new in zip(before, trainer.network.parameters(), strict=True))


def test_the_gradients_norm_is_the_mean_over_those_that_are_finite(config):
    trainer = scripted(config, [(1.0, math.inf, 0.25), (1.0, 2.0, 0.25), (1.0, 4.0, 0.5)])
    size = sum(parameter.numel() for parameter in trainer.network.parameters())
    outcome = trainer.run()
    assert outcome.gradient_norm == pytest.approx(3 * size**0.5)
    assert outcome.curve[-1].gradient_norm == pytest.approx(3 * size**0.5)


def test_an_update_without_targets_changes_nothing(config):
    trainer = scripted(config, [(1.0, 5.0, 0.0)])
    before = [parameter.detach().clone() for parameter in trainer.network.parameters()]
    outcome = trainer.run()
    assert outcome.updates == 0
    assert all(torch.equal(old, new) for old, new in zip(before, trainer.network.parameters(), strict=True))


def test_the_loss_of_a_point_is_weighted_by_the_updates_shares(config):
    outcome = scripted(config, [(1.0, 0.0, 0.75), (3.0, 0.0, 0.25)]).run()
    assert outcome.curve[-1].loss == pytest.approx(1.5)


def test_full_bptt_has_cosine_one_and_the_control_has_not(config):
    exact = Trainer(config).run().curve[-1]
    control = Trainer(config.model_copy(update={"algorithm": "readout_only"})).run().curve[-1]
    assert exact.cosine == pytest.approx(1.0)
    assert exact.relative_error == pytest.approx(0.0, abs=1e-6)
    assert control.cosine < 0.999
    assert control.relative_error > 0.01


def test_readout_only_leaves_the_recurrent_weights(config):
    trainer = Trainer(config.model_copy(update={"algorithm": "readout_only"}))
    before = {name: parameter.detach().clone() for name, parameter in trainer.network.named_parameters()}
    trainer.run()
    for name, parameter in trainer.network.named_parameters():
        assert torch.equal(before[name], parameter) == name.startswith("cell.")


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_cell_and_dtype_trains(config, cell, dtype):
    trainer = Trainer(config.model_copy(update={"cell": cell, "dtype": dtype, "algorithm": "rtrl"}))
    outcome = trainer.run()
    assert outcome.status == "done"
    assert trainer.network.readout.weight.dtype == getattr(torch, dtype)


def test_global_random_state_is_untouched(config):
    before = torch.get_rng_state()
    Trainer(config.model_copy(update={"algorithm": "stochastic(length=4)"})).run()
    assert torch.equal(before, torch.get_rng_state())


def test_a_stream_hands_its_carry_on(config, monkeypatch):
    trainer = Trainer(config.model_copy(update={"task": "sunspots(length=8, stream=True)"}))
    updates, carried = trainer.algorithm.updates, []

    def watched(network, batch, carry=None, *, generator=None):
        carried.append((batch.continues, carry is not None))
        return updates(network, batch, carry, generator=generator)

    monkeypatch.setattr(trainer.algorithm, "updates", watched)
    trainer._train(lambda point, done: None)
    training = carried[: config.budget.steps // 8]
    assert {continues for continues, _ in training} == {True, False}
    assert all(continues == carry for continues, carry in training)


def test_a_forcing_learns_after_every_batch(config, monkeypatch):
    task = {"task": "sunspots(length=8)", "forcing": "professor(units=2)"}
    trainer, batches = Trainer(config.model_copy(update=task)), []
    monkeypatch.setattr(trainer.forcing, "after", lambda batch, network: batches.append(batch))
    trainer.run()
    assert len(batches) == config.budget.steps // 8
