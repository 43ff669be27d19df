"""Every built-in cell holds what it promises, and every seeded defect is caught by its check."""

import pytest
from cell_defects import DEFECTS, StartsFromOnes
from plugin_defects import CELLS_WITH_DEFECTS
from sound_cells import Cascade, Integrator, Plain, Trace

from throughtime.networks import CELLS
from throughtime.runners.verify.cell import CHECKS, cell_checks, check_cell

# torch's own forward mode, which serves cells without derivatives by hand, scripts a few decompositions at first use.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")

KNOWN = {"states_have_their_form": "it starts from ones"}
SEEDED = [
    (check, defect) for every in (DEFECTS, CELLS_WITH_DEFECTS) for check, defects in every.items() for defect in defects
]


@pytest.mark.parametrize("name", CELLS.names())
@pytest.mark.parametrize("number", range(len(CHECKS)), ids=[check.__name__ for check in CHECKS])
def test_a_built_in_holds_what_it_promises(name, number):
    cell_checks(CELLS.get(name))[number]()


@pytest.mark.parametrize(
    "spec",
    [
        "rnn(sparsity=0.5)",
        "gru(sparsity=0.75, init='orthogonal')",
        "lstm(forget_bias=1.0, sparsity=0.25)",
        "leaky(leak=0.1, sparsity=0.5)",
        "lru(r_min=0.5, r_max=0.9, max_phase=0.3)",
        "gru(layers=2, sparsity=0.5)",
        "lstm(layers=2)",
        "rtu(layers=2)",
        "elstm(layers=3)",
    ],
)
def test_a_spec_with_parameters_holds_it_too(spec):
    assert {finding.outcome for finding in check_cell(CELLS.maker(spec))} == {"passed"}


@pytest.mark.parametrize("cell", [Plain, Integrator, Trace, Cascade])
def test_a_cell_that_owes_no_more_than_its_sizes_and_its_map_is_sound(cell):
    assert {finding.outcome for finding in check_cell(cell)} == {"passed"}


@pytest.mark.parametrize(("check", "defect"), SEEDED, ids=[f"{check}-{defect.__name__}" for check, defect in SEEDED])
def test_a_defect_is_caught_by_its_check(check, defect):
    (one,) = [one for one in cell_checks(defect) if one.name == check]
    finding = one.find()
    assert finding.outcome == "failed", finding
    assert finding.look_at


def test_each_check_has_three_defects():
    assert {check.__name__ for check in CHECKS} == set(DEFECTS)
    assert min(len(defects) for defects in DEFECTS.values()) >= 3


def test_failing_says_what_was_promised_measured_and_where_to_look():
    (wrong,) = [defect for defect in DEFECTS["linearize_equals_autograd"] if defect.__name__ == "ForgetsTheDirectPath"]
    with pytest.raises(AssertionError) as caught:
        check_cell(wrong)
    text = str(caught.value)
    assert "linearize_equals_autograd: failed" in text
    assert "promised: `linearize` gives the step, and local Jacobians" in text
    assert "away from autograd's Jacobian by the old state, relatively" in text
    assert "look at: `derivatives` where it is written by hand" in text
    assert "unroll_equals_steps: " not in text


def test_an_expected_failure_may_stand_in_the_class():
    class Known(StartsFromOnes):
        expected_failures = KNOWN

    (finding,) = [finding for finding in check_cell(Known) if finding.outcome != "passed"]
    assert (finding.outcome, finding.look_at) == ("expected failure", "it starts from ones")
