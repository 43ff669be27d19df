"""A cell that drops units drops them while it learns, and never while it is judged, probed or left to itself."""

import contextlib

import pytest
import torch
from torch import nn

from throughtime.algorithms import estimate_gradient, make_algorithm
from throughtime.forcings import make_forcing
from throughtime.forcings.base import closed_loop
from throughtime.networks import CELLS, Network, make_network
from throughtime.networks.modes import evaluating, training
from throughtime.runners.training.free_run import FreeRun
from throughtime.runners.training.train import Trainer
from throughtime.tasks import make_task

RNN = CELLS.get("rnn")


class Dropping(RNN):
    """A tanh cell that drops half of its units as it learns, and remembers the modes that it was run in."""

    def __init__(self, *sizes, **keywords):
        super().__init__(*sizes, **keywords)
        self.drop, self.modes = nn.Dropout(0.5), set()

    def activate(self, state, z):
        self.modes.add(self.training)
        return (self.drop(super().activate(state, z)[0]),)


def dropping_network(task, seed=0):
    generator = torch.Generator().manual_seed(seed)
    cell = Dropping(task.input_size, 5, generator=generator)
    made = make_network("rnn", input_size=task.input_size, hidden_size=5, output_size=task.output_size, seed=seed)
    return Network(cell, made.readout)


@pytest.fixture
def dropping(config, monkeypatch):
    """A trainer's configuration under which every network drops units."""

    def make(self, cell, *, hidden_size, seed, dtype, device):
        return dropping_network(self, seed)

    monkeypatch.setattr(type(make_task(config.task)), "make_network", make)
    return config


def test_what_is_judged_is_in_evaluation_mode(dropping):
    trainer = Trainer(dropping)
    trainer.network.cell.modes.clear()
    outputs = trainer._outputs(trainer.judged)
    assert torch.equal(outputs, trainer._outputs(trainer.judged))
    assert trainer.network.cell.modes == {False}
    assert trainer.network.training


def test_a_gradient_probe_is_in_evaluation_mode(dropping):
    trainer = Trainer(dropping.model_copy(update={"algorithm": "truncated(k1=99, k2=99)"}))
    quality = trainer._gradient_quality()
    assert trainer.network.cell.modes == {False}
    assert quality.relative_error < 1e-5  # two walks of one network; with units dropped they were of two


def test_learning_is_in_training_mode(dropping):
    trainer = Trainer(dropping)
    trainer.network.eval()
    modes, learn = [], trainer._learn

    def watched(batch, carry):
        trainer.network.cell.modes.clear()
        result = learn(batch, carry)
        modes.append(set(trainer.network.cell.modes))
        return result

    trainer._learn = watched
    trainer.run()
    assert modes
    assert all(seen == {True} for seen in modes)
    assert not any(module.training for module in trainer.network.modules())  # as it was


def test_a_run_that_drops_units_repeats(dropping):
    first, second = (Trainer(dropping).run() for _ in range(2))
    assert first.curve == second.curve or [p.loss for p in first.curve] == [p.loss for p in second.curve]


def test_a_run_leaves_the_global_generator_alone(dropping):
    before = torch.get_rng_state()
    Trainer(dropping).run()
    assert torch.equal(before, torch.get_rng_state())


def test_a_free_run_is_in_evaluation_mode():
    task = make_task("sunspots(horizon=4)")
    network = dropping_network(task)
    loop, run = closed_loop(network, task.feedback), FreeRun(task, task.test())
    assert run.scores(loop) == run.scores(loop)
    assert network.cell.modes == {False}
    assert loop.training
    assert network.cell.training


@pytest.mark.parametrize("mode", [True, False])
def test_an_estimate_stays_as_the_caller_set_it(mode):
    task = make_task("sunspots")
    network, batch = dropping_network(task).train(mode), task.sample(3, generator=torch.Generator().manual_seed(0))
    estimate_gradient(make_algorithm("full"), network, batch)
    assert network.cell.modes == {mode}
    assert network.training is mode


def test_a_discriminator_drops_units_only_as_it_learns():
    task = make_task("sunspots")
    forcing = make_forcing("professor")
    network = forcing.begin(
        task.make_network("gru", hidden_size=4, seed=0, dtype=torch.float32, device="cpu"), "real", seed=0
    )
    modes = []
    forcing.discriminator.judge.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    draws = torch.Generator().manual_seed(0)
    driven = forcing.drive(task.sample(3, generator=draws), network, progress=0.5, generator=draws)
    estimate_gradient(make_algorithm("full"), network, driven)
    assert set(modes) == {False}
    modes.clear()
    forcing.discriminator.eval()
    forcing.after(driven, network)
    assert set(modes) == {True}
    assert not forcing.discriminator.training


def test_each_module_has_its_own_mode_back():
    module = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2).eval(), nn.LSTM(2, 2, dropout=0.0))
    for around, expected in ((evaluating, False), (training, True)):
        with around(module):
            assert [part.training for part in module] == [expected, expected, True]  # as cuDNN walks back through LSTMs
        assert [part.training for part in module] == [True, False, True]
        with contextlib.suppress(ZeroDivisionError), around(module):
            raise ZeroDivisionError
        assert [part.training for part in module] == [True, False, True]
