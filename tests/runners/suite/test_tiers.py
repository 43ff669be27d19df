"""Tiers: what each changes of a suite, what it leaves, and what is said of a mistake."""

import pytest

from throughtime.parts import BadInput
from throughtime.runners import load_suite
from throughtime.runners.execution.run import default_directory
from throughtime.runners.suite.suite import parse_suite, suite_names
from throughtime.runners.suite.tiers import TIERS

SUITE = """
title = "Three sizes"
core_minutes = 30
algorithms = ["full"]
learning_rates = [0.01, 0.1]
seeds = 5
budget = { steps = 1000 }

[[experiments]]
tasks = ["two_lag"]

[[experiments]]
tasks = ["adding"]
budget = { seconds = 4.0 }
seeds = 7

[tiers.smoke]
share = 0.1
seeds = 2
learning_rates = [0.01]
core_minutes = 1

[tiers.full]
hidden_size = 256
"""


def parsed(tier="core", text=SUITE):
    return parse_suite(text, "three", origin="three.toml", tier=tier)


def test_core_is_what_is_written():
    plain = parse_suite(SUITE.partition("[tiers")[0], "three", origin="three.toml")
    assert parsed() == plain
    assert (plain.tier, plain.core_minutes) == ("core", 30)
    assert str(default_directory(plain)).endswith("three")


def test_smoke_has_its_share_of_each_budget_and_its_own_seeds():
    suite = parsed("smoke")
    first, second = suite.experiments
    assert (first.budget.steps, second.budget.seconds) == (100, pytest.approx(0.4))
    assert [one.seeds for one in suite.experiments] == [2, 2]  # an experiment's own too
    assert [one.rates for one in suite.experiments] == [(0.01,)] * 2
    assert (suite.title, suite.core_minutes) == ("Three sizes (smoke)", 1)
    assert str(default_directory(suite)).endswith("three-smoke")


def test_what_a_tier_does_not_name_stays():
    full, core = parsed("full"), parsed()
    for one, other in zip(full.experiments, core.experiments, strict=True):
        assert one.model_copy(update={"hidden_size": other.hidden_size}) == other
        assert one.hidden_size == 256


@pytest.mark.parametrize(("tier", "minutes"), [("smoke", 1), ("core", 30), ("full", 0)])
def test_what_core_takes_is_not_told_of_another_tier(tier, minutes):
    assert parsed(tier).core_minutes == minutes


@pytest.mark.parametrize("tier", TIERS)
def test_rows_are_the_same_in_every_tier(tier):
    def rows(suite):
        return [(group.task, group.cell, group.algorithm) for group in suite.groups()]

    for name in suite_names():
        try:
            suite = load_suite(name, tier)
        except BadInput as error:
            assert f"has no tier '{tier}'; it has core" in str(error)  # noqa: PT017
            continue
        assert rows(suite) == rows(load_suite(name))


def test_a_budget_is_at_least_one_step():
    assert parsed("smoke", SUITE.replace("share = 0.1", "share = 1e-9")).experiments[0].budget.steps == 1


@pytest.mark.parametrize(
    ("old", "new", "tier", "message"),
    [
        ("", "", "smok", "--tier smok: did you mean 'smoke'?"),
        ("[tiers.full]", "[tiers.huge]", "core", "a suite may have [tiers.smoke] and [tiers.full]; got [tiers.huge]"),
        ("[tiers.full]", "[tiers.core]", "core", "got [tiers.core]"),
        ("share = 0.1", "shares = 0.1", "core", "tiers.smoke can't change 'shares'; did you mean 'share'?"),
        ("share = 0.1", "tasks = ['copy']", "core", "tiers.smoke can't change 'tasks'"),
        ("share = 0.1", "share = 0", "smoke", "tiers.smoke.share is the part of each budget, such as 0.1; got 0"),
        ("share = 0.1", "share = true", "smoke", "got True"),
        ("seeds = 2", "seeds = 0", "smoke", "seeds: must be greater than 0; got 0"),
        (SUITE[SUITE.index("[tiers.smoke]") :], "[tiers]\nsmoke = 3", "core", "must be written as [tiers.smoke]"),
        (SUITE[SUITE.index("[tiers.full]") :], "", "full", "has no tier 'full'; it has core, smoke"),
        ("core_minutes = 30", "core_minutes = -1", "core", "core_minutes: must be greater than or equal to 0; got -1"),
    ],
)
def test_a_mistake_is_told(old, new, tier, message):
    with pytest.raises(BadInput) as told:
        parsed(tier, SUITE.replace(old, new))
    assert message in str(told.value)


def test_run_tells_how_long_its_tier_takes(throughtime_here, tmp_path):
    (tmp_path / "three.toml").write_text(SUITE, encoding="utf-8")
    words = ("run", "three.toml", "--dry-run", "--workers", "2", "--tier")
    ended = throughtime_here(*words, "core", cwd=tmp_path)
    assert "expected: about 15 minutes" in ended.stdout, ended.stderr
    ended = throughtime_here(*words, "smoke", cwd=tmp_path)
    assert ended.stdout.startswith("Three sizes (smoke)\n4 runs (0 to tune, 4 to report)")
    assert "expected: less than a minute" in ended.stdout
    ended = throughtime_here(*words, "full", cwd=tmp_path)
    assert ended.stdout.startswith("Three sizes (full)\n"), ended.stderr
    assert "expected:" not in ended.stdout
