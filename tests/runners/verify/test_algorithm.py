"""Every built-in algorithm holds what it promises, and every seeded defect is caught by its check."""

import pytest
from defects import DEFECTS, Coin, Sound
from defects_in_time import IN_TIME
from plugin_defects import ALGORITHMS as OF_PLUGINS

from throughtime.algorithms import ALGORITHMS, make_algorithm
from throughtime.parts import BadInput
from throughtime.runners import algorithm_checks, check_algorithm
from throughtime.runners.verify import problems
from throughtime.runners.verify.algorithm import CHECKS
from throughtime.runners.verify.contract import shares_sum_to_one
from throughtime.runners.verify.promises import is_exact_up_to, is_online

SPECS = {
    "truncated": "truncated(k1=2, k2=5)",
    "online": "online(depth=4)",
    "stochastic": "stochastic(length=4)",
    "blocked_rtrl": "blocked_rtrl(block=4)",
    "artbp": "artbp(mean_length=3)",
    "adaptive": "adaptive(delta=4, k_max=12)",
    "dni": "dni(k=4)",
    "fptt": "fptt(every=4)",
    "sparse_rtrl": "sparse_rtrl(paths=2)",
}
NAMED = [SPECS.get(name, name) for name in ALGORITHMS.names()]
BUILT_IN = [
    *NAMED,
    "truncated(k1=4, k2=4)",
    "truncated(k1=1, k2=6)",
    "stochastic(length=5, draws=3, burn_in=2)",
    "rtrl(update_every=3)",
    "readout_only(update_every=4)",
    "checkpointed(slots=3)",
]
BY_DESIGN = {
    "stochastic(length=5, draws=3, burn_in=2)": {
        "carries_the_state_on": "the state that it hands on is warmed up from zero over burn_in steps"
    }
}
EVERY = (DEFECTS, IN_TIME, OF_PLUGINS)
SEEDED = [(check, defect) for every in EVERY for check, defects in every.items() for defect in defects]


@pytest.mark.parametrize(
    ("spec", "number"),
    [
        pytest.param(spec, number, id=f"{check.__name__}-{spec}")
        for number, check in enumerate(CHECKS)
        for turn, spec in enumerate(BUILT_IN)
        if turn < len(NAMED) or (turn + number) % 2
    ],
)
def test_a_built_in_holds_what_it_promises(spec, number, monkeypatch):
    """Each check of each algorithm on one cell, all cells in turn; of one with other parameters every other check.

    The long form and `throughtime verify` have all.
    """
    algorithm, turn = make_algorithm(spec), (BUILT_IN.index(spec) + number) % len(problems.CELLS)
    if not getattr(algorithm, "expected_failures", {}):  # which are failures on some cell
        monkeypatch.setattr(problems, "CELLS", problems.CELLS[turn : turn + 1])
    algorithm_checks(algorithm, BY_DESIGN.get(spec))[number]()


@pytest.mark.parametrize("spec", ["adaptive(delta=0.1, k_max=6)", "sparse_rtrl(paths=4)"])
def test_a_longer_reach_by_luck_is_not_held_against_a_declaration(spec):
    """One chooses its reach by the data, the other's paths are all that there are between few units."""
    assert "away at T" in is_exact_up_to(make_algorithm(spec))


def test_what_is_rarely_drawn_is_waited_for():
    """Of seven windows of a step one has the only target, and the first draws are all of others."""
    assert "standard errors" in shares_sum_to_one(make_algorithm("stochastic(length=1)"))


def test_memory_that_the_data_choose_goes_up_and_down():
    assert is_online(make_algorithm("adaptive(delta=0.1, k_max=6)"))


@pytest.mark.long
@pytest.mark.parametrize("spec", BUILT_IN)
def test_a_built_in_holds_all_that_it_promises_on_every_cell(spec):
    assert check_algorithm(make_algorithm(spec), BY_DESIGN.get(spec))


@pytest.mark.parametrize("kind", [Sound, Coin])
def test_what_the_defects_are_made_of_is_sound(kind):
    assert not [finding for finding in check_algorithm(kind()) if finding.bad]


@pytest.mark.parametrize(("check", "defect"), SEEDED, ids=[f"{check}-{defect.__name__}" for check, defect in SEEDED])
def test_a_defect_is_caught_by_its_check(check, defect):
    (one,) = [one for one in algorithm_checks(defect()) if one.name == check]
    finding = one.find()
    assert finding.outcome == "failed", finding
    assert finding.look_at


def test_each_check_has_three_defects():
    seeded = [check for check, _ in SEEDED]
    assert {check.__name__ for check in CHECKS} == set(seeded)
    assert min(seeded.count(check) for check in seeded) >= 3


def test_failing_says_what_was_promised_measured_and_where_to_look():
    with pytest.raises(AssertionError) as caught:
        check_algorithm(DEFECTS["fills_every_gradient"][0]())
    text = str(caught.value)
    assert "fills_every_gradient: failed" in text
    assert "promised: At each update every p.grad is a finite tensor" in text
    assert "measured: readout.bias.grad is None at update 1" in text
    assert "look at: parameters that your loss does not reach (a bias, the readout)" in text


def test_an_exception_names_its_place():
    (one,) = [one for one in algorithm_checks(DEFECTS["works_everywhere"][0]()) if one.name == "works_everywhere"]
    assert "defects.py, line" in one.find().measured


def test_an_expected_failure_is_no_failure():
    broken = DEFECTS["losses_are_means"][0]()
    findings = {finding.check: finding for finding in check_algorithm(broken, WRONG_SUM)}
    assert findings["losses_are_means"].outcome == "expected failure"
    assert findings["losses_are_means"].look_at == "it is the sum"


def test_an_expected_failure_may_stand_in_the_class():
    class Known(DEFECTS["losses_are_means"][0]):
        expected_failures = WRONG_SUM

    assert check_algorithm(Known())


def test_an_expected_failure_that_passes_is_told():
    with pytest.raises(
        AssertionError, match=r"losses_are_means: unexpected pass(.|\n)*take it out of expected_failures"
    ):
        check_algorithm(Sound(), {"losses_are_means": "it is the sum"})


def test_an_unknown_check_is_told():
    with pytest.raises(BadInput, match="'loses_are_means', which is no check; did you mean 'losses_are_means'"):
        algorithm_checks(Sound(), {"loses_are_means": "a typo"})


AFFECTED = (
    "losses_are_means",
    "carries_the_state_on",
    "is_exact_up_to",
    "is_exact_where_nothing_is_remembered",
    "differentiates_what_unroll_gives",
)
WRONG_SUM = dict.fromkeys(AFFECTED, "it is the sum")


class ForOneCell(Sound):
    """Works on one gate alone, in an open loop, and says so."""

    def refuses(self, network):
        if type(network).__name__ == "ClosedLoop":
            return "it has no gradient through a closed loop"
        own = network.cell.weight_hh_l0.shape[0] == network.cell.hidden_size
        return "" if own else "it knows one gate alone"

    def backward(self, network, loss):
        assert not self.refuses(network)
        super().backward(network, loss)


class ForNoCell(Sound):
    def refuses(self, network):
        return "no cell is good enough"


def test_an_honest_algorithm_for_one_cell_is_verified_on_that():
    findings = check_algorithm(ForOneCell())
    assert not [finding for finding in findings if finding.bad]
    (everywhere,) = [finding for finding in findings if finding.check == "works_everywhere"]
    assert "problems: rnn; " in everywhere.measured


def test_one_for_no_cell_that_is_known_is_told_so():
    for finding in check_algorithm(ForNoCell()):
        assert finding.outcome == "not promised"
        assert "it serves no cell that is known here (rnn: no cell is good enough;" in finding.measured or (
            finding.check in ("is_unbiased", "differentiates_what_unroll_gives")
        )


def test_one_for_one_cell_that_is_wrong_on_it_fails():
    class Wrong(ForOneCell):
        exact_up_to = 4

    with pytest.raises(AssertionError, match="is_exact_up_to: failed"):
        check_algorithm(Wrong())


def test_an_error_says_on_which_problem_it_arose():
    class Fails(Sound):
        def forward(self, network, window, state):
            if len(network.initial_state(1)) == 2:
                raise RuntimeError("two parts of a state are too many")
            return super().forward(network, window, state)

    (found,) = [check.find() for check in algorithm_checks(Fails()) if check.name == "carries_the_state_on"]
    assert "two parts of a state are too many" in found.measured
    assert "on lstm, teacher forcing of values" in found.measured
