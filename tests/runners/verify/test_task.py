"""Every built-in task holds what it promises, and every seeded defect is caught by its check."""

import pytest
from plugin_defects import TASKS_WITH_DEFECTS
from task_defects import DEFECTS as IN_DATA
from task_score_defects import DEFECTS as IN_SCORES

from throughtime.parts import BadInput
from throughtime.runners.verify.task import CHECKS, check_task, task_checks
from throughtime.tasks import TASKS, make_task

BUILT_IN = [
    *TASKS.names(),
    "sunspots(stream=True)",
    "anbn(length=2, largest=2)",
    "copy(length=3, symbols=2)",
    "two_lag(a=0, b=1, length=2)",
    "first_symbol(noise=0.0)",
    "text(length=1, horizon=1, judged=80)",
]
"""Also with so few different sequences that they recur by chance."""

DEFECTS = IN_DATA | IN_SCORES

SEEDED = [
    (check, defect) for every in (DEFECTS, TASKS_WITH_DEFECTS) for check, defects in every.items() for defect in defects
]


@pytest.mark.parametrize("spec", BUILT_IN)
@pytest.mark.parametrize("number", range(len(CHECKS)), ids=[check.__name__ for check in CHECKS])
def test_a_built_in_holds_what_it_promises(spec, number):
    there, why = TASKS.get(spec.partition("(")[0]).available()
    if not there:
        pytest.skip(why)
    task_checks(make_task(spec))[number]()


@pytest.mark.parametrize(("check", "defect"), SEEDED, ids=[f"{check}-{defect.__name__}" for check, defect in SEEDED])
def test_a_defect_is_caught_by_its_check(check, defect):
    (one,) = [one for one in task_checks(defect()) if one.name == check]
    finding = one.find()
    assert finding.outcome == "failed", finding
    assert finding.look_at


def test_each_check_has_three_defects():
    seeded = [check for check, _ in SEEDED]
    assert {check.__name__ for check in CHECKS} == set(seeded)
    assert min(seeded.count(check) for check in seeded) >= 3


@pytest.mark.parametrize(
    ("spec", "nothing"),
    [
        (
            "influence_balancing",
            [
                "judged_data_is_apart",
                "feeds_back_its_targets",
                "runs_free_over_its_horizon",
                "nothing_simple_beats_its_references",
            ],
        ),
        ("adding", ["feeds_back_its_targets", "runs_free_over_its_horizon"]),
        ("sunspots", []),
    ],
)
def test_what_a_task_does_not_promise_is_told(spec, nothing):
    findings = check_task(make_task(spec))
    assert [finding.check for finding in findings if finding.outcome == "not promised"] == nothing


def test_failing_says_what_was_promised_measured_and_where_to_look():
    (wrong,) = [one for one in DEFECTS["feeds_back_its_targets"] if one.__name__ == "FeedsTheValueBefore"]
    with pytest.raises(AssertionError) as caught:
        check_task(wrong())
    text = str(caught.value)
    assert "feeds_back_its_targets: failed" in text
    assert "promised: With `feedback`, the last o inputs of a step are the target of the step before" in text
    assert "measured: inputs[1, 0, -1:] of sample(1) is (" in text
    assert "look at: which features come last and which step they are of" in text
    assert "scores_the_better_as_better: " not in text


def test_an_expected_failure_is_no_failure():
    (wrong,) = [one for one in DEFECTS["references_give_a_meaning"] if one.__name__ == "HasNoSource"]
    findings = {finding.check: finding for finding in check_task(wrong(), {"references_give_a_meaning": "no paper"})}
    assert findings["references_give_a_meaning"].outcome == "expected failure"


def test_an_unknown_check_is_told():
    with pytest.raises(BadInput, match="'judged_data_is_apar', which is no check; did you mean 'judged_data_is_apart'"):
        task_checks(make_task("adding"), {"judged_data_is_apar": "a typo"})
