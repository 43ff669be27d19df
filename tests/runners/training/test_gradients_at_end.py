"""Bias and reach at the end of a run: told in its record, off its clock, and without a bit's difference to the run."""

import pytest

from throughtime.runners.training import train
from throughtime.runners.training.train import Trainer


def ran(config, **options):
    return Trainer(config, **options).run()


def told(record):
    return record.relative_bias, record.relative_bias_error, record.lag_90


@pytest.mark.parametrize("algorithm", ["rtrl", "uoro", "stochastic(length=8)", "truncated(k1=2, k2=4)"])
def test_a_run_is_bit_by_bit_what_it_is_without(config, algorithm):
    config = config.model_copy(update={"algorithm": algorithm})
    one, other = (ran(config, gradients=gradients) for gradients in (True, False))
    assert told(other) == (None, None, None)
    assert one.relative_bias is not None

    def without_times(record):
        points = [point.model_dump(exclude={"seconds"}) for point in record.curve]
        times = {"curve", "wall_seconds", "cpu_seconds", "relative_bias", "relative_bias_error", "lag_90"}
        return points, record.model_dump(exclude=times)

    assert without_times(one) == without_times(other)


def test_the_clock_stands_meanwhile(config, monkeypatch):
    trainer = Trainer(config)
    real, seen = train.reach, []

    def timed(*of, **options):
        seen.append((trainer.clock.wall, trainer.clock.cpu))
        found = real(*of, **options)
        seen.append((trainer.clock.wall, trainer.clock.cpu))
        return found

    monkeypatch.setattr(train, "reach", timed)
    record = trainer.run()
    assert seen == [(record.wall_seconds, record.cpu_seconds)] * 2


def test_what_draws_at_random_has_a_standard_error(config):
    exact = ran(config.model_copy(update={"dtype": "float64"}))
    assert exact.relative_bias < 1e-12
    assert exact.relative_bias_error == 0
    random = ran(config.model_copy(update={"algorithm": "uoro"}))
    assert random.relative_bias_error > 0
    cut = ran(config.model_copy(update={"algorithm": "truncated(k1=1, k2=1)"}))
    assert cut.relative_bias == pytest.approx(cut.curve[-1].relative_error, rel=1e-5)
    assert cut.relative_bias_error == 0
    assert 0 <= exact.lag_90 < 16


def test_tuning_has_no_use_for_them(config):
    assert told(ran(config.model_copy(update={"purpose": "tuning"}))) == (None, None, None)
